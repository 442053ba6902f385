"""Whoever may no more is sent away at once from everything that is open, by a notice; and soon also without notices."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.utils import timezone

from frontend.documents import new_document
from frontend.models import Notebook
from interpreters.models import Preview, Session
from interpreters.notices import STANDING
from interpreters.proxy import application as proxy
from interpreters.proxy import lookup
from interpreters.sessions import following, standing
from tenants.authentication import actor_from_token
from tenants.models import ApiToken, Membership, ServiceAccount, Tenant
from tenants.signals import sign_in_ended, token_revoked
from tests.edges import eventually, state, tab
from tests.unit.test_proxy import Socket, auth, custom, held, serving

__all__ = ["custom", "held", "serving"]

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 3600.0


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at by the clock: only who is told looks."""
    monkeypatch.setattr(following, "EVERY", LONG)
    monkeypatch.setattr(following.changes, "__defaults__", (LONG, None))
    monkeypatch.setattr(standing, "EVERY", LONG)
    monkeypatch.setattr(proxy, "LOOK_EVERY", LONG)


@pytest.fixture
def secret(alice: Any, token: Any) -> str:
    return str(token(alice))


@pytest.fixture
def mine(alice: Any, leased: Any) -> Session:
    session: Session = leased(alice)
    return session


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.fixture
def account(acme: Any) -> ServiceAccount:
    return ServiceAccount.objects.create(tenant=acme, name="ci")


async def listening() -> None:
    """Until this process hears notices, and what it looked at first is over."""
    layer = get_channel_layer()

    async def there() -> bool:
        return bool(layer.groups.get(STANDING))

    await eventually(there)
    for _ in range(3):
        await asyncio.sleep(0)


# --- What takes a right away, and with which code it ends ---


async def revoke() -> None:
    await sync_to_async((await ApiToken.objects.aget()).revoke)()


async def delete_token() -> None:
    await (await ApiToken.objects.aget()).adelete()


async def limit_token() -> None:
    found = await ApiToken.objects.aget()
    found.scopes = ["pools:read"]
    await found.asave()


async def move_token() -> None:
    found = await ApiToken.objects.aget()
    found.networks = ["192.0.2.0/24"]
    await found.asave()


async def expire() -> None:
    found = await ApiToken.objects.aget()
    found.expires_at = timezone.now() + timedelta(milliseconds=300)
    await found.asave()


async def leave() -> None:
    await sync_to_async(lambda: Membership.objects.filter(user__username="alice").delete())()


async def become_viewer() -> None:
    place = await Membership.objects.aget(user__username="alice")
    place.role = "viewer"
    await place.asave()


async def be_switched_off() -> None:
    user = await get_user_model().objects.aget(username="alice")
    user.is_active = False
    await user.asave()


CAUSES = [
    (revoke, 4401), (delete_token, 4401), (limit_token, 4403), (move_token, 4403), (expire, 4401), (leave, 4401),
    (become_viewer, 4403), (be_switched_off, 4401),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "code"), CAUSES)
async def test_the_channels_of_a_session_are_closed_at_once(
    mine: Session, secret: str, no_clock: None, cause: Callable[[], Any], code: int
) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/channels", secret) as page:
        await page.until(state("leased"))
        await listening()
        await cause()
        assert await page.closed() == code
        assert page.close
        assert page.close[1].endswith(".") or len(page.close[1]) > 100, "it says what to do"


@pytest.mark.parametrize(("cause", "code"), [(revoke, 4401), (become_viewer, 4403), (expire, 4401)])
async def test_a_terminal_is_closed_at_once(
    mine: Session, secret: str, no_clock: None, cause: Callable[[], Any], code: int
) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/terminals/main", secret) as page:
        await page.send_bytes(b"echo\n")
        await page.receive()
        await listening()
        await cause()
        assert await page.closed() == code


@pytest.mark.parametrize("path", ["", "/session"])
@pytest.mark.parametrize(("cause", "code"), [(revoke, 4401), (leave, 4401)])
async def test_the_sockets_of_a_notebook_are_closed_at_once(
    notebook: Notebook, pool: Any, alice: Any, ready: Any, secret: str, no_clock: None, path: str,
    cause: Callable[[], Any], code: int,
) -> None:  # fmt: skip
    await sync_to_async(ready)()
    await sync_to_async(pool.lease)(await Tenant.objects.aget(), alice, notebook.identifier)
    async with tab(f"/ws/notebooks/{notebook.pk}{path}?tab={uuid4()}", secret) as page:
        await page.until(lambda m: m.get("type") == "state")
        await listening()
        await cause()
        assert await page.closed() == code


@pytest.mark.parametrize(
    ("cause", "code"),
    [(revoke, 4401), (delete_token, 4401), (become_viewer, 4403), (leave, 4401), (expire, 4401), (move_token, 4403)],
)
async def test_a_websocket_into_a_sandbox_is_closed_at_once(
    held: Session, secret: str, no_clock: None, cause: Callable[[], Any], code: int
) -> None:
    socket = Socket(f"/api/v1/sessions/{held.pk}/proxy/", **auth(secret))
    assert (await socket.hear())["type"] == "websocket.accept"
    await listening()
    await cause()
    end = await socket.hear()
    assert (end["type"], end["code"]) == ("websocket.close", code)
    assert end["reason"].endswith(".")
    await asyncio.wait_for(socket.task, 10)


async def test_what_is_remembered_of_somebody_is_forgotten_at_once(held: Session, secret: str, no_clock: None) -> None:
    credential = lookup.Token(secret, "10.0.0.7")
    await lookup.lookup().actor(credential)
    await listening()
    await revoke()

    async def refused() -> bool:
        try:
            await lookup.lookup().actor(credential, oldest=LONG)
        except Exception as problem:
            return getattr(problem, "code", "") == "revoked_token"
        return False

    assert await eventually(refused)


@asynccontextmanager
async def stream(session: Session, secret: str, **headers: str) -> AsyncIterator[Any]:
    """The answer of a run that never ends."""
    body = json.dumps({"code": "forever", "mode": "stream"})
    fields = {"Authorization": f"Bearer {secret}", **headers}
    answer = await AsyncClient().post(
        f"/api/v1/sessions/{session.pk}/executions", body, content_type="application/json", headers=fields
    )
    assert answer.status_code == 200
    async with AsyncExitStack() as stack:
        lines = aiter(answer.streaming_content)  # type: ignore[attr-defined]
        stack.push_async_callback(lines.aclose)
        yield lines


@pytest.mark.parametrize(
    ("cause", "said"), [(revoke, "revoked_token"), (become_viewer, "scope_missing"), (expire, "expired_token")]
)
@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_a_stream_of_outputs_ends_at_once_and_says_why(
    mine: Session, secret: str, no_clock: None, cause: Callable[[], Any], said: str, accept: str
) -> None:
    async with stream(mine, secret, Accept=accept) as lines:
        await anext(lines)
        await listening()
        await cause()
        async with asyncio.timeout(10):
            rest = [line async for line in lines]
    assert said in rest[-1].decode()


# --- Cookies ---


@pytest.fixture
def cookie(alice: Any) -> dict[str, str]:
    from django.test import Client

    client = Client()
    client.force_login(alice)
    found = f"sessionid={client.cookies['sessionid'].value}"
    return {"cookie": found, "origin": "http://testserver", "host": "testserver"}


async def test_signing_out_closes_what_that_browser_has_open(
    mine: Session, cookie: dict[str, str], alice: Any, no_clock: None
) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/channels", **cookie) as page:
        await page.until(state("leased"))
        await listening()
        # A sign-in elsewhere that ends is no reason to go.
        await sync_to_async(user_logged_out.send)(sender=type(alice), request=None, user=alice)
        await page.send({"type": "ping"})
        await page.until(lambda m: m.get("type") == "pong")
        await sync_to_async(SessionStore(cookie["cookie"].partition("=")[2]).flush)()
        await sync_to_async(sign_in_ended.send)(sender=None, user=alice)
        assert await page.closed() == 4401


async def test_a_new_password_closes_what_was_opened_by_the_old_one(
    mine: Session, cookie: dict[str, str], alice: Any, no_clock: None
) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/channels", **cookie) as page:
        await page.until(state("leased"))
        await listening()
        alice.set_password("another one")
        await alice.asave()
        assert await page.closed() == 4401


async def test_a_socket_stays_with_the_tenant_that_it_was_opened_for(
    mine: Session, cookie: dict[str, str], alice: Any, other: Any, no_clock: None
) -> None:
    """Who has two tenants and switches in another tab keeps what is open; who is removed from one is told so."""
    await Membership.objects.acreate(tenant=other, user=alice)
    store = SessionStore(cookie["cookie"].partition("=")[2])
    async with tab(f"/ws/sessions/{mine.pk}/channels", **cookie) as page:
        await page.until(state("leased"))
        await listening()

        def switch() -> None:
            store["tenant"] = "other"
            store.save()
            user_logged_out.send(sender=type(alice), request=None, user=alice)  # has it looked at

        await sync_to_async(switch)()
        await page.send({"type": "ping"})
        await page.until(lambda m: m.get("type") == "pong")
        await sync_to_async(lambda: Membership.objects.get(tenant__slug="acme", user=alice).delete())()
        assert await page.closed() == 4403
        assert page.close
        assert "acme" in page.close[1]


def test_previews_of_a_browser_end_with_signing_out_and_those_of_a_token_do_not(
    mine: Session, alice: Any, secret: str
) -> None:
    by_token = Preview.issue(mine, 8000, alice, ApiToken.objects.get())
    Preview.issue(mine, 8000, alice, None)
    sign_in_ended.send(sender=None, user=alice)
    assert list(Preview.objects.all()) == [by_token]


# --- Service accounts ---


@pytest.mark.parametrize("how", ["disable", "delete"])
async def test_a_service_account_that_is_disabled_or_deleted_is_sent_away(
    account: ServiceAccount, acme: Any, ready: Any, pool: Any, no_clock: None, how: str
) -> None:
    await sync_to_async(ready)()
    lease = await sync_to_async(pool.lease)(acme, account.user, "nightly")
    _, secret = await sync_to_async(ApiToken.issue)(tenant=acme, user=account.user, name="ci")
    async with tab(f"/ws/sessions/{lease.session.pk}/channels", secret) as page:
        await page.until(state("leased"))
        await listening()
        await sync_to_async(getattr(account, how))()
        assert await page.closed() == 4401


# --- Who is told, and who is not ---


def test_others_may_listen(secret: str, alice: Any) -> None:
    heard: list[Any] = []

    def hear(sender: Any, token: ApiToken, **_: Any) -> None:
        heard.append(token.name)

    token_revoked.connect(hear)
    try:
        found = ApiToken.objects.get()
        found.name = "renamed"
        found.save()
        assert heard == []
        found.revoke()
        found.delete()
    finally:
        token_revoked.disconnect(hear)
    assert heard == ["renamed", "renamed"]


async def test_without_notices_the_clock_finds_it(
    held: Session, mine: Session, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is away: nobody is told."""
    monkeypatch.setattr("interpreters.notices.send", lambda notices: None)
    for module in (following, standing):
        monkeypatch.setattr(module, "EVERY", 0.05)
    monkeypatch.setattr(following.changes, "__defaults__", (0.05, None))
    monkeypatch.setattr(proxy, "LOOK_EVERY", 0.05)
    socket = Socket(f"/api/v1/sessions/{held.pk}/proxy/", **auth(secret))
    await socket.hear()
    async with tab(f"/ws/sessions/{held.pk}/channels", secret) as page:
        await page.until(state("leased"))
        await ApiToken.objects.aupdate(revoked_at=timezone.now())
        assert await page.closed() == 4401
        assert (await socket.hear())["code"] == 4401


def test_without_notices_nobody_waits_for_more_than_a_few_seconds() -> None:
    assert max(standing.EVERY, following.EVERY, proxy.LOOK_EVERY) <= 5


async def test_what_others_lose_closes_nothing(
    mine: Session, secret: str, bob: Any, token: Any, no_clock: None
) -> None:
    await sync_to_async(token)(bob)
    looked: list[str] = []
    async with tab(f"/ws/sessions/{mine.pk}/channels", secret) as page:
        await page.until(state("leased"))
        await listening()
        with standing.listener().news_of(bob.pk) as theirs, standing.listener().news_of(mine.user_id or 0) as ours:
            await sync_to_async((await ApiToken.objects.aget(user=bob)).revoke)()
            await asyncio.wait_for(theirs.wait(), 10)
            assert not ours.is_set()
    assert looked == []


def test_time_left_is_of_the_token(alice: Any, acme: Any) -> None:
    _, secret = ApiToken.issue(tenant=acme, user=alice, name="x", lifetime=timedelta(seconds=100))
    actor = actor_from_token(secret, "")
    assert 99 < (standing.left(actor) or 0) < 101
    assert actor.token
    actor.token.expires_at = timezone.now() - timedelta(seconds=1)
    assert standing.left(actor) == standing.EVERY, "no busy waiting for a database that is away"
    actor.token.expires_at = None
    assert standing.left(actor) is None
