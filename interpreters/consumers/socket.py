"""What all WebSockets have in common: a handshake, a guard, and an end with a code and a reason.

A socket is one plain ASGI application. What it reads is handled in order by `heard()`, which must not wait for output;
what takes its time runs as a task of the socket's. Sending waits until the client has taken what was sent before: that
is the server's doing, and the whole of our backpressure.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec
from django.conf import settings
from django.db import DatabaseError

from interpreters.consumers.identity import check_origin
from interpreters.sessions import Problem, problems, standing
from interpreters.sessions.standing import identify
from tenants.audit import acts
from tenants.authentication import Actor
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

F = TypeVar("F")
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


class Socket(ABC, Generic[F]):
    """`F` is what a look finds: all that must still hold while the socket is open."""

    actor: Actor

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._chores: set[asyncio.Task[None]] = set()
        self._mistakes = 0
        self.news = asyncio.Event()
        self._group: asyncio.TaskGroup
        self._alarm: asyncio.TimerHandle | None = None

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
    def find(self, actor: Actor) -> F:
        """What the address names, if it may be seen. Synchronous, as it asks the database. Raises Problem."""

    @abstractmethod
    async def found(self, what: F) -> None:
        """It was looked at: at first, and whenever it may have changed. Raises Closed to end."""

    @abstractmethod
    def looks(self) -> AsyncGenerator[None, None]:
        """Yields whenever it is to be looked at, every few seconds at least."""

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
        """Look at it soon, because we have just changed it."""
        self.news.set()

    # --- its life ---

    async def _live(self) -> None:
        await self._receive()  # websocket.connect
        try:
            check_origin(self.scope)
            self.prepare()
            self.actor, what = await in_thread(self._enter)()
        except Problem as problem:
            await self._accept()
            await self._close(problem.close, problem.message)
            return
        except DatabaseError:
            logger.exception("WebSocket %s", self.scope.get("path"))
            await self._accept()
            await self._close(1013, "The database does not answer: connect again.")
            return
        await self._accept()
        try:
            async with asyncio.TaskGroup() as self._group:
                await self.found(what)
                for work in (self._guard(), self._stand(), self.speak(), self._listen()):
                    self._group.create_task(work)
        except* Closed as ends:
            end = next(error for error in ends.exceptions if isinstance(error, Closed))
            if end.code:
                await self._close(end.code, end.reason)
        except* Exception:
            logger.exception("WebSocket %s", self.scope.get("path"))
            await self._close(1011, "Something went wrong here: it was logged. Connect again.")
        finally:
            if self._alarm is not None:
                self._alarm.cancel()

    def _enter(self) -> tuple[Actor, F]:
        # Where one has several tenants, it stays with the one that it was opened for.
        actor = identify(self.scope, self.actor.tenant.slug if hasattr(self, "actor") else "")
        acts(actor.who)
        return actor, self.find(actor)

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

    async def _stand(self) -> None:
        """Have the client's permission looked at as soon as it may have changed."""
        with standing.listener().news_of(self.actor.user.pk) as news:
            while True:
                await news.wait()
                news.clear()
                self.look()

    def _wind_alarm(self) -> None:
        """Have it looked at when its token ends, as it stands now."""
        if self._alarm is not None:
            self._alarm.cancel()
        seconds = standing.left(self.actor)
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(seconds, self.look) if seconds is not None else None

    async def _guard(self) -> None:
        """Watch what is followed and the client's permission, and end when either ends."""
        async with aclosing(self.looks()) as looks:
            async for _ in looks:
                try:
                    self.actor, what = await in_thread(self._enter)()
                except Problem as problem:
                    raise Closed(problem.close, problem.message) from problem
                except DatabaseError as error:
                    logger.warning("%s is followed without the database: %s", self.scope.get("path"), error)
                    continue
                finally:
                    self._wind_alarm()
                await self.found(what)
