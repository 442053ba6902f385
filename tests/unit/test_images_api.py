"""REST of images and credentials, by a caller's behaviour; no engine is needed."""

from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from interpreters.models import FormerImage, InterpreterImage, RegistryCredential, SessionPool
from interpreters.models.uploads import upload_path
from tenants.models import Scope
from tests.edges import Caller, bearer

pytestmark = pytest.mark.django_db(transaction=True)
DIGEST = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, args, **_: sent.append(task.name))
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.ALLOWED_REGISTRIES = ["ghcr.io"]
    return sent


@pytest.fixture
def call(alice: Any, token: Any) -> Caller:
    return Caller(token(alice, scopes=[Scope.POOLS_MANAGE]))


@pytest.fixture
def stranger(charlie: Any, token: Any) -> Caller:
    return Caller(token(charlie, scopes=[Scope.POOLS_MANAGE]))


async def put(call: Caller, path: str, content: bytes) -> Any:
    return await call("PUT", path, data=content, content_type="application/x-tar")


WISH = {"name": "app", "reference": "ghcr.io/team/app:1"}


async def test_an_image_is_asked_for_by_its_name_in_a_registry(call: Caller, acme: Any, asked: list[str]) -> None:
    response = await call("POST", "/images", WISH)
    assert response.status_code == 202
    body = response.json()
    assert (body["kind"], body["origin"], body["state"]) == ("custom", "registry", "absent")
    assert (body["reference"], body["progress"]) == ("ghcr.io/team/app:1", "waiting for a worker")
    image = await InterpreterImage.objects.aget()
    assert (image.tenant_id, image.registry_reference) == (acme.pk, "ghcr.io/team/app:1")
    assert asked == ["interpreters.tasks.acquire_images"]
    assert await InterpreterImage.objects.wanted().aexists()
    assert await call.want("GET", "/images/app") == body
    assert [each["name"] for each in await call.want("GET", "/images")] == ["app"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"reference": "evil.example/app"}, "may not be taken from evil.example"),
        ({"reference": "http://ghcr.io/app"}, "https"),
        ({"name": "no such/name"}, "name"),
        ({"kind": "code"}, "kernel"),
        ({"kind": "other"}, "kind"),
        ({"credential": "x"}, "credential"),
    ],
)
async def test_a_bad_wish_is_answered_with_what_to_correct(call: Caller, wish: Any, words: str) -> None:
    response = await call("POST", "/images", {**WISH, **wish})
    assert response.status_code == 400
    assert words in response.json()["message"]
    assert not await InterpreterImage.objects.aexists()


async def test_a_name_is_taken_once_in_a_tenant_and_free_for_others(call: Caller, stranger: Caller) -> None:
    await call.want("POST", "/images", WISH)
    again = await call("POST", "/images", WISH)
    assert (again.status_code, again.json()["error"]) == (409, "exists")
    assert (await stranger("POST", "/images", WISH)).status_code == 202
    response = await put(stranger, "/images/app2/archive", b"x")
    assert response.status_code == 202


async def test_images_of_a_tenant_are_bounded_in_number(call: Caller, settings: Any) -> None:
    settings.MAX_IMAGES_PER_TENANT = 1
    await call.want("POST", "/images", WISH)
    response = await call("POST", "/images", {**WISH, "name": "two"})
    assert (response.status_code, response.json()["error"]) == (409, "too_many")
    response = await put(call, "/images/two/archive", b"x")
    assert (response.status_code, response.json()["error"]) == (409, "too_many")
    assert not await sync_to_async(lambda: list(settings.UPLOAD_DIR.glob("*")))()


async def test_an_archive_is_kept_for_a_worker_in_private(call: Caller, asked: list[str], settings: Any) -> None:
    response = await put(call, "/images/app/archive", b"x" * 300_000)
    assert (response.status_code, response.json()["origin"]) == (202, "archive")
    image = await InterpreterImage.objects.aget()
    path = upload_path(image.upload)
    assert path.read_bytes() == b"x" * 300_000
    assert (path.stat().st_mode & 0o777, settings.UPLOAD_DIR.stat().st_mode & 0o777) == (0o600, 0o700)
    assert asked == ["interpreters.tasks.acquire_images"]


async def test_a_second_upload_replaces_the_first_and_its_words(call: Caller) -> None:
    await put(call, "/images/app/context?kind=code&kernel=toy&language=Toy", b"FROM a")
    first = await InterpreterImage.objects.aget()
    response = await put(call, "/images/app/context?kind=code&kernel=toy2", b"FROM b")
    assert response.status_code == 202
    image = await InterpreterImage.objects.aget()
    assert (image.kind, image.kernel, image.language) == ("code", "toy2", "Toy")
    assert upload_path(image.upload).read_bytes() == b"FROM b"
    assert not upload_path(first.upload).exists()
    response = await put(call, "/images/app/archive", b"x")
    assert (response.status_code, response.json()["error"]) == (409, "other_origin")


@pytest.mark.parametrize("length", [None, "10"])
async def test_an_upload_that_is_too_large_leaves_nothing(call: Caller, settings: Any, length: str | None) -> None:
    settings.MAX_IMAGE_UPLOAD_BYTES = 1000
    response = await put(call, "/images/app/archive", b"x" * 1001)
    assert (response.status_code, response.json()["error"]) == (413, "too_large")
    assert list(settings.UPLOAD_DIR.glob("*")) == []
    assert not await InterpreterImage.objects.aexists()


async def test_a_refresh_asks_for_it_anew(call: Caller, asked: list[str]) -> None:
    await call.want("POST", "/images", WISH)
    await InterpreterImage.objects.aupdate(requested_at=None)
    asked.clear()
    assert (await call("POST", "/images/app/refresh")).status_code == 202
    assert await InterpreterImage.objects.wanted().aexists()
    assert asked == ["interpreters.tasks.acquire_images"]
    await InterpreterImage.objects.aupdate(origin="archive")
    response = await call("POST", "/images/app/refresh")
    assert (response.status_code, response.json()["error"]) == (409, "nothing_kept")


async def test_an_image_is_deleted_unless_a_pool_uses_it(call: Caller, acme: Any) -> None:
    await put(call, "/images/app/context", b"FROM a")
    image = await InterpreterImage.objects.aget()
    await InterpreterImage.objects.aupdate(stored_as="thermae-build/x/1:1")
    pool = await SessionPool.objects.acreate(tenant=acme, name="web", image=image)
    response = await call("DELETE", "/images/app")
    assert (response.status_code, response.json()["error"]) == (409, "in_use")
    assert "web" in response.json()["message"]
    await pool.adelete()
    assert (await call("DELETE", "/images/app")).status_code == 204
    assert not upload_path(image.upload).exists()
    assert (await FormerImage.objects.aget()).name == "thermae-build/x/1:1"


async def test_shared_images_are_seen_without_what_the_engine_said_and_are_not_changed(
    call: Caller, python_image: Any
) -> None:
    await InterpreterImage.objects.aupdate(build_log="dial unix /var/run/docker.sock", error="docker.sock")
    (found,) = await call.want("GET", "/images")
    assert (found["name"], found["shared"]) == ("python", True)
    answer = await call("GET", "/images/python")
    assert "docker.sock" not in answer.content.decode()
    assert (await call("DELETE", "/images/python")).status_code == 404
    assert (await call("POST", "/images/python/refresh")).status_code == 404
    assert await InterpreterImage.objects.aexists()


async def test_a_credential_goes_in_and_never_comes_out(call: Caller, acme: Any) -> None:
    wish = {"registry": "GHCR.io", "username": "robot", "secret": "hush-hush"}
    response = await call("POST", "/registry-credentials", wish)
    assert (response.status_code, response.json()["registry"]) == (201, "ghcr.io")
    listed = await call("GET", "/registry-credentials")
    image = await call("POST", "/images", {**WISH, "credential": response.json()["id"]})
    assert image.status_code == 202
    assert image.json()["credential"] == response.json()["id"]
    assert "hush" not in (response.content + listed.content + image.content).decode()
    assert await sync_to_async(lambda: RegistryCredential.objects.get().secret)() == "hush-hush"
    assert (await call("DELETE", f"/registry-credentials/{response.json()['id']}")).status_code == 204
    assert await InterpreterImage.objects.filter(credential=None).aexists()


async def test_a_credential_of_another_tenant_cannot_be_used(call: Caller, other: Any) -> None:
    theirs = await RegistryCredential.objects.acreate(tenant=other, registry="ghcr.io", username="r", secret="s")
    shared = await RegistryCredential.objects.acreate(registry="ghcr.io", username="r", secret="s")
    for credential in (theirs, shared):
        assert (await call("POST", "/images", {**WISH, "credential": credential.pk})).status_code == 404
    assert await call.want("GET", "/registry-credentials") == []


async def test_a_credential_is_for_its_registry(call: Caller, settings: Any) -> None:
    settings.ALLOWED_REGISTRIES = ["ghcr.io", "evil.example"]
    made = await call.want("POST", "/registry-credentials", {"registry": "ghcr.io", "username": "r", "secret": "s"})
    response = await call("POST", "/images", {**WISH, "reference": "evil.example/app", "credential": made["id"]})
    assert response.status_code == 400
    assert "It is for ghcr.io" in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/images"), ("POST", "/images"), ("GET", "/registry-credentials"), ("POST", "/registry-credentials")],
)
@pytest.mark.parametrize("who", ["member", "default scopes"])
async def test_who_does_not_manage_pools_is_told_so(
    method: str, path: str, who: str, alice: Any, bob: Any, token: Any
) -> None:
    wishes = {"/images": WISH, "/registry-credentials": {"registry": "ghcr.io", "username": "r", "secret": "s"}}
    user, scopes = (bob, list(Scope.values)) if who == "member" else (alice, ["pools:read", "sessions:use"])
    call = Caller(await sync_to_async(token)(user, scopes=scopes))
    response = await call(method, path, wishes[path] if method == "POST" else None)
    assert (response.status_code, response.json()["error"]) == (403, "scope_missing")


@pytest.mark.parametrize("what", ["archive", "context"])
async def test_an_upload_by_who_may_not_is_not_even_read(what: str, bob: Any, token: Any, settings: Any) -> None:
    headers = bearer(await sync_to_async(token)(bob, scopes=list(Scope.values)))
    response = await AsyncClient().put(f"/api/v1/images/app/{what}", b"x", content_type="a/b", headers=headers)
    assert response.status_code == 403
    assert not settings.UPLOAD_DIR.exists()
    response = await AsyncClient().put(f"/api/v1/images/app/{what}", b"x", content_type="a/b")
    assert response.status_code == 401
