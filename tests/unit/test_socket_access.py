"""Who may open a session's WebSocket, from where, and who is sent away from one."""

import json
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.utils import timezone

from interpreters.models import Session
from interpreters.sessions import following
from tenants.models import ApiToken, Membership
from tests.edges import channels, state, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(alice: Any, token: Any) -> str:
    return str(token(alice))


async def test_nobody_is_let_in(mine: Session) -> None:
    async with tab(channels(mine), origin="http://testserver", host="testserver") as page:
        assert await page.closed() == 4401
    async with tab(channels(mine), "thm_wrong") as page:
        assert await page.closed() == 4401
    assert page.messages == []


async def test_a_token_may_come_as_a_subprotocol(mine: Session, secret: str) -> None:
    from channels.testing import WebsocketCommunicator

    from project.asgi import application

    path = channels(mine)
    communicator = WebsocketCommunicator(application, path, subprotocols=["thermae", f"bearer.{secret}"])
    assert await communicator.connect() == (True, "thermae")
    assert json.loads(await communicator.receive_from())["state"] == "leased"
    await communicator.disconnect()


@pytest.fixture
async def cookie(alice: Any) -> str:
    client = AsyncClient()
    await client.aforce_login(alice)
    return f"sessionid={client.cookies['sessionid'].value}"


async def test_a_cookie_counts_on_our_own_pages(mine: Session, cookie: str) -> None:
    async with tab(channels(mine), cookie=cookie, origin="http://testserver", host="testserver") as page:
        await page.until(state("leased"))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "testserver"},
        {"host": "testserver", "origin": "null"},
        {"host": "testserver", "origin": "http://evil.example"},
        {"host": "testserver", "origin": "http://testserver.evil.example"},
        {"host": "testserver", "origin": "http://testserver:81"},
        {"host": "testserver", "origin": "testserver"},
        {"host": "testserver", "origin": "file://testserver"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"host": "testserver", "origin": "http://evil@testserver:80@evil"},
        {"host": "testserver", "origin": "http://["},
    ],
)
async def test_a_cookie_does_not_count_elsewhere(mine: Session, cookie: str, headers: dict[str, str]) -> None:
    async with tab(channels(mine), cookie=cookie, **headers) as page:
        assert await page.closed() == 4403
    assert page.messages == []


async def test_a_trusted_origin_counts(mine: Session, cookie: str, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://pages.example", "https://*.example.org"]
    for origin in ("https://pages.example", "https://a.example.org"):
        async with tab(channels(mine), cookie=cookie, host="testserver", origin=origin) as page:
            await page.until(state("leased"))
    async with tab(channels(mine), cookie=cookie, host="testserver", origin="http://pages.example") as page:
        assert await page.closed() == 4403


async def test_http_pages_do_not_count_where_cookies_are_for_https(mine: Session, cookie: str, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    async with tab(channels(mine), cookie=cookie, host="testserver", origin="http://testserver") as page:
        assert await page.closed() == 4403


async def test_another_tenants_session_is_not_found(mine: Session, charlie: Any, token: Any) -> None:
    theirs = await sync_to_async(token)(charlie)
    for path in (channels(mine), f"/ws/sessions/{mine.pk}/terminals/main", channels(Session(pk=uuid4()))):
        async with tab(path, theirs) as page:
            assert await page.closed() == 4404


async def test_an_address_that_is_none(secret: str) -> None:
    async with tab("/ws/nothing", secret) as page:
        assert await page.closed() == 4404


async def test_a_revoked_token_closes_its_sockets(mine: Session, secret: str, quick_looks: None) -> None:
    async with tab(channels(mine), secret) as page:
        await page.until(state("leased"))
        await ApiToken.objects.aupdate(revoked_at=timezone.now())
        assert await page.closed() == 4401


async def test_a_logout_closes_sockets(mine: Session, cookie: str, quick_looks: None) -> None:
    async with tab(channels(mine), cookie=cookie, origin="http://testserver", host="testserver") as page:
        await page.until(state("leased"))
        await sync_to_async(SessionStore(cookie.partition("=")[2]).flush)()
        assert await page.closed() == 4401


async def test_a_member_who_leaves_loses_the_socket(mine: Session, secret: str, alice: Any, quick_looks: None) -> None:
    async with tab(channels(mine), secret) as page:
        await page.until(state("leased"))
        await Membership.objects.filter(user=alice).aupdate(role="viewer")
        assert await page.closed() == 4403


async def test_permission_is_looked_at_every_few_seconds() -> None:
    assert following.EVERY <= 5
