"""Sessions of custom containers at the edges: no kernel, a terminal only where the pool's owner turned it on."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from interpreters.models import InterpreterImage, Session, SessionPool
from tests.edges import Caller, Tab, eventually, state, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool(acme: Any) -> SessionPool:
    image = InterpreterImage.objects.create(
        name="shop", kind="custom", state=InterpreterImage.State.READY, reference="shop:1", tenant=acme
    )
    return SessionPool.objects.create(name="shop", image=image, tenant=acme, target_port=8080, max_concurrent=5)


@pytest.fixture
def mine(alice: Any, leased: Callable[..., Session]) -> Session:
    return leased(alice)


@pytest.fixture
def secret(alice: Any, token: Callable[..., str]) -> str:
    return token(alice)


def shell(session: Session) -> str:
    return f"/ws/sessions/{session.pk}/terminals/main?rows=24&cols=80"


async def told(page: Tab, kind: str) -> dict[str, Any]:
    return await page.until(lambda message: message.get("type") == kind)


async def test_there_is_no_kernel_to_run_code_and_no_files(mine: Session, secret: str) -> None:
    call = Caller(secret)
    for method, path, body in (
        ("POST", "executions", {"code": "1"}),
        ("POST", "interrupt", None),
        ("POST", "complete", {"code": "a", "cursor_pos": 1}),
        ("POST", "ask", {"about": "variables"}),
        ("GET", "files", None),
    ):
        answer = await call(method, f"/sessions/{mine.pk}/{path}", body)
        assert (answer.status_code, answer.json()["error"]) == (409, "no_kernel"), path


async def test_a_page_is_told_of_its_state_and_that_it_runs_no_code(mine: Session, secret: str) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/channels", secret) as page:
        await page.until(state("leased"))
        await page.send({"type": "watch_usage", "on": True})
        await page.send({"type": "execute", "id": str(mine.pk), "code": "1"})
        assert (await told(page, "error"))["code"] == "no_kernel"
        await page.send({"type": "ping"})
        await told(page, "pong")
        await page.send({"type": "close"})
        await page.until(state("stopping"))


async def test_a_terminal_is_refused_unless_it_was_turned_on(mine: Session, secret: str) -> None:
    async with tab(shell(mine), secret) as page:
        assert await page.closed() == 4403
        assert "owner can turn that on" in page.close[1]  # type: ignore[index]


async def test_a_terminal_that_was_turned_on_is_typed_into_and_typing_is_use(
    mine: Session, secret: str, pool: SessionPool
) -> None:
    await SessionPool.objects.filter(pk=pool.pk).aupdate(shell=True)
    used = mine.last_used_at
    async with tab(shell(mine), secret) as page:
        await page.send_bytes(b"ls\n")
        await page.until(lambda message: b"ls" in message.get("bytes", b""))

    async def noted() -> bool:
        return bool((await Session.objects.aget(pk=mine.pk)).last_used_at > used)  # type: ignore[operator]

    await eventually(noted)


def test_its_page_is_for_those_who_may_use_its_pool(
    client: Client, alice: Any, charlie: Any, pool: SessionPool, python_image: Any
) -> None:
    SessionPool.objects.create(name="python", image=python_image)
    client.force_login(alice)
    page = client.get("/containers/shop/")
    assert page.status_code == 200
    assert b'"shell": false' in page.content
    assert b'href="/containers/shop/"' in client.get("/notebooks/").content
    assert client.get("/containers/python/").status_code == 404  # of code: that is a notebook's
    assert client.post("/notebooks/new", {"pool": "shop"}).url == "/notebooks/"
    client.force_login(charlie)
    assert client.get("/containers/shop/").status_code == 404
    assert b"shop" not in client.get("/notebooks/").content
