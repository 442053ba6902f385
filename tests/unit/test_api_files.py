"""REST v1: files that are moved, edited and chosen, and files that are kept."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse

from frontend.documents import new_document
from frontend.models import Notebook
from interpreters import workspaces
from interpreters.agent.naming import shown
from interpreters.api.files import _sent
from interpreters.client.memory import MemoryAgent
from interpreters.models import Session, Workspace
from interpreters.sessions import files
from tests.edges import Caller

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_file_is_moved_and_a_selection_is_packed(call: Caller, mine: Session, agents: Any) -> None:
    agents[mine.pk].contents.update({"a.txt": b"1", "b.txt": b"2", "d/c.txt": b"3"})
    base = f"/sessions/{mine.pk}"
    json = {"content_type": "application/json"}
    taken = await call("PATCH", f"{base}/files/a.txt", data={"to": "b.txt"}, **json)
    assert (taken.status_code, taken.json()["error"]) == (409, "exists")
    assert (await call("PATCH", f"{base}/files/a.txt", data={"to": "d/a.txt"}, **json)).status_code == 204
    assert (await call("PATCH", f"{base}/files/b.txt", data={"to": "../b"}, **json)).status_code == 400
    assert set(agents[mine.pk].contents) == {"d/a.txt", "b.txt", "d/c.txt"}
    got = await call("GET", f"{base}/archive?only=b.txt&only=d")
    packed = zipfile.ZipFile(io.BytesIO(b"".join([part async for part in got])))
    assert set(packed.namelist()) == {"b.txt", "d/a.txt", "d/c.txt"}
    assert (await call("GET", f"{base}/archive?only=../x")).status_code == 400
    many = "&".join("only=x" for _ in range(501))
    assert (await call("GET", f"{base}/archive?{many}")).status_code == 400


async def test_what_changed_meanwhile_is_not_written_over(call: Caller, mine: Session, agents: Any) -> None:
    path, text = f"/sessions/{mine.pk}/files/a.txt", {"content_type": "text/plain"}
    made = await call("PUT", path, data=b"1", headers={"If-None-Match": "*"}, **text)
    got = await call("GET", path)
    assert made["ETag"] == got["ETag"] != ""
    agents[mine.pk].contents["a.txt"] = b"by code"
    lost = await call("PUT", path, data=b"2", headers={"If-Match": got["ETag"]}, **text)
    assert (lost.status_code, lost.json()["error"]) == (409, "changed")
    again = await call("PUT", path, data=b"2", headers={"If-None-Match": "*"}, **text)
    assert (again.status_code, again.json()["error"]) == (409, "exists")
    for nonsense in ("W/x", '"\x00"', '"' + "a" * 300 + '"'):
        assert (await call("PUT", path, data=b"2", headers={"If-Match": nonsense}, **text)).status_code == 400
    assert agents[mine.pk].contents["a.txt"] == b"by code"


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"new\nline\r", b"a" * 255, b"\xff" * 255, "\u202egpj.exe".encode(), b'"; x=y']
)
async def test_a_name_of_any_bytes_breaks_no_header(raw: bytes) -> None:
    agent, wire = MemoryAgent(), shown(os.fsdecode(raw))
    agent.contents[wire] = b"x"
    assert files.checked(wire) == wire, "255 bytes are 255 bytes, however they are written"
    got = await _sent(lambda _: agent.download(wire), wire, "")
    assert got["Content-Disposition"].startswith("attachment; filename")
    assert got["Content-Disposition"].isprintable()
    got["Content-Disposition"].encode("ascii")


# --- Kept files ---


async def test_files_are_kept_listed_and_had(
    call: Caller, mine: Session, agents: Any, settings: Any, tmp_path: Path
) -> None:
    settings.WORKSPACE_DIR = tmp_path
    json = {"content_type": "application/json"}
    assert await call.want("GET", "/workspaces") == []
    made = await call.want("PUT", "/workspaces", data={"identifier": mine.identifier}, **json)
    assert (made["enabled"], made["size"], made["held"]) == (True, 0, True)
    place = f"/workspaces/{made['id']}"
    nothing = await call("GET", f"{place}/archive")
    assert (nothing.status_code, nothing.json()["error"]) == (404, "nothing_kept")
    agents[mine.pk].contents["a.txt"] = b"kept"
    assert (await call("POST", f"{place}/save", data={}, **json)).status_code == 202
    await sync_to_async(workspaces.save)(mine.pk)
    found = await call.want("GET", place)
    assert [(entry["path"], entry["size"]) for entry in found["entries"]] == [("a.txt", 4)]
    assert found["saved_at"]
    assert found["message"] == ""
    got = await call("GET", f"{place}/archive")
    body = b"".join([part async for part in got])
    assert (len(body), got["Content-Type"]) == (found["size"], "application/gzip")
    assert got["Content-Disposition"].startswith("attachment; ")
    assert (await call("DELETE", f"{place}/archive")).status_code == 204
    assert list(tmp_path.iterdir()) == []
    assert (await call.want("GET", f"/workspaces?identifier={mine.identifier}"))[0]["size"] == 0
    await call.want("PUT", "/workspaces", data={"identifier": mine.identifier, "enabled": False}, **json)
    off = await call("POST", f"{place}/save", data={}, **json)
    assert (off.status_code, off.json()["error"]) == (409, "not_kept")
    assert (await call("DELETE", place)).status_code == 204
    assert (await call("GET", place)).status_code == 404
    assert (await call("PUT", "/workspaces", data={"identifier": "a b"}, **json)).status_code == 400


async def test_other_files_are_replaced_only_knowingly(call: Caller, mine: Session) -> None:
    kept = await Workspace.objects.acreate(
        tenant_id=mine.tenant_id, identifier=mine.identifier, content="a" * 32, problem="not_restored"
    )
    json = {"content_type": "application/json"}
    found = await call.want("GET", f"/workspaces/{kept.pk}")
    assert found["held"] is False
    assert "Download them" in found["message"]
    refused = await call("POST", f"/workspaces/{kept.pk}/save", data={}, **json)
    assert (refused.status_code, refused.json()["error"]) == (409, "other_files")
    assert (await call("POST", f"/workspaces/{kept.pk}/save", data={"replace": True}, **json)).status_code == 202


def test_a_notebooks_files_are_kept_until_it_is_deleted_for_good(
    client: Client, acme: Any, alice: Any, pool: Any
) -> None:
    notebook = Notebook.objects.create(
        tenant=acme, owner=alice, title="a", pool="python", document=new_document("python3", "Python")
    )
    client.force_login(alice)
    client.get(reverse("notebook", args=[notebook.pk]))
    kept = Workspace.objects.get()
    assert (kept.identifier, kept.enabled) == (notebook.identifier, True)
    Workspace.objects.update(enabled=False)
    client.get(reverse("notebook", args=[notebook.pk]))
    assert not Workspace.objects.get().enabled, "what somebody has switched off stays off"
    notebook.delete_softly()
    assert Workspace.objects.exists()
    Notebook.objects.filter(pk=notebook.pk).delete()
    assert not Workspace.objects.exists()
