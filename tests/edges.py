"""What tests of the edges share: a session that runs on an agent in memory, and callers by token, cookie and socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from interpreters.client import memory_agents
from interpreters.client.memory import MemoryAgent, Run
from interpreters.lifecycle import State
from interpreters.models import Session
from project.asgi import application

DEADLINE = 10.0


async def hello(run: Run) -> None:
    run.write("hello\n")


async def total(run: Run) -> None:
    run.result("2")


async def fail(run: Run) -> None:
    run.fail("ValueError", "no")


async def ask(run: Run) -> None:
    run.write(f"you said {await run.input('name? ')}\n")


SCRIPTS = {"hello": hello, "1+1": total, "fail": fail, "ask": ask, "forever": Run.sleep}


@pytest.fixture
def agents() -> Iterator[dict[Any, MemoryAgent]]:
    memory_agents.clear()
    yield memory_agents
    memory_agents.clear()


@pytest.fixture
def ready(pool: Any, agents: dict[Any, MemoryAgent]) -> Callable[[], Session]:
    """Make a ready instance of the pool."""

    def make() -> Session:
        session = Session.objects.create(
            pool=pool, pool_revision=pool.revision, state=State.READY, handle="test", launch_seconds=0.7
        )
        agent = agents[session.pk] = MemoryAgent()
        agent.scripts.update(SCRIPTS)
        return session

    return make


@pytest.fixture
def leased(pool: Any, ready: Callable[[], Session]) -> Callable[..., Session]:
    """Make a session that a user holds: `leased(alice)`."""

    def make(user: Any, identifier: str = "mine") -> Session:
        ready()
        session: Session = pool.lease(user.memberships.get().tenant, user, identifier).session
        return session

    return make


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class Caller:
    """REST with one token."""

    def __init__(self, secret: str) -> None:
        self._client = AsyncClient()
        self._headers = bearer(secret)

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        options["headers"] = {**self._headers, **options.get("headers", {})}
        if body is not None:
            options.update(data=msgspec.json.encode(body), content_type="application/json")
        return await getattr(self._client, method.lower())(f"/api/v1{path}", **options)

    async def want(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = await self(method, path, body, **options)
        assert response.status_code < 300, response.content
        return response.json() if response.content else None


class Tab:
    """A WebSocket, with what came so far."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self._communicator = communicator
        self.messages: list[dict[str, Any]] = []
        self.close: tuple[int, str] | None = None

    async def send(self, message: Any) -> None:
        await self.send_text(msgspec.json.encode(message).decode())

    async def send_text(self, text: str) -> None:
        await self._communicator.send_to(text_data=text)

    async def send_bytes(self, data: bytes) -> None:
        await self._communicator.send_to(bytes_data=data)

    async def receive(self) -> dict[str, Any] | None:
        """The next message as JSON, `{"bytes": …}` for a binary one, None once it is closed."""
        event = await self._communicator.receive_output(DEADLINE)
        if event["type"] == "websocket.close":
            self.close = (event["code"], event.get("reason", ""))
            return None
        message = {"bytes": event["bytes"]} if event.get("bytes") else msgspec.json.decode(event["text"])
        self.messages.append(message)
        return message

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The next message that is wanted."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.receive()
                assert message is not None, f"closed with {self.close} after {self.messages[-3:]}"
                if wanted(message):
                    return message

    async def closed(self) -> int:
        """The code that it ends with."""
        async with asyncio.timeout(DEADLINE):
            while self.close is None:
                await self.receive()
        return self.close[0]


@asynccontextmanager
async def tab(path: str, secret: str = "", **headers: str) -> AsyncIterator[Tab]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if secret:
        raw.append((b"authorization", f"Bearer {secret}".encode()))
    communicator = WebsocketCommunicator(application, path, raw)
    # The path's query is what Daphne would hand over.
    accepted, _ = await communicator.connect(DEADLINE)
    assert accepted
    try:
        yield Tab(communicator)
    finally:
        await communicator.disconnect(timeout=DEADLINE)


def state(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m.get("type") == "state" and m["state"] == name


def ended(execution: str) -> Callable[[dict[str, Any]], bool]:
    def wanted(message: dict[str, Any]) -> bool:
        ours = message.get("parent_header", {}).get("msg_id") == execution
        told = ours and message["header"]["msg_type"] == "execution_state"
        return told and message["content"]["state"] not in ("queued", "running")

    return wanted


async def eventually(question: Callable[[], Any]) -> Any:
    """The first true answer of an asynchronous question."""
    end = time.monotonic() + DEADLINE
    while not (answer := await question()):
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.01)
    return answer


# --- A session's channel ---


def channels(session: Session, after: int = 0) -> str:
    return f"/ws/sessions/{session.pk}/channels?after={after}"


def execute(code: str, **fields: Any) -> dict[str, Any]:
    return {"type": "execute", "id": str(uuid4()), "code": code, **fields}


def error(code: str = "") -> Any:
    return lambda m: m.get("type") == "error" and (not code or m["code"] == code)
