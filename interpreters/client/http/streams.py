"""The two WebSockets of an agent: the channel of its log, and terminals.

Both are pulled: as long as nobody asks for the next message, aiohttp stops reading the socket, so a slow reader
holds back the agent and costs us one frame and a 64 KiB buffer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from interpreters.client import wire
from interpreters.client.base import AgentMisbehaved, AgentUnavailable, Entry, Refusal
from interpreters.client.http.line import ANSWER, BASE, REFUSALS, Line, refusal
from interpreters.client.pace import Pace

# Where an agent says why it opens no WebSocket: the body of such an answer is not to be had here.
REFUSAL_HEADER = "X-Thermae-Refused"
# Seconds for an agent to answer a close.
FAREWELL = 0.5
TEXT, BINARY = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY


@asynccontextmanager
async def _socket(line: Line, path: str, limit: int) -> AsyncIterator["_Socket"]:
    with line.failures():
        try:
            async with asyncio.timeout(ANSWER):
                socket = await line.http.ws_connect(BASE + path, max_msg_size=limit, compress=0)
        except aiohttp.WSServerHandshakeError as error:
            if error.status not in REFUSALS:
                raise
            told = error.headers.get(REFUSAL_HEADER, "") if error.headers else ""
            raise refusal(error.status, told.encode("latin-1", "replace")) from error
    try:
        with line.streaming():
            yield _Socket(line, socket)
    finally:
        # A peer in full flow does not come to answering a close: it is told, and left.
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await socket.close()


class _Socket:
    def __init__(self, line: Line, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._line, self._socket = line, socket

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Frames in order, until the agent closes. Many that come at once still let other readers have their turn."""
        pace = Pace()
        while True:
            with self._line.failures():
                message = await self._socket.receive()
            if message.type is TEXT or message.type is BINARY:
                yield message.data
                await pace.step(len(message.data))
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise AgentMisbehaved(f"The sandbox broke the line: {message.data}.")
            else:
                return

    async def send(self, data: str | bytes) -> None:
        """Hand `data` over. An agent that does not read for ten seconds is none."""
        with self._line.failures():
            if self._socket.closed:
                raise AgentUnavailable("The sandbox hung up.")
            sending = self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data)
            async with asyncio.timeout(ANSWER):
                await sending


class HttpChannel:
    def __init__(self, socket: _Socket, after: int | None) -> None:
        self._socket, self._sequence = socket, wire.Sequence(after)

    async def __aiter__(self) -> AsyncIterator[Entry | Refusal]:
        async for text in self._socket.frames():
            if isinstance(text, bytes):
                raise AgentMisbehaved("The sandbox sent bytes where messages belong.")
            message = wire.frame(text)
            if isinstance(message, Entry):
                self._sequence.check(message)
            yield message

    async def send(self, op: Mapping[str, Any]) -> None:
        await self._socket.send(msgspec.json.encode(op).decode())


class HttpTerminal:
    def __init__(self, socket: _Socket) -> None:
        self._socket = socket

    async def __aiter__(self) -> AsyncIterator[bytes | str]:
        async for data in self._socket.frames():
            yield data if isinstance(data, bytes) else wire.notice(data)

    async def send(self, data: bytes) -> None:
        await self._socket.send(data)

    async def resize(self, rows: int, cols: int) -> None:
        await self._socket.send(msgspec.json.encode({"resize": [rows, cols]}).decode())


@asynccontextmanager
async def channel(line: Line, after: int | None) -> AsyncIterator[HttpChannel]:
    # An agent of before there was `from` repeats its whole log, which readers of one execution pass over.
    behind = "from=end" if after is None else f"after={after}"
    async with _socket(line, f"/channels?{behind}", wire.MAX_ENTRY) as socket:
        yield HttpChannel(socket, after)


@asynccontextmanager
async def terminal(line: Line, name: str, rows: int, cols: int) -> AsyncIterator[HttpTerminal]:
    path = f"/terminals/{quote(name, safe='')}?rows={rows}&cols={cols}"
    async with _socket(line, path, wire.MAX_TERMINAL_FRAME) as socket:
        yield HttpTerminal(socket)
