"""What all our WebSockets have in common: a handshake, a guard, and an end with a code and a reason.

A socket is one plain ASGI application. What it reads is handled in order by `heard()`, which must not wait for output;
what takes its time runs as a task of the socket's. Sending waits until the client has taken what was sent before: that
is the server's doing, and the whole of our backpressure.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError

from interpreters import sessions
from interpreters.client import forget_agent
from interpreters.consumers.identity import check_origin, identify
from interpreters.lifecycle import State
from interpreters.models import Session
from interpreters.models.threads import in_thread
from interpreters.sessions import Problem, access, problems
from tenants.audit import acts
from tenants.authentication import Actor

logger = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SUBPROTOCOL = "thermae"
# Things that one client may have us do at the same time, and mistakes that it may make.
MOST_CHORES, MOST_MISTAKES = 32, 20
# The reason of a close frame may have 123 bytes.
LONGEST_REASON = 120


class Closed(Exception):
    """The client is gone, or is to be sent away with `code`."""

    def __init__(self, code: int = 0, reason: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Socket(ABC):
    actor: Actor
    session: Session

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.id: UUID = scope["url_route"]["kwargs"]["session"]
        self._chores: set[asyncio.Task[None]] = set()
        self._mistakes = 0
        self._news = asyncio.Event()
        self._group: asyncio.TaskGroup

    @classmethod
    async def app(cls, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await cls(scope, receive, send)._live()

    # --- for each kind of socket ---

    @abstractmethod
    def prepare(self) -> None:
        """Check the address. Raises Problem."""

    @abstractmethod
    async def heard(self, data: str | bytes) -> None:
        """Handle one frame. Raises Problem, which is told to the client."""

    @abstractmethod
    async def speak(self) -> None:
        """Send what there is to send, until there is no more."""

    @abstractmethod
    async def tell(self, problem: Problem, about: str | None = None) -> None:
        """Say what could not be done."""

    @abstractmethod
    async def changed(self, state: dict[str, Any]) -> None:
        """The session's row was looked at."""

    # --- sending ---

    async def send(self, data: str | bytes) -> None:
        """Send one frame; returns when the client can take another."""
        await self._send({"type": "websocket.send", ("text" if isinstance(data, str) else "bytes"): data})

    async def send_message(self, message: Mapping[str, Any]) -> None:
        await self.send(msgspec.json.encode(message).decode())

    def spawn(self, work: Coroutine[Any, Any, None], about: str | None = None) -> None:
        """Do `work` beside everything else, and tell if it fails. Raises Problem when there is too much already."""
        if len(self._chores) >= MOST_CHORES:
            work.close()
            raise problems.Unavailable("Too many requests at the same time: wait for answers.", "busy", retry_after=1)
        task = self._group.create_task(self._chore(work, about))
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _chore(self, work: Coroutine[Any, Any, None], about: str | None) -> None:
        try:
            await work
        except Problem as problem:
            await self.tell(problem, about)

    def look(self) -> None:
        """Look at the session's row soon, because we have just changed it."""
        self._news.set()

    # --- its life ---

    async def _live(self) -> None:
        await self._receive()  # websocket.connect
        try:
            check_origin(self.scope)
            self.prepare()
            self.actor, self.session, state = await in_thread(self._enter)()
        except Problem as problem:
            await self._accept()
            await self._close(problem.close, problem.message)
            return
        except DatabaseError:
            logger.exception("WebSocket of session %s", self.id)
            await self._accept()
            await self._close(1013, "The database does not answer: connect again.")
            return
        await self._accept()
        try:
            async with asyncio.TaskGroup() as self._group:
                await self.changed(state)
                for work in (self._guard(), self.speak(), self._listen()):
                    self._group.create_task(work)
        except* Closed as ends:
            end = next(error for error in ends.exceptions if isinstance(error, Closed))
            if end.code:
                await self._close(end.code, end.reason)
        except* Exception:
            logger.exception("WebSocket of session %s", self.id)
            await self._close(1011, "Something went wrong here: it was logged. Connect again.")

    def _enter(self) -> tuple[Actor, Session, dict[str, Any]]:
        actor = identify(self.scope)
        acts(actor.who)
        session = access.find(actor, self.id)
        return actor, session, sessions.describe(session)

    async def _accept(self) -> None:
        chosen = SUBPROTOCOL if SUBPROTOCOL in self.scope.get("subprotocols", ()) else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen})

    async def _close(self, code: int, reason: str) -> None:
        short = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": short})

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise Closed
            data = message.get("text")
            if data is None:
                data = message.get("bytes") or b""
            if len(data) > settings.MAX_FRAME_BYTES:
                raise Closed(4413, f"Send at most {settings.MAX_FRAME_BYTES} bytes in one frame.")
            try:
                await self.heard(data)
            except problems.BadRequest as problem:
                self._mistakes += 1
                if self._mistakes > MOST_MISTAKES:
                    raise Closed(4400, problem.message) from problem
                await self.tell(problem)
            except Problem as problem:
                await self.tell(problem)

    async def _guard(self) -> None:
        """Watch the session's row and the client's permission, and end when either ends."""
        async with aclosing(sessions.changes(self.id, news=self._news)) as looks:
            async for _ in looks:
                try:
                    self.actor, found, state = await in_thread(self._enter)()
                except Problem as problem:
                    raise Closed(problem.close, problem.message) from problem
                except DatabaseError as error:
                    logger.warning("session %s is followed without its row: %s", self.id, error)
                    continue
                self.session.state, self.session.reason = found.state, found.reason
                await self.changed(state)
                if found.state == State.GONE:
                    await forget_agent(self.id)
                    raise Closed(4409, found.message)
