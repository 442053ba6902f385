"""One HTTP request, passed on: its body up and its answer down, at the same time, as fast as the other end takes it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from interpreters.client import Exchange, Fields, Forward, Head, Interim
from interpreters.models import Session
from interpreters.proxy import headers
from interpreters.sessions import Problem, ports

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Seconds that a client which asks first (`Expect: 100-continue`) is kept from sending, if the server says nothing.
PATIENCE = 1.0


class Conversation:
    """`answer`: changes the headers of the answer. `begun` tells whether the client has heard any of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, answer: Callable[[Fields], Fields]) -> None:
        self._receive, self._send, self._answer_headers = receive, send, answer
        self._extensions = scope.get("extensions") or {}
        self._head_only = scope["method"] == "HEAD"
        self._asks_first = headers.values(scope["headers"], b"expect") == [b"100-continue"]
        names = {name for name, _ in scope["headers"]}
        self._has_body = bool(names & {b"content-length", b"transfer-encoding"})
        self._go_ahead = asyncio.Event()
        self.reached = self.begun = False

    async def hold(self, session: Session, request: Forward) -> None:
        """Until the answer is whole or the client is gone. Raises Problem."""
        async with ports.forward(session, request) as exchange:
            self.reached = True
            up = asyncio.ensure_future(self._upward(exchange))
            down = asyncio.ensure_future(self._downward(exchange))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                if down.done():
                    down.result()
                else:
                    up.result()  # it ends when the client leaves: then nobody wants the answer
            finally:
                for task in (up, down):
                    task.cancel()
                await asyncio.gather(up, down, return_exceptions=True)

    async def break_off(self) -> None:
        """Let the client see that its answer is not whole."""
        if "http.response.abort" not in self._extensions:
            raise ConnectionAbortedError("The answer of a sandbox broke off.")
        await self._send({"type": "http.response.abort"})

    # --- Up ---

    async def _upward(self, exchange: Exchange) -> None:
        if self._asks_first:
            await self._permission()
        while (message := await self._receive())["type"] == "http.request":
            if not self._has_body:
                continue
            if message["body"]:
                await exchange.send(message["body"])
            if not message.get("more_body"):
                await exchange.end(message.get("trailers", ()))

    async def _permission(self) -> None:
        """Of the server, to send the body: reading it is what tells our client to go ahead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._go_ahead.wait()
        if self.begun:
            await asyncio.Event().wait()  # answered without it

    # --- Down ---

    async def _downward(self, exchange: Exchange) -> None:
        trailers: Fields | None = None
        async for event in exchange:
            if isinstance(event, bytes):
                await self._send({"type": "http.response.body", "body": event, "more_body": True})
            elif isinstance(event, Head):
                trailers = await self._begin(event)
            elif isinstance(event, Interim):
                await self._interim(event)
            elif trailers is not None:
                trailers = event.headers
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if trailers is not None:
            await self._send({"type": "http.response.trailers", "headers": trailers, "more_trailers": False})

    async def _begin(self, head: Head) -> Fields | None:
        """Pass the head on at once, for what streams. Returns the trailers so far: none, or that there can be none."""
        follow = head.chunked and not self._head_only and "http.response.trailers" in self._extensions
        self.begun = True
        self._go_ahead.set()
        start = {"type": "http.response.start", "status": head.status, "headers": self._answer_headers(head.headers)}
        await self._send({**start, "trailers": follow})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        return () if follow else None

    async def _interim(self, interim: Interim) -> None:
        if interim.status == 100:
            self._go_ahead.set()
        links = headers.values(interim.headers, b"link")
        if interim.status == 103 and links and "http.response.early_hint" in self._extensions:
            await self._send({"type": "http.response.early_hint", "links": links})


async def refuse(problem: Problem, send: Send, *, page: bool = False) -> None:
    """Say what could not be done, as REST does, or as a page for who looks at it in a browser."""
    status, fields, body = headers.refusal(problem, page=page)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
