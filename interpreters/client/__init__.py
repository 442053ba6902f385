"""The agents of this installation's sandboxes: `get_agent(session)` and its verbs (see `base.Agent`)."""

import asyncio
import atexit
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings

from interpreters.client.base import (
    Agent,
    AgentError,
    AgentMisbehaved,
    AgentRefused,
    AgentUnavailable,
    Entry,
    Exchange,
    ExecuteRequest,
    Fields,
    Forward,
    HandshakeRefused,
    Head,
    Health,
    Interim,
    Outputs,
    Record,
    Refusal,
    Survey,
    Trailers,
    Tunnel,
)
from interpreters.client.http import HttpAgent
from interpreters.client.memory import MemoryAgent

__all__ = [
    "Agent",
    "AgentError",
    "AgentMisbehaved",
    "AgentRefused",
    "AgentUnavailable",
    "Entry",
    "Exchange",
    "ExecuteRequest",
    "Fields",
    "Forward",
    "HandshakeRefused",
    "Head",
    "Health",
    "Interim",
    "Outputs",
    "Record",
    "Refusal",
    "Survey",
    "Trailers",
    "Tunnel",
    "ask",
    "forget_agent",
    "get_agent",
    "memory_agents",
    "shells_of",
]

T = TypeVar("T")
# Seconds without a call after which a kept line is closed, when room is made for a new one.
IDLE = 300.0

# Connections belong to the event loop that made them.
_lines: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, _Kept]]" = WeakKeyDictionary()
# With RUNTIME=memory there is one agent per session and process, whatever loop asks.
memory_agents: dict[UUID, MemoryAgent] = {}


class _Kept:
    __slots__ = ("agent", "used")

    def __init__(self, agent: HttpAgent) -> None:
        self.agent, self.used = agent, time.monotonic()


def get_agent(session: UUID) -> Agent:
    """The agent of a session's sandbox, for the running event loop. Nothing is asked of it yet."""
    if settings.RUNTIME == "memory":
        return memory_agents.setdefault(session, MemoryAgent())
    kept = _lines.setdefault(asyncio.get_running_loop(), {})
    if session not in kept:
        _close_idle(kept)
        kept[session] = _Kept(HttpAgent(Path(settings.SOCKET_DIR) / str(session)))
    kept[session].used = time.monotonic()
    return kept[session].agent


async def forget_agent(session: UUID) -> None:
    """Hang up on a sandbox that has ended."""
    memory_agents.pop(session, None)
    kept = _lines.get(asyncio.get_running_loop(), {}).pop(session, None)
    if kept is not None:
        await kept.agent.close()


@asynccontextmanager
async def shells_of(session: UUID) -> AsyncIterator[Agent]:
    """Who serves the terminals of a custom container, as if it were an agent: nothing else is to be had there."""
    if settings.RUNTIME == "memory":
        yield get_agent(session)
        return
    agent = HttpAgent(Path(settings.SHELL_DIR) / str(session))
    try:
        yield agent
    finally:
        await agent.close()


def ask(session: UUID, question: Callable[[Agent], Awaitable[T]]) -> T:
    """For synchronous code, such as a worker's: put `question` to the session's agent and hang up."""

    async def asking() -> T:
        async with _short_lived(session) as agent:
            return await question(agent)

    return asyncio.run(asking())


@asynccontextmanager
async def _short_lived(session: UUID) -> AsyncIterator[Agent]:
    """An agent for a loop that ends soon."""
    if settings.RUNTIME == "memory":
        yield get_agent(session)
        return
    agent = HttpAgent(Path(settings.SOCKET_DIR) / str(session))
    try:
        yield agent
    finally:
        await agent.close()


def _close_idle(kept: dict[UUID, _Kept]) -> None:
    limit = time.monotonic() - IDLE
    for session, line in list(kept.items()):
        if line.used < limit and not line.agent.streaming:
            del kept[session]
            task = asyncio.ensure_future(line.agent.close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)


@atexit.register
def _abandon() -> None:
    for kept in list(_lines.values()):
        for line in kept.values():
            line.agent.abandon()


# asyncio keeps only weak references to tasks.
_closing: set[asyncio.Task[None]] = set()
