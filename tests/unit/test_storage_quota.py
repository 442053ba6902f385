"""Stored bytes of a tenant: refused with words wherever more would be stored, and what was there stays as it was."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from frontend.documents import size
from frontend.models import Notebook, NotebookVersion, ShareLink, measure_kept
from frontend.models import version as versions
from interpreters.api.workspace_schemas import Workspace as Told
from interpreters.images.acquire import _keep
from interpreters.images.record import Record
from interpreters.models import FormerImage, InterpreterImage, Workspace
from tenants import storage
from tenants.models import AuditEvent, Tenant
from tenants.storage import MIB, StorageFull
from tests.documents import code_cell, document_of
from tests.edges import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_recorded() -> Iterator[None]:
    storage._recorded.clear()
    yield
    storage._recorded.clear()


def bound(tenant: Tenant, most: int | None) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(max_stored=most)
    return Tenant.objects.get(pk=tenant.pk)


def text(mib: float) -> str:
    return "x" * int(mib * MIB)


@pytest.fixture
def notebook(acme: Any, alice: Any) -> Notebook:
    document = document_of(code_cell("a", "1"))
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.fixture
def browser(alice: Any) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def saved(browser: Client, notebook: Notebook, source: str, version: int = 1, **options: Any) -> Any:
    body = json.dumps({"version": version, "cells": [code_cell("a", source)]})
    address = f"/notebooks/{notebook.pk}/document"
    return browser.patch(address, body, content_type="application/json", headers={"accept": "application/json"})


# --- What counts ---


def test_documents_versions_copies_and_the_trash_count(notebook: Notebook, acme: Any, alice: Any) -> None:
    def counted() -> int:
        return storage.stored(acme)["notebooks"]

    assert counted() == size(notebook.document) == Notebook.objects.get().size
    before = counted()
    made = versions.keep_named(notebook, "one", alice)
    assert counted() > before
    ShareLink.issue(
        notebook=notebook, document=document_of(code_cell("a", text(0.1))), title="t", language="l", lifetime=None
    )
    assert counted() > 0.1 * MIB
    notebook.delete_softly()
    assert counted() > 0.1 * MIB
    versions.forget(made)
    ShareLink.objects.all().delete()
    measure_kept(notebook.pk)
    assert counted() == before


def test_kept_files_and_images_count_and_nobody_elses(acme: Any, other: Any, settings: Any, tmp_path: Any) -> None:
    settings.UPLOAD_DIR = tmp_path
    (tmp_path / ("a" * 32)).write_bytes(b"x" * 50)
    Workspace.objects.create(tenant=acme, identifier="a", size=1000)
    InterpreterImage.objects.create(tenant=acme, name="mine", size=2000, upload="a" * 32, reference="r")
    InterpreterImage.objects.create(name="shared", size=4000, reference="r")
    assert storage.stored(acme) == {"files": 1000, "images": 2050, "notebooks": 0}
    assert sum(storage.stored(other).values()) == 0


# --- Notebooks ---


def test_a_save_that_does_not_fit_changes_nothing_and_one_that_shrinks_always_fits(
    notebook: Notebook, browser: Client, acme: Any
) -> None:
    assert saved(browser, notebook, text(0.5)).status_code == 200
    Workspace.objects.create(tenant=acme, identifier="a", size=2 * MIB)
    bound(acme, 1)
    refused = saved(browser, notebook, text(0.6), version=2)
    told = refused.json()
    assert (refused.status_code, told["error"], told["quota"], told["value"]) == (507, "quota_reached", "max_stored", 1)
    assert "Acme may store 1 MiB; 2.5 MiB are stored, and this needs 0.1 more" in told["message"]
    row = Notebook.objects.get()
    assert (row.version, len(row.document["cells"][0]["source"])) == (2, len(text(0.5)))
    assert saved(browser, notebook, "1", version=2).status_code == 200, "although more is stored than allowed"
    assert AuditEvent.objects.filter(action="quota.refused", name="max_stored").count() == 1


def test_who_makes_room_is_not_kept_from_it_by_a_version(
    notebook: Notebook, browser: Client, acme: Any, settings: Any
) -> None:
    settings.VERSION_INTERVAL = 0
    assert saved(browser, notebook, "".join(uuid4().hex for _ in range(20_000))).status_code == 200
    kept = NotebookVersion.objects.count()
    bound(acme, 0)
    assert saved(browser, notebook, "x", version=2).status_code == 200
    assert (NotebookVersion.objects.count(), Notebook.objects.get().version) == (kept, 3)


def test_what_is_kept_on_purpose_is_refused_in_words(
    notebook: Notebook, browser: Client, acme: Any, alice: Any
) -> None:
    bound(acme, 0)
    options: dict[str, Any] = {"content_type": "application/json", "headers": {"accept": "application/json"}}
    named = browser.post(f"/notebooks/{notebook.pk}/versions", {"name": "v"}, **options)
    link = browser.post(f"/notebooks/{notebook.pk}/sharing/links", {"days": 1}, **options)
    copy = browser.post(f"/notebooks/{notebook.pk}/copy", {}, **options)
    assert [(each.status_code, each.json()["error"]) for each in (named, link, copy)] == [(507, "quota_reached")] * 3
    assert (NotebookVersion.objects.count(), ShareLink.objects.count(), Notebook.objects.count()) == (0, 0, 1)


def test_a_link_that_has_no_room_for_more_shows_what_it_showed(notebook: Notebook, acme: Any) -> None:
    document = document_of(code_cell("a", "1"))
    link, _ = ShareLink.issue(notebook=notebook, document=document, title="t", language="l", lifetime=None)
    bound(acme, 0)
    with pytest.raises(StorageFull):
        ShareLink.objects.get(pk=link.pk).update_copy("new", document_of(code_cell("a", text(0.1))))
    assert (ShareLink.objects.get().title, ShareLink.objects.get().document) == ("t", document)


def test_new_notebooks_and_imports_are_refused_in_words(
    notebook: Notebook, browser: Client, acme: Any, pool: Any
) -> None:
    bound(acme, 0)
    answer = browser.post("/notebooks/new", {"pool": "python"}, follow=True)
    assert "may store 0 MiB" in answer.content.decode()
    document = json.dumps(document_of(code_cell("a", "1")))
    file = SimpleUploadedFile("a.ipynb", document.encode(), "application/json")
    brought = browser.post(
        "/notebooks/import", {"files": [file], "pool": "python"}, headers={"accept": "application/json"}
    )
    assert (brought.status_code, brought.json()["error"]) == (507, "quota_reached")
    assert "a.ipynb: Acme may store 0 MiB" in brought.json()["message"]
    assert Notebook.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_store_at_once_as_many_find_room_as_there_is(acme: Any, alice: Any) -> None:
    tenant = bound(acme, 2)

    def make(n: int) -> bool:
        try:
            with storage.room_for(tenant):
                Workspace.objects.create(tenant=tenant, identifier=f"w{n}", size=MIB // 2)
        except StorageFull:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(make, range(16))) == 4
    assert Workspace.objects.count() == 4


# --- Kept files ---


def test_a_save_of_files_has_what_is_left_and_keeps_what_it_had(notebook: Notebook, acme: Any) -> None:
    acme = bound(acme, 1)
    kept = Workspace.objects.create(tenant=acme, identifier="a", content="a" * 32, size=MIB // 2)
    assert kept.room == MIB - size(notebook.document), "its own size is given up for what it gets"
    session = uuid4()
    kept.session = session
    kept.save()
    turn = kept.begin(session)
    assert kept.succeed(turn, session, "b" * 32, MIB, {}) == "b" * 32, "the new one is thrown away"
    row = Workspace.objects.get()
    assert (row.content, row.size, row.problem) == ("a" * 32, MIB // 2, "tenant_quota")


@pytest.mark.django_db(transaction=True)
async def test_the_words_on_kept_files_name_the_quota(acme: Any) -> None:
    await sync_to_async(bound)(acme, 1)
    row = await Workspace.objects.acreate(tenant=acme, identifier="a", problem="tenant_quota")
    row = await Workspace.objects.aget(pk=row.pk)
    assert "Acme may store 1 MiB of files, notebooks and images" in (await Told.of(row)).message


# --- Images ---


def test_an_upload_that_cannot_fit_is_refused_before_it_is_read_and_the_old_one_stays(
    acme: Any, alice: Any, token: Any, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPLOAD_DIR = tmp_path
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    bound(acme, 1)
    secret = token(alice, scopes=["pools:manage"])

    def put(content: bytes) -> Any:
        address = "/api/v1/images/mine/archive?kind=custom"
        return Client().put(address, content, content_type="application/octet-stream", headers=bearer(secret))

    assert put(b"x" * (MIB // 2)).status_code == 202
    former = InterpreterImage.objects.get().upload
    monkeypatch.setattr("interpreters.catalog.images.store", None)
    refused = put(b"x" * (3 * MIB))
    assert (refused.status_code, refused.json()["error"]) == (507, "quota_reached")
    assert "and this needs 2.5 more" in refused.json()["message"]
    monkeypatch.undo()
    assert InterpreterImage.objects.get().upload == former
    assert [path.name for path in tmp_path.iterdir()] == [former]


def test_an_upload_that_turns_out_too_large_leaves_nothing(
    acme: Any, alice: Any, token: Any, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPLOAD_DIR = tmp_path
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    monkeypatch.setattr("interpreters.catalog.images._room", lambda *_: None)  # as of a body in chunks
    bound(acme, 1)
    secret = token(alice, scopes=["pools:manage"])
    options: dict[str, Any] = {"content_type": "application/octet-stream", "headers": bearer(secret)}
    refused = Client().put("/api/v1/images/mine/archive?kind=custom", b"x" * (2 * MIB), **options)
    assert (refused.status_code, InterpreterImage.objects.count(), list(tmp_path.iterdir())) == (507, 0, [])


def test_an_image_that_has_no_room_once_it_is_made_fails_in_words_and_the_old_one_stays(acme: Any) -> None:
    acme = bound(acme, 1)
    image = InterpreterImage.objects.create(
        tenant=acme, name="mine", origin="registry", reference="old", stored_as="old", size=100, state="ready"
    )
    assert image.begin()
    assert not _keep(image, "new@sha256:1", {"size": 5 * MIB}, Record(image, ""))
    row = InterpreterImage.objects.get()
    assert (row.state, row.reference, row.size, row.usable) == ("failed", "old", 100, True)
    assert "Acme may store 1 MiB" in row.error
    assert FormerImage.objects.filter(name="new@sha256:1").exists(), "and is removed from the engine in time"
