"""A tenant's own pools through REST: made, changed and deleted by those who may, and by nobody else."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Scope
from tests.edges import Caller

pytestmark = pytest.mark.django_db(transaction=True)

MANAGE = [Scope.POOLS_READ, Scope.SESSIONS_USE, Scope.POOLS_MANAGE]
SECRETS = {"PASSWORD": "canary-7f3a"}
APP = {
    "name": "app", "image": "app", "target_port": 8080, "secrets": SECRETS, "ready_instances": 0,
    "probes": {"liveness": {"type": "http", "path": "/healthz"}},
}  # fmt: skip


@pytest.fixture
def image(acme: Any) -> InterpreterImage:
    InterpreterImage.objects.create(name="relay", source="relay", state="ready", reference="r", digest="sha256:r")
    return InterpreterImage.objects.create(
        tenant=acme, name="app", kind="custom", state="ready", reference="sha256:app"
    )


@pytest.fixture
def call(alice: Any, token: Any, image: Any) -> Caller:
    return Caller(token(alice, scopes=MANAGE))


async def test_a_pool_is_made_with_defaults_and_shows_no_secret(call: Caller) -> None:
    response = await call("POST", "/pools", APP)
    body = response.json()
    assert response.status_code == 201, body
    assert (body["kind"], body["secrets"], body["target_port"]) == ("custom", ["PASSWORD"], 8080)
    assert (body["cooldown"], body["lifecycle"], body["degraded"]) == (300, "timed", False)
    assert "/tmp" in body["writable_paths"]
    again = await call("GET", "/pools/app")
    assert again.json() == body
    assert "canary" not in response.content.decode() + again.content.decode()
    assert (await SessionPool.objects.aget(name="app")).secrets == SECRETS


async def test_a_pool_is_changed_in_what_is_named_only(call: Caller) -> None:
    await call("POST", "/pools", APP)
    change = {"ready_instances": 1, "secrets": {"TOKEN": "x1234", "PASSWORD": None}}
    response = await call("PATCH", "/pools/app", change)
    assert response.status_code == 200, response.content
    assert (response.json()["ready_instances"], response.json()["secrets"]) == (1, ["TOKEN"])
    assert response.json()["target_port"] == 8080
    assert (await SessionPool.objects.aget(name="app")).secrets == {"TOKEN": "x1234"}


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"target_port": None}, "invalid", "target_port: Name the port"),
        ({"memory": 10**6}, "invalid", "memory: A sandbox may have at most 8192 MiB"),
        ({"probes": {"startup": {"type": "exec"}}}, "invalid", "http or tcp"),
        ({"image": "relay"}, "invalid", "own relay"),
        ({"image": "nothing"}, "no_such_image", "no image named"),
        ({"name": "another"}, "invalid", "name"),
        ({"oci_runtime": "runc"}, "invalid", "oci_runtime"),
        ({"tenant": 1}, "invalid", "tenant"),
        ({"secrets": {"PASSWORD": 7}}, "invalid", "secrets"),
    ],
)
async def test_a_wrong_change_is_told_and_not_made(call: Caller, change: Any, code: str, word: str) -> None:
    before = (await call("POST", "/pools", APP)).json()
    response = await call("PATCH", "/pools/app", change)
    assert (response.status_code, response.json()["error"]) == (400, code), response.content
    assert word in response.json()["message"]
    assert "canary" not in response.content.decode()
    assert (await call("GET", "/pools/app")).json() == before


async def test_a_name_is_taken_once(call: Caller) -> None:
    await call("POST", "/pools", APP)
    response = await call("POST", "/pools", APP)
    assert (response.status_code, response.json()["error"]) == (409, "exists")


async def test_another_tenants_image_cannot_be_used(call: Caller, image: Any, other: Any) -> None:
    await InterpreterImage.objects.filter(pk=image.pk).aupdate(tenant=other)
    assert (await call("POST", "/pools", APP)).json()["error"] == "no_such_image"


async def test_a_pool_is_deleted_when_its_sessions_have_ended(call: Caller, alice: Any, acme: Any) -> None:
    await call("POST", "/pools", APP)
    assert (await call("POST", "/sessions", {"pool": "app", "identifier": "a"})).status_code == 202
    response = await call("DELETE", "/pools/app")
    assert (response.status_code, response.json()["deleting"]) == (202, True)
    assert (await call("POST", "/sessions", {"pool": "app", "identifier": "b"})).status_code == 404
    assert (await call("PATCH", "/pools/app", {"cpu": 2})).json()["error"] == "being_deleted"
    assert (await call("POST", "/pools", APP)).json()["error"] == "exists"
    assert {pool["name"] for pool in (await call("GET", "/pools")).json()} == set()


async def test_a_failing_pool_says_why(call: Caller) -> None:
    await call("POST", "/pools", APP)
    pool = await SessionPool.objects.select_related("image").aget(name="app")
    for _ in range(3):
        await sync_to_async(pool.launch_failed)("no such file")
    assert (await call("GET", "/pools")).json()[0]["degraded"]
    told = (await call("GET", "/pools/app")).json()
    assert (told["degraded"], told["last_error"]) == (True, "no such file")


ASKS = [
    ("GET", "/pools/app", None), ("PATCH", "/pools/app", {"cpu": 2}), ("DELETE", "/pools/app", None),
    ("POST", "/pools", APP),
]  # fmt: skip


@pytest.mark.parametrize("who", ["member", "viewer", "scope", "session"])
async def test_only_owners_and_admins_manage_by_a_token_for_it(
    call: Caller, acme: Any, alice: Any, member: Any, token: Any, who: str
) -> None:
    await call("POST", "/pools", APP)
    issue = sync_to_async(token)
    if who == "scope":
        secret = await issue(alice)
    elif who == "session":
        secret = await issue(alice, scopes=MANAGE, session="00000000-0000-0000-0000-000000000001")
    else:
        secret = await issue(await sync_to_async(member)(acme, "mo", who), scopes=MANAGE)
    answers = [await Caller(secret)(*ask[:2], ask[2]) for ask in ASKS]
    assert {answer.status_code for answer in answers} == {403}
    assert not (await SessionPool.objects.aget(name="app")).deleting


async def test_another_tenants_and_shared_pools_are_not_found(
    call: Caller, charlie: Any, token: Any, pool: Any
) -> None:
    await call("POST", "/pools", APP)
    stranger = Caller(await sync_to_async(token)(charlie, scopes=MANAGE))
    for method, path, body in ASKS[:3]:
        assert (await stranger(method, path, body)).status_code == 404
        assert (await stranger(method, "/pools/python", body)).status_code == 404, "a shared one is nobody's to manage"
        assert (await call(method, "/pools/python", body)).status_code == 404
    kept = await SessionPool.objects.aget(name="app")
    assert (kept.deleting, kept.cpu) == (False, 1.0)


# --- The admin ---


@pytest.fixture
def page(client: Any, image: Any, acme: Any) -> Any:
    from django.contrib.auth.models import User

    client.force_login(User.objects.create_superuser("root"))
    pool = SessionPool.objects.create(
        tenant=acme, name="app", image=image, target_port=8080, secrets=SECRETS, last_error="first\nno <b>database"
    )
    return client, pool, reverse("admin:interpreters_sessionpool_change", args=[pool.pk])


def form_of(response: Any, **changes: Any) -> dict[str, Any]:
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in {**values, **changes}.items() if value is not None and value is not False}


def test_the_admin_keeps_secrets_and_never_shows_them(page: Any) -> None:
    client, pool, url = page
    shown = client.get(url)
    text = shown.content.decode()
    assert "Set: PASSWORD." in text
    assert "no &lt;b&gt;database" in text
    assert "canary" not in text
    assert client.post(url, form_of(shown, cpu=2, secrets="")).status_code == 302
    pool.refresh_from_db()
    assert (pool.cpu, pool.secrets) == (2.0, SECRETS)
    assert client.post(url, form_of(shown, command="", probes="", writable_paths="")).status_code == 302
    pool.refresh_from_db()
    assert (pool.command, pool.probes, pool.writable_paths) == ([], {}, [])
    client.post(url, form_of(shown, secrets='{"TOKEN": "x1234", "PASSWORD": null}'))
    pool.refresh_from_db()
    assert pool.secrets == {"TOKEN": "x1234"}


def test_the_form_of_a_container_shows_its_fields_and_a_new_one_no_state(page: Any) -> None:
    client, _, url = page
    shown = {fieldset.name: fieldset for fieldset in client.get(url).context["adminform"]}
    assert "collapse" not in shown["Custom container"].classes
    assert "State" in shown
    added = client.get(reverse("admin:interpreters_sessionpool_add")).context["adminform"]
    shown = {fieldset.name: fieldset for fieldset in added}
    assert "collapse" in shown["Custom container"].classes
    assert "State" not in shown


def test_who_names_no_port_is_told_the_one_that_the_image_exposes(page: Any) -> None:
    client, pool, url = page
    InterpreterImage.objects.filter(pk=pool.image.pk).update(exposed_port=3000)
    answer = client.post(url, form_of(client.get(url), target_port=""))
    assert "its image exposes 3000" in answer.content.decode()


def test_a_form_with_faults_does_not_send_secrets_back(page: Any) -> None:
    client, pool, url = page
    answer = client.post(url, form_of(client.get(url), secrets='{"NEW": "canary-new"}', target_port="0", probes="[1]"))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Give {&quot;startup&quot;" in text
    assert "canary" not in text
    assert json.dumps(SessionPool.objects.get(pk=pool.pk).secrets) == json.dumps(SECRETS)


def test_deleting_in_the_admin_ends_sessions_first(page: Any, acme: Any) -> None:
    client, pool, _ = page
    session = pool.lease(acme, None, "a").session
    url = reverse("admin:interpreters_sessionpool_delete", args=[pool.pk])
    assert "its sessions are ended" in client.get(url).content.decode()
    client.post(url, {"post": "yes"})
    pool.refresh_from_db()
    session.refresh_from_db()
    assert (pool.deleting, session.state) == (True, "stopping")
    assert "being deleted" in client.get(reverse("admin:interpreters_sessionpool_changelist")).content.decode()
