"""A terminal's WebSocket, by a tab's behaviour."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from interpreters.client import AgentUnavailable
from interpreters.lifecycle import Reason, State
from interpreters.models import Session
from tests.edges import tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(alice: Any, token: Any) -> str:
    return str(token(alice))


def terminal(session: Session, name: str = "main", query: str = "rows=24&cols=80") -> str:
    return f"/ws/sessions/{session.pk}/terminals/{name}?{query}"


async def test_a_terminal_carries_bytes_both_ways(mine: Session, secret: str) -> None:
    async with tab(terminal(mine), secret) as page:
        assert await page.until(lambda m: "replay" in m)
        assert (await page.until(lambda m: "bytes" in m))["bytes"] == b"$ "
        await page.send_bytes(b"ls\n")
        assert (await page.until(lambda m: "bytes" in m))["bytes"] == b"ls\n"
        await page.send({"resize": [30, 100]})
        await page.send_bytes(b"exit\n")
        assert await page.until(lambda m: m.get("exit") == 0)
        assert await page.closed() == 1000


@pytest.mark.parametrize("frame", ["x", "{}", '{"resize": [0, 80]}', '{"resize": [1]}', '{"resize": [24, 99999]}'])
async def test_a_terminal_refuses_what_is_no_resize(mine: Session, secret: str, frame: str) -> None:
    async with tab(terminal(mine), secret) as page:
        await page.send_text(frame)
        assert (await page.until(lambda m: "error" in m))["error"] == "bad_message"


@pytest.mark.parametrize(
    ("name", "query"), [("a%20b", ""), ("x" * 64, ""), ("main", "rows=0"), ("main", "cols=99999"), ("main", "rows=-1")]
)
async def test_a_terminal_with_a_bad_name_or_size_closes(mine: Session, secret: str, name: str, query: str) -> None:
    async with tab(terminal(mine, name, query), secret) as page:
        assert await page.closed() == 4400


async def test_a_terminal_ends_with_its_session(mine: Session, secret: str) -> None:
    async with tab(terminal(mine), secret) as page:
        await page.until(lambda m: "bytes" in m)
        await sync_to_async(mine.end)(Reason.CLOSED)
        await sync_to_async(mine.move)(State.STOPPING, State.GONE)
        assert await page.closed() == 4409


async def test_a_terminal_of_a_silent_agent_closes(mine: Session, secret: str, agents: Any) -> None:
    agents[mine.pk].fault = AgentUnavailable("silent")
    async with tab(terminal(mine), secret) as page:
        assert await page.closed() == 4409
