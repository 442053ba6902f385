"""A WebSocket to a server in the sandbox: one message at a time, so that each side waits for the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from interpreters.client.base import AgentUnavailable, Forward, HandshakeRefused
from interpreters.client.http.line import ANSWER, BASE, Line
from interpreters.client.pace import Pace

# Seconds for a server to answer a close.
FAREWELL = 0.5
TEXT, BINARY = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
CLOSE, ERROR = aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR


@asynccontextmanager
async def tunnel(line: Line, request: Forward, subprotocols: Sequence[str], limit: int) -> AsyncIterator["HttpTunnel"]:
    address = URL(f"{BASE}/proxy/{request.port}{request.target.decode('ascii')}", encoded=True)
    headers = CIMultiDict((name.decode("ascii"), _text(value)) for name, value in request.headers)
    with line.failures():
        try:
            async with asyncio.timeout(ANSWER):
                socket = await line.http.ws_connect(
                    address, protocols=subprotocols, headers=headers, max_msg_size=limit, compress=0
                )
        except aiohttp.WSServerHandshakeError as error:
            raise HandshakeRefused(error.status if error.status >= 400 else 502) from error
        except ValueError as error:
            raise HandshakeRefused(400) from error
        except aiohttp.ClientConnectorError:
            await line.close()  # the socket may have been made anew: look again next time
            raise
    opened = HttpTunnel(line, socket)
    try:
        with line.streaming():
            yield opened
    finally:
        await opened.close(1001, "")


class HttpTunnel:
    def __init__(self, line: Line, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._line, self._socket = line, socket
        self.subprotocol = socket.protocol
        self.closed = (1006, "")

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        pace = Pace()
        while True:
            with self._line.failures():
                message = await self._socket.receive()
            if message.type is TEXT or message.type is BINARY:
                yield message.data
                await pace.step(len(message.data))
                continue
            if message.type is CLOSE:
                self.closed = (message.data or 1005, message.extra or "")
            elif message.type is ERROR:
                self.closed = (self._socket.close_code or 1002, "The server in the sandbox sent what is no message.")
            return

    async def send(self, data: str | bytes) -> None:
        """Returns when more can be sent."""
        if self._socket.closed:
            raise AgentUnavailable("The sandbox hung up.")
        with self._line.failures():
            await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, unless that was done."""
        with suppress(TimeoutError, OSError, aiohttp.ClientError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.close(code=code, message=reason.encode())


def _text(value: bytes) -> str:
    """aiohttp writes UTF-8: so the bytes stay as they are, if they are that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
