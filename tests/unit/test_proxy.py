"""Requests for sandboxes, from the address to the agent in memory: who may, what is leased, and what browsers get."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from interpreters.client import Head
from interpreters.client.memory.ports import MemoryExchange, MemoryTunnel
from interpreters.lifecycle import Reason, State
from interpreters.models import InterpreterImage, Preview, Session, SessionPool
from interpreters.models.image import RELAY
from interpreters.proxy import lookup
from interpreters.sessions import record
from project.asgi import application
from tenants.models import ApiToken, IdentityProvider, Membership, Scope, Tenant
from tests.edges import bearer, eventually

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE = 10.0


async def hello(exchange: MemoryExchange) -> None:
    body = b""
    while exchange.request.method == b"POST" and (piece := await exchange.read()) is not None:
        body += piece
    await exchange.say(Head(200, [(b"content-type", b"text/plain")], chunked=False), b"hello " + body)


async def echo(tunnel: MemoryTunnel) -> None:
    tunnel.subprotocol = tunnel.offered[0] if tunnel.offered else None
    while (message := await tunnel.read()) is not None:
        await (tunnel.hang_up(4000, "bye") if message == "bye" else tunnel.say(message))


class Answer:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.sent = sent
        self.status: int = sent[0].get("status", 0)
        self.headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", ())}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"]) if self.status >= 400 else ""


async def ask(path: str, method: str = "GET", host: str = "testserver", body: bytes = b"", **fields: str) -> Answer:
    """One request as our server would hand it over."""
    path, _, query = path.partition("?")
    raw = [(b"host", host.encode())] + [(k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()]
    if body:
        raw.append((b"content-length", b"%d" % len(body)))
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": raw, "client": ["10.0.0.7", 5], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    waiting.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with asyncio.timeout(DEADLINE):
        await application(scope, waiting.get, send)
    return Answer(sent)


def auth(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def custom(pool: Any) -> SessionPool:
    """A pool of containers with a server at port 8000."""
    pool.image.kind = InterpreterImage.Kind.CUSTOM
    pool.image.save()
    relay = {"source": RELAY, "state": InterpreterImage.State.READY, "reference": "relay:1", "digest": "sha256:1"}
    InterpreterImage.objects.create(name=RELAY, **relay)
    pool.target_port = 8000
    pool.save()
    return pool  # type: ignore[no-any-return]


@pytest.fixture
def serving(custom: SessionPool, ready: Callable[[], Session], agents: Any) -> Callable[[], Session]:
    """Make a ready instance whose server says hello."""

    def make() -> Session:
        session = ready()
        agents[session.pk].servers[8000] = hello
        agents[session.pk].sockets[8000] = echo
        return session

    return make


@pytest.fixture
def held(custom: SessionPool, serving: Callable[[], Session], alice: Any) -> Session:
    serving()
    session: Session = custom.lease(alice.memberships.get().tenant, alice, "mine").session
    return session


# --- Who may ---


@pytest.fixture
def addresses(held: Session) -> list[str]:
    by_id = f"/api/v1/sessions/{held.pk}"
    return [f"{by_id}/proxy/x", f"{by_id}/ports/8000/x", "/azure/acme/python/x?identifier=mine"]


async def answers(addresses: list[str], **fields: str) -> set[tuple[int, str]]:
    found = [await ask(address, **fields) for address in addresses]
    return {(answer.status, answer.error) for answer in found}


async def test_the_holder_is_answered(addresses: list[str], alice: Any, token: Any) -> None:
    secret = await sync_to_async(token)(alice)
    assert await answers(addresses, **auth(secret)) == {(200, "")}
    assert await answers(addresses, x_thermae_authorization=f"Bearer {secret}", authorization="Basic x") == {(200, "")}


async def test_another_tenant_finds_nothing(addresses: list[str], charlie: Any, token: Any, agents: Any) -> None:
    assert await answers(addresses, **auth(await sync_to_async(token)(charlie))) == {(404, "not_found")}
    assert not any(agent.forwarded for agent in agents.values())


@pytest.mark.parametrize("who", ["expired", "revoked", "wrong", "none", "else"])
async def test_who_is_nobody_is_told_so(addresses: list[str], alice: Any, token: Any, who: str, agents: Any) -> None:
    secret = await sync_to_async(token)(alice)
    past = timezone.now() - timedelta(seconds=1)
    if who in ("expired", "revoked"):
        await ApiToken.objects.aupdate(**{"expired": {"expires_at": past}, "revoked": {"revoked_at": past}}[who])
    given = {"wrong": auth(secret + "x"), "none": {}, "else": {"authorization": "Basic x"}}.get(who, auth(secret))
    found = [await ask(address, **given) for address in addresses]
    assert {answer.status for answer in found} == {401}
    assert {answer.headers["www-authenticate"] for answer in found} == {"Bearer"}
    assert not any(agent.forwarded for agent in agents.values())


async def test_who_may_only_look_on_or_has_a_token_of_another_session_is_refused(
    addresses: list[str], acme: Any, member: Any, alice: Any, token: Any, custom: Any, serving: Any, agents: Any
) -> None:
    issue = sync_to_async(token)
    viewer = await sync_to_async(lambda: token(member(acme, "vera", "viewer")))()
    lacking = await issue(alice, scopes=[Scope.POOLS_READ])
    await sync_to_async(serving)()
    other = await sync_to_async(lambda: custom.lease(acme, alice, "other").session)()
    for secret, code in (
        (viewer, "scope_missing"),
        (lacking, "scope_missing"),
        (await issue(alice, session=other.pk), "session_token"),
    ):
        assert await answers(addresses, **auth(secret)) == {(403, code)}
    assert not any(agent.forwarded for agent in agents.values())


async def test_a_cookie_is_no_way_in_on_our_own_origin(addresses: list[str], alice: Any) -> None:
    client = AsyncClient()
    await client.aforce_login(alice)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    assert await answers(addresses, cookie=cookie) == {(403, "isolated_origin")}


async def test_a_host_that_is_none_of_ours_is_refused(addresses: list[str], alice: Any, token: Any) -> None:
    secret = await sync_to_async(token)(alice)
    assert await answers(addresses, host="evil.example", **auth(secret)) == {(400, "bad_host")}


# --- Leases ---


async def test_the_first_request_leases_and_the_next_ones_find_it(serving: Any, alice: Any, token: Any) -> None:
    first, second = await sync_to_async(serving)(), await sync_to_async(serving)()
    headers = auth(await sync_to_async(token)(alice))
    for _ in range(3):
        answer = await ask("/azure/acme/python/a?identifier=new", "POST", body=b"you", **headers)
        assert (answer.status, answer.body) == (200, b"hello you")
    states = {s.pk: s.state async for s in Session.objects.all()}
    assert states == {first.pk: State.LEASED, second.pk: State.READY}


async def test_a_cold_start_is_waited_for(custom: Any, alice: Any, token: Any, agents: Any) -> None:
    headers = auth(await sync_to_async(token)(alice))
    asking = asyncio.create_task(ask("/azure/acme/python/?identifier=cold", **headers))

    async def starting() -> Session | None:
        return await Session.objects.filter(state=State.STARTING).afirst()

    session = await eventually(starting)
    from interpreters.client.memory import MemoryAgent

    agents[session.pk] = MemoryAgent()
    agents[session.pk].servers[8000] = hello
    now = timezone.now()
    await Session.objects.filter(pk=session.pk).aupdate(state=State.LEASED, leased_at=now, last_used_at=now)
    assert (await asking).status == 200


async def test_a_full_pool_says_when_to_come_back(custom: Any, held: Session, alice: Any, token: Any) -> None:
    await SessionPool.objects.aupdate(max_concurrent=1)
    answer = await ask("/azure/acme/python/?identifier=more", **auth(await sync_to_async(token)(alice)))
    assert (answer.status, answer.error) == (429, "pool_full")
    assert int(answer.headers["retry-after"]) > 0


async def test_what_cannot_be_leased_leases_nothing(pool: Any, ready: Any, alice: Any, token: Any) -> None:
    session = await sync_to_async(ready)()
    headers = auth(await sync_to_async(token)(alice))
    for path, status, code in (
        ("/azure/acme/python/?identifier=a", 404, "no_target_port"),
        ("/azure/acme/none/?identifier=a", 404, "not_found"),
        ("/azure/acme/python/", 400, "no_identifier"),
        ("/azure/other/python/?identifier=a", 404, "not_found"),
    ):
        answer = await ask(path, **headers)
        assert (answer.status, answer.error) == (status, code)
    await session.arefresh_from_db()
    assert session.state == State.READY


async def test_an_identifier_whose_session_ended_gets_the_next_one(
    held: Session, serving: Any, alice: Any, token: Any, agents: Any
) -> None:
    headers = auth(await sync_to_async(token)(alice))
    assert (await ask("/azure/acme/python/?identifier=mine", **headers)).status == 200
    following = await sync_to_async(serving)()
    agents[held.pk].gone = True
    await sync_to_async(held.end)(Reason.CLOSED)
    assert (await ask("/azure/acme/python/?identifier=mine", **headers)).status == 200
    assert len(agents[following.pk].forwarded) == 1
    answer = await ask(f"/api/v1/sessions/{held.pk}/proxy/", **headers)
    assert (answer.status, answer.error) == (409, "session_ended")


async def test_nobody_at_the_port_is_said_in_words(held: Session, alice: Any, token: Any, agents: Any) -> None:
    agents[held.pk].servers.clear()
    answer = await ask(f"/api/v1/sessions/{held.pk}/proxy/", **auth(await sync_to_async(token)(alice)))
    assert (answer.status, answer.error) == (502, "nothing_there")


async def test_a_request_counts_as_use(held: Session, alice: Any, token: Any) -> None:
    record._noted.clear()
    past = timezone.now() - timedelta(seconds=60)
    await Session.objects.aupdate(last_used_at=past)
    await ask(f"/api/v1/sessions/{held.pk}/proxy/", **auth(await sync_to_async(token)(alice)))

    async def used() -> bool:
        found = await Session.objects.aget(pk=held.pk)
        return found.last_used_at is not None and found.last_used_at > past

    await eventually(used)


async def test_the_database_is_not_asked_for_each_request(
    held: Session, alice: Any, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = auth(await sync_to_async(token)(alice))
    asked = []
    real = lookup._running

    async def counting(*arguments: Any) -> Session:
        asked.append(arguments)
        return await real(*arguments)

    monkeypatch.setattr(lookup, "_running", counting)
    found = await asyncio.gather(*(ask(f"/api/v1/sessions/{held.pk}/proxy/", **headers) for _ in range(20)))
    assert {answer.status for answer in found} == {200}
    assert len(asked) == 1


async def test_a_session_takes_so_many_requests_at_a_time(
    held: Session, alice: Any, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interpreters.proxy import application as front

    monkeypatch.setattr(front, "MOST_AT_ONCE", 0)
    answer = await ask(f"/api/v1/sessions/{held.pk}/proxy/", **auth(await sync_to_async(token)(alice)))
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "busy", "1")
    assert not front._open


# --- What is remembered ---


async def test_answers_are_remembered_for_so_long_and_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MOST", 3)
    remembered: lookup.Remembered[int] = lookup.Remembered()
    asked: list[int] = []

    async def find(key: int) -> int:
        asked.append(key)
        return key

    for key in (1, 2, 3, 4, 1):
        assert await remembered.get(key, lambda key=key: find(key)) == key  # type: ignore[misc]
    assert asked == [1, 2, 3, 4, 1]
    assert len(remembered._known) == 3
    await remembered.get(1, lambda: find(1), oldest=0)
    assert asked[-2:] == [1, 1]


async def test_what_was_refused_is_not_remembered() -> None:
    remembered: lookup.Remembered[int] = lookup.Remembered()

    async def fail() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await remembered.get(1, fail)
    assert not remembered._known
    assert not remembered._asking


# --- Browsers ---


async def preview(session: Session, secret: str, port: int | None = None) -> Any:
    path = f"/api/v1/sessions/{session.pk}/previews"
    body = {} if port is None else {"port": port}
    return await AsyncClient().post(path, body, content_type="application/json", headers=bearer(secret))


async def entered(session: Session, secret: str) -> tuple[str, str]:
    """A browser that opened a preview: host and cookie."""
    url = urlsplit((await preview(session, secret)).json()["url"])
    answer = await ask(f"{url.path}?{url.query}", host=url.netloc)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    return url.netloc, answer.headers["set-cookie"].partition(";")[0]


async def test_a_preview_opens_once_and_then_by_cookie(held: Session, alice: Any, token: Any, agents: Any) -> None:
    secret = await sync_to_async(token)(alice)
    url = urlsplit((await preview(held, secret)).json()["url"])
    assert url.netloc == f"{held.pk.hex}-8000.preview.localhost"
    before = await ask("/", host=url.netloc)
    assert (before.status, before.error) == (401, "no_preview")
    first = await ask(f"{url.path}?{url.query}", host=url.netloc)
    assert first.status == 303
    for word in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in first.headers["set-cookie"]
    again = await ask(f"{url.path}?{url.query}", host=url.netloc)
    assert (again.status, again.error) == (401, "bad_ticket")
    cookie = first.headers["set-cookie"].partition(";")[0]
    answer = await ask("/a?b=1", host=url.netloc, cookie=f"{cookie}; own=1")
    assert (answer.status, answer.body) == (200, b"hello ")
    assert "content-security-policy" not in answer.headers
    request = agents[held.pk].forwarded[-1]
    assert request.target == b"/a?b=1"
    assert dict(request.headers)[b"cookie"] == b"own=1"


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/lab?token=a%2526b", "/lab?token=a%26b"),
        ("//evil.example", "/"),
        ("/%5C%5Cevil.example", "/"),
        ("https://evil.example", "/"),
        ("/a%0D%0AX: y", "/"),
        ("/" + "a" * 3000, "/"),
    ],
)
async def test_a_link_leads_to_a_page_of_that_server_alone(
    held: Session, alice: Any, token: Any, wanted: str, led: str
) -> None:
    url = urlsplit((await preview(held, await sync_to_async(token)(alice))).json()["url"])
    answer = await ask(f"{url.path}?{url.query}&to={wanted}", host=url.netloc)
    assert (answer.status, answer.headers["location"]) == (303, led)


async def test_behind_tls_the_cookie_belongs_to_its_host_alone(
    held: Session, alice: Any, token: Any, settings: Any
) -> None:
    settings.BEHIND_TLS_PROXY = True
    url = urlsplit((await preview(held, await sync_to_async(token)(alice))).json()["url"])
    cookie = (await ask(f"{url.path}?{url.query}", host=url.netloc)).headers["set-cookie"]
    assert cookie.startswith("__Host-thermae_preview=")
    assert cookie.endswith("; Secure")
    assert "Domain" not in cookie


async def test_a_cookie_opens_its_own_host_only(
    held: Session, alice: Any, token: Any, custom: Any, serving: Any, acme: Any
) -> None:
    secret = await sync_to_async(token)(alice)
    host, cookie = await entered(held, secret)
    await sync_to_async(serving)()
    other = await sync_to_async(lambda: custom.lease(acme, alice, "other").session)()
    for foreign in (host.replace("-8000", "-8001"), f"{other.pk.hex}-8000.preview.localhost"):
        assert (await ask("/", host=foreign, cookie=cookie)).status == 401
    assert (await ask("/", host=host, cookie=cookie + "x")).status == 401
    assert (await ask("/", host=host, **auth(secret))).status == 401
    assert (await ask("/", host="nothing.preview.localhost", cookie=cookie)).status == 404


@pytest.mark.parametrize("path", ["/api/v1/pools", "/healthz", "/metrics", "/admin/", "/azure/acme/python/"])
async def test_on_an_isolated_origin_every_path_is_the_sandboxs(
    held: Session, alice: Any, token: Any, agents: Any, path: str
) -> None:
    host, cookie = await entered(held, await sync_to_async(token)(alice))
    assert (await ask(path, host=host, cookie=cookie)).body == b"hello "
    for ours in ("/.thermae/", "/.thermae/enter", "/.thermae/x"):
        assert (await ask(ours, host=host, cookie=cookie)).status in (401, 404)
    assert [request.target for request in agents[held.pk].forwarded] == [path.encode()]


@pytest.mark.parametrize(
    ("fields", "method", "status"),
    [
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, "GET", 403),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, "GET", 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, "POST", 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, "GET", 200),
        ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"}, "GET", 200),
        ({"origin": "http://evil.example"}, "GET", 403),
        ({"origin": "null"}, "GET", 403),
        ({"origin": "own"}, "GET", 200),
    ],
)
async def test_a_page_of_one_preview_does_not_reach_another(
    held: Session, alice: Any, token: Any, fields: dict[str, str], method: str, status: int
) -> None:
    host, cookie = await entered(held, await sync_to_async(token)(alice))
    given = {name: f"http://{host}" if value == "own" else value for name, value in fields.items()}
    answer = await ask("/", method, host=host, cookie=cookie, body=b"x" if method == "POST" else b"", **given)
    assert answer.status == status


@pytest.mark.parametrize("ends", ["session", "membership", "token", "person", "time"])
async def test_a_preview_dies_with_what_it_lives_by(
    held: Session, alice: Any, token: Any, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "OLDEST", 0.0)
    monkeypatch.setattr(lookup.Lookup.actor, "__defaults__", (0.0,))
    monkeypatch.setattr(lookup.Lookup.session, "__defaults__", (0.0,))
    host, cookie = await entered(held, await sync_to_async(token)(alice))
    assert (await ask("/", host=host, cookie=cookie)).status == 200
    match ends:
        case "session":
            await sync_to_async(held.end)(Reason.CLOSED)
        case "membership":
            await Membership.objects.all().adelete()
        case "token":
            await ApiToken.objects.aupdate(revoked_at=timezone.now())
        case "person":
            alice.is_active = False
            await alice.asave()
        case "time":
            import time

            later = time.time() + 12 * 3600 + 1
            monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    answer = await ask("/", host=host, cookie=cookie)
    assert answer.status == (409 if ends == "session" else 401)


@pytest.mark.parametrize("ends", ["", "turned off", "deleted", "disconnected", "second factor", "person"])
async def test_a_preview_of_a_browser_dies_with_what_its_sign_in_reaches(
    held: Session, alice: Any, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "OLDEST", 0.0)
    monkeypatch.setattr(lookup.Lookup.actor, "__defaults__", (0.0,))
    browser = AsyncClient()
    await browser.aforce_login(alice)
    provider = await IdentityProvider.objects.acreate(
        tenant_id=held.tenant_id, name="ID", issuer="https://id.example.org"
    )
    await SocialAccount.objects.acreate(user=alice, provider=str(provider.pk), uid="1")
    if ends not in ("second factor", "person"):
        store = await browser.asession()
        await store.aset("identity_provider", str(provider.pk))
        await store.asave()
    made = await browser.post(f"/api/v1/sessions/{held.pk}/previews", {}, content_type="application/json")
    url = urlsplit(made.json()["url"])
    entered = await ask(f"{url.path}?{url.query}", host=url.netloc)
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert (await ask("/", host=url.netloc, cookie=cookie)).status == 200
    match ends:
        case "turned off":
            await IdentityProvider.objects.aupdate(enabled=False)
        case "deleted":
            await provider.adelete()
        case "disconnected":
            await SocialAccount.objects.all().adelete()
        case "second factor":
            await Tenant.objects.aupdate(requires_second_factor=True)
        case "person":
            await type(alice).objects.aupdate(is_active=False)
    assert (await ask("/", host=url.netloc, cookie=cookie)).status in ((401, 403) if ends else (200,))


async def test_a_person_is_told_by_a_page_and_a_program_by_json(held: Session, alice: Any, token: Any) -> None:
    host, cookie = await entered(held, await sync_to_async(token)(alice))
    await sync_to_async(held.end)(Reason.CLOSED)
    page = await ask("/", host=host, cookie=cookie, accept="text/html,application/xhtml+xml")
    assert (page.status, page.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert b"<p>The session was closed." in page.body
    assert page.headers["content-security-policy"] == "sandbox"
    assert (await ask("/", host=host, cookie=cookie, accept="*/*")).error == "session_ended"
    secret = await sync_to_async(token)(alice)
    ours = await ask(f"/api/v1/sessions/{held.pk}/proxy/", accept="text/html", **auth(secret))
    assert ours.headers["content-type"] == "application/json"


async def test_a_ticket_is_good_for_a_minute(held: Session, alice: Any, token: Any, monkeypatch: Any) -> None:
    import time

    url = urlsplit((await preview(held, await sync_to_async(token)(alice))).json()["url"])
    later = time.time() + 61
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert (await ask(f"{url.path}?{url.query}", host=url.netloc)).status == 401
    assert (await Preview.objects.aget()).entered_at is None


async def test_previews_need_a_port_a_domain_and_a_running_session(
    held: Session, alice: Any, token: Any, settings: Any
) -> None:
    secret = await sync_to_async(token)(alice)
    assert (await preview(held, secret, 8001)).status_code == 404
    settings.PREVIEW_HOST = ""
    answer = await preview(held, secret)
    assert (answer.status_code, answer.json()["error"]) == (409, "previews_off")
    settings.PREVIEW_HOST = "preview.localhost"
    await sync_to_async(held.end)(Reason.CLOSED)
    assert (await preview(held, secret)).status_code == 409


# --- WebSocket ---


class Socket:
    """The client's end of a WebSocket, as our server would hand it over."""

    def __init__(self, path: str, host: str = "testserver", denial: bool = True, **fields: str) -> None:
        raw = [(b"host", host.encode())] + [(k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()]
        scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw,
            "client": ["10.0.0.7", 5], "subprotocols": [],
            "extensions": {"websocket.http.response": {}} if denial else {},
        }  # fmt: skip
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(scope, self._in.get, self._out.put))

    def say(self, **message: Any) -> None:
        self._in.put_nowait({"type": "websocket.receive", **message})

    def leave(self, code: int) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})

    async def hear(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._out.get(), DEADLINE)


async def test_a_websocket_passes_messages_subprotocol_and_close(held: Session, alice: Any, token: Any) -> None:
    secret = await sync_to_async(token)(alice)
    offered = f"chat, bearer.{secret}"
    socket = Socket(f"/api/v1/sessions/{held.pk}/proxy/", sec_websocket_protocol=offered)
    assert await socket.hear() == {"type": "websocket.accept", "subprotocol": "chat"}
    socket.say(text="")
    assert await socket.hear() == {"type": "websocket.send", "text": ""}
    socket.say(bytes=b"\0", text=None)
    assert await socket.hear() == {"type": "websocket.send", "bytes": b"\0"}
    socket.say(text="bye")
    assert await socket.hear() == {"type": "websocket.close", "code": 4000, "reason": "bye"}
    await asyncio.wait_for(socket.task, DEADLINE)


async def test_a_websocket_message_has_a_bound(held: Session, alice: Any, token: Any, settings: Any) -> None:
    settings.MAX_PROXY_FRAME_BYTES = 10
    headers = auth(await sync_to_async(token)(alice))
    socket = Socket(f"/api/v1/sessions/{held.pk}/proxy/", **headers)
    assert (await socket.hear())["type"] == "websocket.accept"
    socket.say(bytes=b"x" * 11)
    assert (await socket.hear())["code"] == 1009


@pytest.mark.parametrize(
    ("who", "status"), [("stranger", 404), ("nobody", 401), ("cookie", 403), ("viewer", 403), ("other session", 403)]
)
async def test_websockets_are_closed_to_strangers(
    held: Session, who: str, status: int, acme: Any, member: Any, alice: Any, charlie: Any, token: Any, agents: Any
) -> None:
    issue, fields = sync_to_async(token), {}
    match who:
        case "stranger":
            fields = auth(await issue(charlie))
        case "cookie":
            fields = {"cookie": "sessionid=x", "origin": "http://testserver"}
        case "viewer":
            fields = auth(await sync_to_async(lambda: token(member(acme, "vera", "viewer")))())
        case "other session":
            fields = auth(await issue(alice, session="00000000-0000-4000-8000-000000000000"))
    socket = Socket(f"/api/v1/sessions/{held.pk}/proxy/", **fields)
    assert (await socket.hear())["status"] == status
    await asyncio.wait_for(socket.task, DEADLINE)
    plain = Socket(f"/api/v1/sessions/{held.pk}/proxy/", denial=False, **fields)
    assert (await plain.hear())["type"] == "websocket.close"
    assert not agents[held.pk].forwarded


async def test_a_websocket_of_a_preview_is_its_own_pages(held: Session, alice: Any, token: Any) -> None:
    host, cookie = await entered(held, await sync_to_async(token)(alice))
    for origin in (f"http://{host}", "http://evil", ""):
        socket = Socket("/", host=host, cookie=cookie, **({"origin": origin} if origin else {}))
        heard = (await socket.hear())["type"]
        assert heard == ("websocket.accept" if origin.endswith(host) else "websocket.http.response.start")
        socket.leave(1000)
        await asyncio.wait_for(socket.task, DEADLINE)
