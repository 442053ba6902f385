"""Nothing of one tenant's answers to another: every address of the API with an id, and every WebSocket, is walked.

A new address with an id, or a method of one, fails here until it is listed with what a stranger would send to it. Pages
are walked in test_page_strangers, the admin in test_admin_sweep; addresses in front of Django's resolver, which are for
servers in sandboxes, in test_proxy.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from frontend.models import Notebook
from frontend.routing import websocket_urlpatterns as notebook_urlpatterns
from interpreters.api.v1 import api
from interpreters.models import (
    Execution,
    InterpreterImage,
    RegistryCredential,
    Session,
    SessionPool,
    WebhookDelivery,
    WebhookEndpoint,
    Workspace,
)
from interpreters.routing import websocket_urlpatterns
from interpreters.webhooks import outbox
from tenants.models import ApiToken, Archive, Role, Scope, ServiceAccount
from tests.edges import bearer, tab
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Ask:
    """One way to use an address."""

    method: str
    body: Any = None


@dataclass(frozen=True)
class Theirs:
    """What belongs to somebody, by the names that addresses give their ids."""

    session: str
    execution: str
    image: str
    credential: str
    workspace: str
    token: str
    account: str
    webhook: str
    delivery: str
    archive: str
    pool: str
    notebook: str

    @property
    def nothing(self) -> "Theirs":
        """The same kinds of ids, of nothing."""
        return replace(self, **{each.name: self._none(getattr(self, each.name)) for each in fields(self)})

    def _none(self, given: str) -> str:
        return "987654321" if given.isdigit() else str(uuid4()) if re.fullmatch(r"[0-9a-f-]{36}", given) else "nowhere"

    def without(self, text: str) -> str:
        """What an answer says beside the ids that were asked for."""
        for value in sorted((getattr(self, each.name) for each in fields(self)), key=len, reverse=True):
            text = re.sub(rf"\b{value}\b", "?", text)
        return text

    def fill(self, route: str) -> str:
        values = {"uuid:session": self.session, "uuid:execution": self.execution, "path:path": "a.txt"}
        values |= {"slug:image": self.image, "int:credential": self.credential, "uuid:workspace": self.workspace}
        values |= {"uuid:token": self.token, "slug:account": self.account}
        values |= {"uuid:webhook": self.webhook, "uuid:delivery": self.delivery, "uuid:archive": self.archive}
        values |= {"name": self.pool, "uuid:notebook_id": self.notebook}
        for name, value in values.items():
            route = route.replace(f"<{name}>", value)
        return route.replace("<str:name>", "main")


SESSION, EXECUTION = "api/v1/sessions/<uuid:session>", "api/v1/executions/<uuid:execution>"
IMAGE, WORKSPACE = "api/v1/images/<slug:image>", "api/v1/workspaces/<uuid:workspace>"
TOKEN, ACCOUNT = "api/v1/tokens/<uuid:token>", "api/v1/service-accounts/<slug:account>"
WEBHOOK, POOL = "api/v1/webhooks/<uuid:webhook>", "api/v1/pools/<name>"
ASKS = {
    SESSION: [Ask("get"), Ask("delete")],
    f"{SESSION}/keep-alive": [Ask("post")],
    f"{SESSION}/interrupt": [Ask("post")],
    f"{SESSION}/restart": [Ask("post")],
    f"{SESSION}/tokens": [Ask("post", {"lifetime": 60})],
    f"{SESSION}/previews": [Ask("post", {"port": 8000})],
    f"{SESSION}/ports": [Ask("get")],
    f"{SESSION}/terminals": [Ask("get")],
    f"{SESSION}/terminals/<str:name>": [Ask("delete")],
    f"{SESSION}/complete": [Ask("post", {"code": "x"})],
    f"{SESSION}/inspect": [Ask("post", {"code": "x"})],
    f"{SESSION}/ask": [Ask("post", {"about": "variables"})],
    f"{SESSION}/executions": [
        Ask("get"),
        *(Ask("post", {"code": "hello", "mode": mode}) for mode in ("sync", "async", "stream")),
    ],
    f"{SESSION}/files": [Ask("get")],
    f"{SESSION}/files/<path:path>": [Ask("get"), Ask("put"), Ask("post"), Ask("patch", {"to": "b"}), Ask("delete")],
    f"{SESSION}/archive": [Ask("get"), Ask("post")],
    EXECUTION: [Ask("get"), Ask("delete")],
    f"{EXECUTION}/stream": [Ask("get")],
    f"{EXECUTION}/input": [Ask("post", {"value": "x"})],
    WORKSPACE: [Ask("get"), Ask("delete")],
    f"{WORKSPACE}/save": [Ask("post", {})],
    f"{WORKSPACE}/archive": [Ask("get"), Ask("delete")],
    IMAGE: [Ask("get"), Ask("delete")],
    f"{IMAGE}/refresh": [Ask("post")],
    "api/v1/registry-credentials/<int:credential>": [Ask("delete")],
    "api/v1/archives/<uuid:archive>": [Ask("get"), Ask("delete")],
    "api/v1/archives/<uuid:archive>/content": [Ask("get")],
    TOKEN: [Ask("get"), Ask("delete")],
    f"{TOKEN}/rotate": [Ask("post", {})],
    ACCOUNT: [Ask("get"), Ask("patch", {"enabled": False}), Ask("delete")],
    WEBHOOK: [Ask("get"), Ask("patch", {"enabled": False}), Ask("delete")],
    f"{WEBHOOK}/rotate": [Ask("post", {"overlap": 0})],
    f"{WEBHOOK}/test": [Ask("post")],
    f"{WEBHOOK}/deliveries": [Ask("get")],
    f"{WEBHOOK}/deliveries/<uuid:delivery>/send-again": [Ask("post")],
    POOL: [Ask("get"), Ask("patch", {"ready_instances": 0}), Ask("delete")],
}
# A name that is taken by another tenant is free for one's own: see test_images_api.
BY_NAME = {f"{IMAGE}/archive": ["put"], f"{IMAGE}/context": ["put"]}
SOCKETS = {"ws/sessions/<uuid:session>/channels", "ws/sessions/<uuid:session>/terminals/<str:name>"}
# Their other strangers are in test_live.
NOTEBOOKS_SOCKETS = {"ws/notebooks/<uuid:notebook_id>", "ws/notebooks/<uuid:notebook_id>/session"}


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def with_ids(patterns: list[Any]) -> set[str]:
    found = (route.replace("<uuidstr:", "<uuid:") for route in routes(patterns))
    return {route for route in found if re.search(r"[<(]", route) and route.startswith(("api/", "ws/"))}


@pytest.fixture
def session(alice: Any, leased: Any) -> Session:
    found: Session = leased(alice)
    return found


@pytest.fixture
def theirs(session: Session) -> Theirs:
    execution = Execution.objects.create(session=session, tenant=session.tenant, code="secret")
    tenant = session.tenant
    image = InterpreterImage.objects.create(tenant=tenant, name="theirs", origin="registry", reference="r")
    credential = RegistryCredential.objects.create(tenant=tenant, registry="ghcr.io", username="robot", secret="s")
    kept = Workspace.objects.create(tenant=tenant, identifier=session.identifier, session=session.pk, content="a" * 32)
    account = ServiceAccount.objects.create(tenant=tenant, name="robot")
    token, _ = ApiToken.issue(tenant=tenant, user=account.user, name="robot's")
    told = outbox.write_test(endpoint_of(tenant))
    WebhookDelivery.objects.update(state="failed")
    archive = Archive.objects.create(tenant=tenant)
    pool = SessionPool.objects.create(tenant=tenant, name="theirs-pool", image=session.pool.image)
    notebook = Notebook.objects.create(tenant=tenant, owner=session.user, title="theirs", pool="python", document={})
    keys = (session.pk, execution.pk, image.name, credential.pk, kept.pk, token.pk, account.name)
    return Theirs(*map(str, (*keys, told.endpoint_id, told.pk, archive.pk, pool.name, notebook.pk)))


CASES = [(route, ask) for route, asks in ASKS.items() for ask in asks]


async def ask_for(route: str, ask: Ask, theirs: Theirs, secret: str) -> Any:
    options: dict[str, Any] = {"headers": bearer(secret)}
    if ask.body is not None:
        options.update(data=ask.body, content_type="application/json")
    return await getattr(AsyncClient(), ask.method)("/" + theirs.fill(route), **options)


# --- The sweep ---


def test_every_address_with_an_id_is_swept() -> None:
    assert with_ids(get_resolver().url_patterns) == set(ASKS) | set(BY_NAME)
    assert with_ids([*notebook_urlpatterns, *websocket_urlpatterns]) == SOCKETS | NOTEBOOKS_SOCKETS


def test_every_method_of_an_address_with_an_id_is_swept() -> None:
    listed = {route: {ask.method for ask in asks} for route, asks in ASKS.items()} | BY_NAME
    swept = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{route}"): sorted(methods) for route, methods in listed.items()}
    assert {path: sorted(does) for path, does in api.get_openapi_schema()["paths"].items() if "{" in path} == swept


@pytest.fixture
def sweep(theirs: Theirs, session: Session, agents: Any) -> Any:
    """Ask for everything with one token; nothing of it may have an effect. Yields each question with its answer."""

    async def sweeping(secret: str, ids: Theirs = theirs) -> list[tuple[str, Any]]:
        answers = [(f"{ask.method} {route}", await ask_for(route, ask, ids, secret)) for route, ask in CASES]
        await untouched(session, agents)
        return answers

    return sweeping


def codes(answers: list[tuple[str, Any]]) -> dict[str, tuple[int, str]]:
    return {question: (answer.status_code, answer.json()["error"]) for question, answer in answers}


@pytest.mark.parametrize("role", Role.values)
async def test_another_tenant_finds_nothing(
    sweep: Any, theirs: Theirs, other: Any, member: Any, token: Any, role: str
) -> None:
    """Whatever their role there. What that has not the scope for is refused before anything is looked for."""
    secret = await sync_to_async(lambda: token(member(other, "stranger", role), scopes=list(Scope.values)))()
    nothing = theirs.nothing
    answers, nowhere = await sweep(secret), await sweep(secret, nothing)
    refusals = [(404, "not_found")] + [(403, "scope_missing")] * (role in ("member", "viewer"))
    assert {question: code for question, code in codes(answers).items() if code not in refusals} == {}
    said = [theirs.without(answer.content.decode()) for _, answer in answers]
    assert said == [nothing.without(answer.content.decode()) for _, answer in nowhere]
    assert not re.search("theirs|robot|alice|Acme", " ".join(said))


@pytest.mark.parametrize(("route", "ask"), CASES)
async def test_the_holder_is_answered(
    route: str, ask: Ask, theirs: Theirs, alice: Any, token: Any, agents: Any
) -> None:
    """So that a 404 above means what it says."""
    response = await ask_for(route, ask, theirs, await sync_to_async(token)(alice, scopes=list(Scope.values)))
    answered = (
        "no_such_execution",
        "no_such_file",
        "no_input_wanted",
        "no_such_terminal",
        "nothing_kept",
        "not_ready",
        "bad_archive",
    )
    assert response.status_code < 300 or response.json()["error"] in answered


@pytest.mark.parametrize("who", ["expired", "revoked", "wrong", "none", "garbage"])
async def test_who_is_nobody_is_told_so(sweep: Any, alice: Any, token: Any, who: str) -> None:
    secret = await sync_to_async(token)(alice)
    past = timezone.now() - timedelta(seconds=1)
    if who == "expired":
        await ApiToken.objects.aupdate(expires_at=past)
    if who == "revoked":
        await ApiToken.objects.aupdate(revoked_at=past)
    answers = await sweep({"wrong": f"{secret}x", "none": "", "garbage": "\u00ff"}.get(who, secret))
    assert {question for question, answer in answers if answer.status_code != 401} == set()


async def test_a_token_of_another_session_reaches_nothing(sweep: Any, alice: Any, token: Any, leased: Any) -> None:
    other = await sync_to_async(leased)(alice, "other")
    secret = await sync_to_async(token)(alice, session=other.pk, scopes=list(Scope.values))
    answers = await sweep(secret)
    assert {question for question, answer in answers if answer.status_code not in (403, 404)} == set()


@pytest.mark.parametrize("lacks", ["role", "scope"])
async def test_who_may_only_look_on_runs_nothing(
    sweep: Any, acme: Any, member: Any, alice: Any, token: Any, lacks: str
) -> None:
    if lacks == "role":
        secret = await sync_to_async(lambda: token(member(acme, "vera", "viewer")))()
    else:
        secret = await sync_to_async(token)(alice, scopes=[Scope.POOLS_READ])
    found = codes(await sweep(secret))
    assert {question: code for question, code in found.items() if code != (403, "scope_missing")} == {}


async def untouched(session: Session, agents: Any) -> None:
    """Nothing ran, nothing was written, and the session lives."""
    assert await InterpreterImage.objects.filter(name="theirs", requested_at=None).acount() == 1
    assert await RegistryCredential.objects.acount() == 1
    assert await Archive.objects.acount() == 1
    assert await SessionPool.objects.filter(name="theirs-pool", deleting=False, ready_instances=2).acount() == 1
    assert await WebhookEndpoint.objects.filter(enabled=True, former_until=None).acount() == 1
    assert await WebhookDelivery.objects.filter(type="webhook.test", state="failed").acount() == 1
    assert await Workspace.objects.filter(content="a" * 32, turn=0).acount() == 1
    assert await ServiceAccount.objects.filter(name="robot", disabled_at=None).acount() == 1
    assert await ApiToken.objects.filter(name="robot's", last_used_at=None).acount() == 1
    assert agents[session.pk].log.entries == []
    assert agents[session.pk].contents == {}
    found = await Session.objects.aget(pk=session.pk)
    assert (found.state, found.last_used_at) == (session.state, session.last_used_at)


# --- Lists, and what is opened by name ---


async def test_lists_show_ones_own(session: Session, charlie: Any, token: Any) -> None:
    headers = bearer(await sync_to_async(token)(charlie))
    assert (await AsyncClient().get("/api/v1/sessions", headers=headers)).json() == []


async def test_the_same_identifier_is_another_session_for_another_tenant(
    session: Session, charlie: Any, token: Any, ready: Any
) -> None:
    await sync_to_async(ready)()
    headers = bearer(await sync_to_async(token)(charlie))
    body = {"pool": "python", "identifier": session.identifier}
    response = await AsyncClient().post("/api/v1/sessions", body, content_type="application/json", headers=headers)
    assert response.status_code == 201
    assert response.json()["id"] != str(session.pk)


async def test_another_tenants_pool_is_not_found(pool: Any, acme: Any, charlie: Any, token: Any) -> None:
    pool.tenant = acme
    await pool.asave()
    headers = bearer(await sync_to_async(token)(charlie))
    body = {"pool": "python", "identifier": "a"}
    response = await AsyncClient().post("/api/v1/sessions", body, content_type="application/json", headers=headers)
    assert response.status_code == 404
    assert (await AsyncClient().get("/api/v1/pools", headers=headers)).json() == []


# --- WebSockets ---


@pytest.mark.parametrize("route", sorted(SOCKETS))
@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("stranger", 4404),
        ("expired", 4401),
        ("wrong", 4401),
        ("nobody", 4401),
        ("other session", 4403),
        ("viewer", 4403),
        ("foreign page", 4403),
        ("no origin", 4403),
    ],
)
async def test_sockets_are_closed_to_strangers(
    route: str, who: str, code: int, theirs: Theirs, session: Session, acme: Any, member: Any, alice: Any,
    charlie: Any, token: Any, leased: Any, agents: Any,
) -> None:  # fmt: skip
    secret, headers = "", {}
    client = AsyncClient()
    await client.aforce_login(alice)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    issue = sync_to_async(token)
    match who:
        case "stranger":
            secret = await issue(charlie)
        case "expired":
            secret = await issue(alice)
            await ApiToken.objects.aupdate(expires_at=timezone.now() - timedelta(seconds=1))
        case "wrong":
            secret = "thm_wrong"
        case "nobody":
            headers = {"host": "testserver", "origin": "http://testserver"}
        case "other session":
            secret = await issue(alice, session=(await sync_to_async(leased)(alice, "other")).pk)
        case "viewer":
            secret = await sync_to_async(lambda: token(member(acme, "vera", "viewer")))()
        case "foreign page":
            headers = {"host": "testserver", "origin": "http://evil.example", "cookie": cookie}
        case "no origin":
            headers = {"host": "testserver", "cookie": cookie}
    async with tab("/" + theirs.fill(route), secret, **headers) as page:
        assert await page.closed() == code
    assert page.messages == []
    await untouched(session, agents)


@pytest.mark.parametrize("role", Role.values)
async def test_sockets_tell_another_tenant_nothing(
    theirs: Theirs, session: Session, other: Any, member: Any, token: Any, agents: Any, role: str
) -> None:
    secret = await sync_to_async(lambda: token(member(other, "stranger", role), scopes=list(Scope.values)))()
    for route in sorted(SOCKETS | NOTEBOOKS_SOCKETS):
        ends = []
        for ids in (theirs, theirs.nothing):
            async with tab(f"/{ids.fill(route)}?tab={uuid4()}", secret) as page:
                assert await page.closed() in (4404, 4403 if role == "viewer" else 4404), route
                assert page.messages == []
                ends.append(page.close)
        assert ends[0] == ends[1], route
    await untouched(session, agents)
