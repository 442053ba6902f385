"""An archive has all that is somebody's, nothing that is another's, and no secret; and only they take it away."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from interpreters.models import Execution, Workspace
from tenants import exporting
from tenants.models import Archive, AuditEvent, Erasure, Membership, Scope, Tenant
from tests.edges import Caller
from tests.unit.test_erasing import folders, furnish

pytestmark = pytest.mark.django_db
__all__ = ["folders"]


def made(tenant: Tenant, by: Any, user: Any = None) -> Archive:
    """As a worker does."""
    exporting.ask(tenant, by=by, user=user)
    archive = Archive.objects.claim()
    assert archive
    exporting.make(archive)
    archive.refresh_from_db()
    assert archive.state == "ready", archive.progress
    return archive


def packed(archive: Archive) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(exporting.opened(archive).read())) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def table(files: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[f"{name}.jsonl"].splitlines()]


# --- What is in it ---


def test_a_tenants_archive_has_all_that_it_has(
    acme: Any, other: Any, alice: Any, bob: Any, charlie: Any, pool: Any
) -> None:
    furnish(acme, alice, pool, bob)
    furnish(other, charlie, pool)
    files = packed(made(acme, alice))
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["of"]) == ("thermae-archive", {"kind": "tenant", "tenant": "acme"})
    for told in manifest["files"]:
        content = files[told["path"]]
        assert (told["size"], told["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert set(files) == {told["path"] for told in manifest["files"]} | {"manifest.json"}
    names = {json.loads(files[name])["name"] for name in files if name.startswith("people/")}
    assert names == {"alice", "bob"}
    assert table(files, "tokens")[0]["name"] == "ci"
    assert {row["code"] for row in table(files, "executions")} == {"secret of alice"}
    assert [row["name"] for row in table(files, "pools")] == ["own"]
    notebooks = [json.loads(files[name]) for name in files if name.endswith(".ipynb")]
    assert len(notebooks) >= 2, "with its versions"
    assert all(each["nbformat"] == 4 for each in notebooks)
    assert [content for name, content in files.items() if name.startswith("files/")] == [b"packed", b"packed"]
    assert b"charlie" not in b"".join(files.values())


def test_outputs_are_in_notebooks(acme: Any, alice: Any, pool: Any) -> None:
    furnish(acme, alice, pool)
    from frontend.models import Notebook

    cell = Notebook.objects.get().document["cells"][0]["id"]
    outputs = [{"output_type": "stream", "name": "stdout", "text": "it printed this\n"}]
    Execution.objects.filter(session__identifier__startswith="notebook-").update(
        cell=cell, outputs=outputs, status="ok", execution_count=1
    )
    files = packed(made(acme, alice))
    [notebook] = [name for name in files if name.endswith("Notes of alice.ipynb")]
    assert b"it printed this" in files[notebook]


def test_nothing_secret_is_in_it(acme: Any, alice: Any, pool: Any) -> None:
    furnish(acme, alice, pool)
    token = acme.tokens.get()
    webhook = acme.webhooks.get()
    everything = b"".join(packed(made(acme, alice)).values()).decode(errors="replace")
    for secret in (token.hashed, webhook.secret, "whsec_", "s3cret", "gAAAA", alice.password):
        assert secret not in everything


def test_a_persons_archive_has_what_is_theirs_and_nothing_else(acme: Any, alice: Any, bob: Any, pool: Any) -> None:
    furnish(acme, alice, pool)
    furnish_bob = pool.sessions.create(tenant=acme, user=bob, identifier="b", state="gone")
    furnish_bob.executions.create(tenant=acme, user=bob, code="bob's code")
    files = packed(made(acme, bob, bob))
    assert json.loads(files["manifest.json"])["of"] == {"kind": "person", "tenant": "acme", "person": "bob"}
    assert [row["code"] for row in table(files, "executions")] == ["bob's code"]
    assert [table(files, name) for name in ("pools", "images", "notebooks", "tokens", "webhooks")] == [[]] * 5
    assert b"alice" not in b"".join(files.values())


def test_files_of_names_that_are_paths_stay_in_their_folder(acme: Any, alice: Any, pool: Any) -> None:
    furnish(acme, alice, pool)
    Workspace.objects.filter(identifier="job-1").update(identifier="../../etc/passwd")
    from frontend.models import Notebook

    Notebook.objects.update(title="../../../tmp/x\r\n")
    for name in packed(made(acme, alice)):
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        assert name.isprintable()


# --- Making it ---


def test_one_is_made_at_a_time_of_the_same(acme: Any, alice: Any, bob: Any) -> None:
    first = exporting.ask(acme, by=alice)
    assert exporting.ask(acme, by=alice) == first
    assert exporting.ask(acme, by=bob, user=bob) != first
    assert Archive.objects.count() == 2


def test_a_worker_that_died_is_followed_by_another_and_writes_nothing_any_more(acme: Any, alice: Any) -> None:
    exporting.ask(acme, by=alice)
    dead = Archive.objects.claim()
    assert dead
    assert Archive.objects.claim() is None
    Archive.objects.update(heard_at=timezone.now() - timedelta(hours=1))
    second = Archive.objects.claim()
    assert second == dead
    exporting.make(second)
    assert not dead.tell("late"), "it is somebody else's by now"
    exporting.make(dead)
    second.refresh_from_db()
    assert second.state == "ready"
    assert packed(second)["manifest.json"]


def test_what_fails_says_so_and_can_be_asked_for_again(acme: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exporting.ask(acme, by=alice)
    archive = Archive.objects.claim()
    assert archive
    with monkeypatch.context() as context:
        context.setattr(exporting, "_write", lambda *_: 1 / 0)
        exporting.make(archive)
    archive.refresh_from_db()
    assert (archive.state, archive.progress) == ("failed", "It could not be made: ZeroDivisionError.")
    made(acme, alice)
    assert len(list(Path(exporting.settings.ARCHIVE_DIR).iterdir())) == 1


def test_archives_expire_with_their_files_and_parts_of_the_dead_are_swept(acme: Any, alice: Any, settings: Any) -> None:
    archive = made(acme, alice)
    left = settings.ARCHIVE_DIR / "0.zip.dead.part"
    left.write_bytes(b"")
    assert exporting.sweep() == 1
    Archive.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert exporting.sweep() == 1
    assert list(settings.ARCHIVE_DIR.iterdir()) == []
    assert not Archive.objects.filter(pk=archive.pk).exists()


def left(settings: Any) -> set[str]:
    return {path.name for path in settings.ARCHIVE_DIR.iterdir()}


def test_a_new_one_takes_the_place_of_the_former_of_the_same(acme: Any, alice: Any, bob: Any, settings: Any) -> None:
    """And of nobody else's; the former is there until then."""
    whole, of_alice, of_bob = made(acme, alice), made(acme, alice, alice), made(acme, bob, bob)
    exporting.ask(acme, by=bob, user=bob)
    assert Archive.objects.filter(pk=of_bob.pk).exists()
    archive = Archive.objects.claim()
    assert archive
    exporting.make(archive)
    again = made(acme, bob)
    assert set(Archive.objects.all()) == {of_alice, archive, again}
    assert left(settings) == {each.file for each in (of_alice, archive, again)}
    assert whole.file not in left(settings)


def test_of_a_tenants_people_the_oldest_go_and_nobody_is_refused(
    acme: Any, other: Any, alice: Any, bob: Any, charlie: Any, member: Any, settings: Any
) -> None:
    whole, theirs, first, second = (
        made(acme, alice), made(other, charlie, charlie), made(acme, alice, alice), made(acme, bob, bob)
    )  # fmt: skip
    dave = member(acme, "dave", "member")
    settings.ARCHIVE_TENANT_QUOTA = 200_000
    Archive.objects.filter(pk__in=[first.pk, second.pk, whole.pk]).update(size=100_000)
    third = made(acme, dave, dave)
    assert third.size < 100_000
    assert set(Archive.objects.all()) == {whole, theirs, second, third}
    settings.ARCHIVE_TENANT_QUOTA = 0
    newest = made(acme, alice, alice)
    assert set(Archive.objects.all()) == {whole, theirs, newest}, "the newest stays, and so does the tenant's own"
    assert left(settings) == {each.file for each in (whole, theirs, newest)}


def test_without_room_on_the_disk_none_is_begun(acme: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LEAST_ROOM", 1 << 80)
    with pytest.raises(exporting.NoRoom):
        exporting.ask(acme, by=alice)


# --- REST ---


@pytest.mark.django_db(transaction=True)
async def test_an_owner_takes_the_tenants_archive_away_by_rest(acme: Any, alice: Any, token: Any) -> None:
    caller = Caller(await sync_to_async(token)(alice, scopes=[Scope.ADMIN]))
    asked = await caller.want("POST", "/archives", {"of": "tenant"})
    assert (asked["state"], asked["of"]) == ("waiting", "tenant")
    assert (await caller("GET", f"/archives/{asked['id']}/content")).json()["error"] == "not_ready"
    archive = await sync_to_async(Archive.objects.claim)()
    await sync_to_async(exporting.make)(archive)
    assert (await caller.want("GET", f"/archives/{asked['id']}"))["state"] == "ready"
    answer = await caller("GET", f"/archives/{asked['id']}/content")
    content = b"".join([part async for part in answer.streaming_content])
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert [one["id"] for one in await caller.want("GET", "/archives")] == [asked["id"]]
    assert (await caller("DELETE", f"/archives/{asked['id']}")).status_code == 204
    actions = [event.action async for event in AuditEvent.objects.filter(action__startswith="archive.").order_by("pk")]
    assert actions == ["archive.asked", "archive.downloaded"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("role", "scopes", "body", "code", "error"),
    [
        ("admin", ["admin"], {"of": "tenant"}, 403, "owners_only"),
        ("admin", ["admin"], {"of": "me"}, 202, None),
        ("owner", ["pools:read", "sessions:use", "audit:read"], {"of": "me"}, 403, "scope_missing"),
        ("member", ["admin"], {"of": "me"}, 403, "scope_missing"),
        ("owner", ["admin"], {"of": "everything"}, 400, "invalid"),
    ],
)
async def test_who_may_ask_for_what(
    acme: Any, member: Any, token: Any, role: str, scopes: list[str], body: Any, code: int, error: str | None
) -> None:
    caller = Caller(await sync_to_async(lambda: token(member(acme, "dave", role), scopes=scopes))())
    answer = await caller("POST", "/archives", body)
    assert (answer.status_code, answer.json().get("error")) == (code, error)


@pytest.mark.django_db(transaction=True)
async def test_an_erasure_by_rest_wants_the_name_twice_and_an_owner(
    acme: Any, alice: Any, bob: Any, member: Any, token: Any
) -> None:
    owner = Caller(await sync_to_async(token)(alice, scopes=[Scope.ADMIN]))
    admin = Caller(await sync_to_async(lambda: token(member(acme, "dave", "admin"), scopes=[Scope.ADMIN]))())
    for body, code, error in (
        ({"confirm": "Acme"}, 400, "not_confirmed"),
        ({"person": "bob", "confirm": "acme"}, 400, "not_confirmed"),
        ({"person": "nobody", "confirm": "nobody"}, 404, "not_found"),
        ({"person": "alice", "confirm": "alice"}, 409, "cannot_erase"),
    ):
        answer = await owner("POST", "/erasures", body)
        assert (answer.status_code, answer.json()["error"]) == (code, error)
    for body in ({"confirm": "acme"}, {"person": "bob", "confirm": "bob"}):
        assert (await admin("POST", "/erasures", body)).json()["error"] == "owners_only"
    assert await Erasure.objects.acount() == 0
    assert (await owner("POST", "/erasures", {"person": "bob", "confirm": "bob"})).status_code == 202
    assert (await admin("POST", "/erasures", {"person": "dave", "confirm": "dave"})).status_code == 202, "oneself"
    assert (await owner("POST", "/erasures", {"confirm": "acme"})).status_code == 202
    assert (await owner("GET", "/archives")).status_code == 401, "nobody gets in any more"
    assert await Membership.objects.acount() == 0


# --- Pages ---


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_each_person_has_a_page_of_their_own_archives(acme: Any, alice: Any, bob: Any) -> None:
    hers, his, all_of_it = made(acme, alice, alice), made(acme, bob, bob), made(acme, alice)
    for user, theirs in ((alice, {hers, all_of_it}), (bob, {his})):
        text = browser(user).get("/data").content.decode()
        for archive in (hers, his, all_of_it):
            assert (f"/data/archives/{archive.pk}" in text) == (archive in theirs)
            answer = browser(user).get(f"/data/archives/{archive.pk}")
            assert answer.status_code == (200 if archive in theirs else 404)
    assert "Erase the organisation" not in browser(bob).get("/data").content.decode()


def test_strangers_and_former_members_take_nothing(acme: Any, alice: Any, bob: Any, charlie: Any) -> None:
    archives = [made(acme, alice), made(acme, bob, bob)]
    Membership.objects.filter(user=bob).delete()
    for user, code in ((charlie, 404), (bob, 403)):
        assert {browser(user).get(f"/data/archives/{one.pk}").status_code for one in archives} == {code}
    assert Client().get(f"/data/archives/{archives[0].pk}").status_code == 302


def test_a_person_erases_themselves_by_typing_their_name(acme: Any, alice: Any, bob: Any) -> None:
    client = browser(bob)
    assert (
        "Nothing was erased" in client.post("/data/erase", {"of": "me", "confirm": "Bob"}, follow=True).content.decode()
    )
    assert client.post("/data/erase", {"of": "me", "confirm": "bob"}).url == "/login"  # type: ignore[attr-defined]
    assert (Erasure.objects.get().user_key, Erasure.objects.get().asked_by) == (bob.pk, "")
    assert client.get("/data").status_code == 302


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_only_owners_erase_and_take_away_the_organisation(acme: Any, member: Any, role: str) -> None:
    client = browser(member(acme, "dave", role))
    for page, more in (("/data/erase", {"confirm": "acme"}), ("/data/ask", {})):
        assert client.post(page, {"of": "tenant", **more}).status_code == 403
    assert not Erasure.objects.exists()
    assert not Archive.objects.exists()


def test_the_last_owner_is_told_what_to_do(acme: Any, alice: Any) -> None:
    text = browser(alice).post("/data/erase", {"of": "me", "confirm": "alice"}, follow=True).content.decode()
    assert "make another owner first" in text


# --- The admin ---


def test_an_owner_and_an_operator_erase_in_the_admin_by_typing_the_name(
    acme: Any, other: Any, alice: Any, charlie: Any
) -> None:
    operator = get_user_model().objects.create_superuser("root", "r@example.com", "secret")
    for user, tenant in ((alice, acme), (operator, other)):
        page = f"/admin/tenants/tenant/{tenant.pk}/erase"
        client = browser(user)
        assert f"Erase {tenant.slug}" in client.get(page).content.decode()
        assert "Nothing was erased" in client.post(page, {"name": tenant.name}).content.decode()
        client.post(page, {"name": tenant.slug})
        assert Erasure.objects.get(tenant_key=tenant.pk).asked_by == user.get_username()


def test_the_admin_of_erasing_is_closed_to_others(acme: Any, other: Any, alice: Any, charlie: Any, member: Any) -> None:
    page = f"/admin/tenants/tenant/{acme.pk}/erase"
    for user, code in ((charlie, 404), (member(acme, "dave", "admin"), 403)):
        for client in (browser(user),):
            assert client.get(page).status_code == code
            assert client.post(page, {"name": "acme"}).status_code == code
            assert client.post(f"/admin/tenants/tenant/{acme.pk}/archive").status_code == code
    assert browser(alice).get(f"{page}?person={charlie.pk}").status_code == 404
    assert not Erasure.objects.exists()


def test_archives_in_the_admin_are_for_whose_they_are(
    acme: Any, alice: Any, bob: Any, charlie: Any, member: Any
) -> None:
    dave = member(acme, "dave", "admin")
    whole, of_bob = made(acme, alice), made(acme, bob, bob)
    for user, allowed in ((alice, {whole}), (dave, set()), (charlie, set())):
        client = browser(user)
        text = client.get("/admin/tenants/archive/").content.decode()
        for archive in (whole, of_bob):
            page = f"/admin/tenants/archive/{archive.pk}/download"
            assert (page in text) == (archive in allowed)
            assert client.get(page).status_code == (200 if archive in allowed else 404)


def test_certificates_are_the_operators(acme: Any, alice: Any) -> None:
    from tenants.erasing import begin, go_on

    Membership.objects.create(tenant=Tenant.objects.create(name="B", slug="b"), user=alice, role="owner")
    assert go_on(begin(acme, by=alice))
    assert browser(alice).get("/admin/tenants/erasure/").status_code == 403
    operator = get_user_model().objects.create_superuser("root", "r@example.com", "secret")
    assert "1 members" in browser(operator).get("/admin/tenants/erasure/").content.decode()


def test_a_tenant_is_not_deleted_in_any_other_way(acme: Any) -> None:
    operator = get_user_model().objects.create_superuser("root", "r@example.com", "secret")
    assert browser(operator).post(f"/admin/tenants/tenant/{acme.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Tenant.objects.filter(pk=acme.pk).exists()
