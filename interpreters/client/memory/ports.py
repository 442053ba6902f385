"""Servers at ports of a sandbox in memory: each is a function that is given its side of the conversation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from interpreters.client.base import (
    AgentRefused,
    AgentUnavailable,
    Fields,
    Forward,
    HandshakeRefused,
    Head,
    Interim,
    Trailers,
)

Event = Interim | Head | bytes | Trailers
# Pieces that wait in each direction; then the sender waits.
WINDOW = 4


class MemoryExchange:
    """Both sides of one HTTP request: web's as `Exchange`, and the server's, `read` and `say`."""

    def __init__(self, request: Forward) -> None:
        self.request = request
        self._body: asyncio.Queue[bytes | None] = asyncio.Queue(WINDOW)
        self._answer: asyncio.Queue[Event | None] = asyncio.Queue(WINDOW)
        self.trailers: Fields = ()

    # --- web's ---
    async def send(self, data: bytes) -> None:
        await self._body.put(data)

    async def end(self, trailers: Fields = ()) -> None:
        self.trailers = trailers
        await self._body.put(None)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._answer.get()) is not None:
            yield event

    # --- the server's ---
    async def read(self) -> bytes | None:
        """The next piece of the body; None at its end."""
        return await self._body.get()

    async def say(self, *events: Event) -> None:
        for event in events:
            await self._answer.put(event)

    async def answered(self) -> None:
        await self._answer.put(None)


class MemoryTunnel:
    """Both sides of one WebSocket: web's as `Tunnel`, and the server's, `read`, `say` and `hang_up`."""

    def __init__(self, request: Forward, subprotocols: Sequence[str]) -> None:
        self.request, self.offered = request, list(subprotocols)
        self.subprotocol: str | None = None
        self.closed = (1006, "")
        self.left: tuple[int, str] | None = None  # how web closed it
        self._in: asyncio.Queue[str | bytes | None] = asyncio.Queue(WINDOW)
        self._out: asyncio.Queue[str | bytes | None] = asyncio.Queue(WINDOW)

    # --- web's ---
    async def send(self, data: str | bytes) -> None:
        await self._in.put(data)

    async def close(self, code: int, reason: str) -> None:
        if self.left is None:
            self.left = (code, reason)
            with suppress(asyncio.QueueFull):
                self._in.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._out.get()) is not None:
            yield message

    # --- the server's ---
    async def read(self) -> str | bytes | None:
        """The next message; None when web has hung up."""
        return await self._in.get()

    async def say(self, message: str | bytes) -> None:
        await self._out.put(message)

    async def hang_up(self, code: int = 1000, reason: str = "") -> None:
        self.closed = (code, reason)
        await self._out.put(None)


class MemoryPorts:
    """`servers` maps ports to what answers HTTP there, `sockets` to what speaks WebSocket. A socket's function may set
    `subprotocol` before its first await, or raise HandshakeRefused."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[int, Callable[[MemoryExchange], Awaitable[None]]] = {}
        self.sockets: dict[int, Callable[[MemoryTunnel], Awaitable[None]]] = {}
        self.forwarded: list[Forward] = []

    async def answering(self) -> None:
        raise NotImplementedError

    async def ports(self) -> list[int]:
        await self.answering()
        return sorted({*self.servers, *self.sockets})

    @asynccontextmanager
    async def forward(self, request: Forward) -> AsyncIterator[MemoryExchange]:
        await self.answering()
        exchange = MemoryExchange(request)
        self.forwarded.append(request)
        if request.port not in self.servers:
            message = f"Nothing listens at port {request.port} in the sandbox: start your server there, on 127.0.0.1."
            raise AgentRefused(502, "nothing_there", message)
        serving = asyncio.ensure_future(self._serve(exchange))
        try:
            yield exchange
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _serve(self, exchange: MemoryExchange) -> None:
        await self.servers[exchange.request.port](exchange)
        await exchange.answered()

    @asynccontextmanager
    async def tunnel(self, request: Forward, subprotocols: Sequence[str], limit: int) -> AsyncIterator[MemoryTunnel]:
        await self.answering()
        self.forwarded.append(request)
        if request.port not in self.sockets:
            raise HandshakeRefused(502)
        tunnel = MemoryTunnel(request, subprotocols)
        serving = asyncio.ensure_future(self.sockets[request.port](tunnel))
        await asyncio.sleep(0)
        if serving.done() and isinstance(refusal := serving.exception(), HandshakeRefused | AgentUnavailable):
            raise refusal
        try:
            yield tunnel
        finally:
            await tunnel.close(1001, "")
            await asyncio.wait([serving], timeout=1)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
