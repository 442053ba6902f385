"""One HTTP request to a server in the sandbox, through the agent, byte for byte where it matters.

aiohttp would rewrite headers and lose trailers, so this speaks HTTP/1.1 by h11, which keeps no connection and knows no
sockets. What the server answers is as hostile as all that comes out of a sandbox: h11 checks and bounds each head.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11

from interpreters.client import wire
from interpreters.client.base import (
    AgentError,
    AgentMisbehaved,
    AgentRefused,
    AgentUnavailable,
    Fields,
    Forward,
    Head,
    Interim,
    Trailers,
)
from interpreters.client.http.line import ANSWER, translated
from interpreters.client.socket import open_socket

MAX_HEAD = 64 * 1024
CHUNK = 256 * 1024
MOST_INTERIM = 20
REFUSED = b"x-thermae-refused"
# Of an answer these concern the one line from the agent to us, or are the agent's own.
DROPPED = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"transfer-encoding", b"te"})
# What a trailer must not say: how the message is framed and read, and who may see it.
NO_TRAILER = DROPPED | {b"content-length", b"content-encoding", b"content-type", b"content-range", b"host", b"trailer"}
NO_TRAILER |= {b"set-cookie", b"authorization", b"cache-control", b"location", b"content-security-policy"}


@asynccontextmanager
async def forward(folder: Path, request: Forward) -> AsyncIterator["HttpExchange"]:
    reader, writer = await _connect(folder)
    try:
        exchange = HttpExchange(reader, writer)
        exchange.begin(request)
        yield exchange
    finally:
        writer.transport.abort()


async def _connect(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    fd = open_socket(folder)
    try:
        async with asyncio.timeout(ANSWER):
            return await asyncio.open_unix_connection(f"/proc/self/fd/{fd}", limit=CHUNK)
    except (OSError, TimeoutError) as error:
        raise translated(error) from error
    finally:
        os.close(fd)


class HttpExchange:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._deaf = False
        self._silent = True  # nothing was heard yet

    def begin(self, request: Forward) -> None:
        options = b"close, te" if any(name == b"te" for name, _ in request.headers) else b"close"
        headers = [(b"host", b"agent"), *request.headers, (b"connection", options)]
        target = b"/proxy/%d%b" % (request.port, request.target)
        try:
            self._write(h11.Request(method=request.method, target=target, headers=headers))
        except h11.LocalProtocolError as error:
            raise AgentRefused(400, "bad_request", f"This request cannot be passed on: {error}.") from error

    async def send(self, data: bytes) -> None:
        """Returns when more can be sent. What a server does not want to read any more is dropped."""
        await self._pass_on(h11.Data(data=data))

    async def end(self, trailers: Fields = ()) -> None:
        await self._pass_on(h11.EndOfMessage(headers=list(trailers)))

    async def _pass_on(self, event: h11.Data | h11.EndOfMessage) -> None:
        if self._deaf:
            return
        try:
            self._write(event)
            await self._writer.drain()
        except (OSError, h11.LocalProtocolError):
            self._deaf = True

    def _write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def __aiter__(self) -> AsyncIterator[Interim | Head | bytes | Trailers]:
        interim = 0
        try:
            while True:
                event = await self._next()
                if isinstance(event, h11.Data):
                    yield bytes(event.data)
                elif isinstance(event, h11.Response):
                    yield await self._head(event)
                elif isinstance(event, h11.EndOfMessage):
                    if event.headers:
                        yield Trailers([field for field in event.headers if field[0] not in NO_TRAILER])
                    return
                elif isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                    interim += 1
                    if interim <= MOST_INTERIM:
                        yield Interim(event.status_code, list(event.headers))
                else:
                    raise AgentMisbehaved("The sandbox changed protocols unasked.")
        except h11.RemoteProtocolError as error:
            raise self._broken() from error
        except OSError as error:
            raise AgentUnavailable("The sandbox hung up.") from error

    async def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(CHUNK)
            self._silent = self._silent and not data
            self._http.receive_data(data)
        if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
            return event
        raise AgentUnavailable("The sandbox hung up.")

    async def _head(self, response: h11.Response) -> Head:
        headers = list(response.headers)
        if any(name == REFUSED for name, _ in headers):
            raise await self._refusal(response.status_code)
        chunked = any(name == b"transfer-encoding" for name, _ in headers)
        dropped = DROPPED | {b"content-length"} if chunked or response.status_code == 204 else DROPPED
        kept = [(name, value) for name, value in headers if name not in dropped and not name.startswith(b"x-thermae-")]
        return Head(response.status_code, kept, chunked)

    async def _refusal(self, status: int) -> AgentError:
        """The agent's own words: nobody listens at this port, or not in HTTP."""
        body = bytearray()
        with suppress(h11.RemoteProtocolError, OSError):
            while isinstance(event := await self._next(), h11.Data) and len(body) <= wire.MAX_ANSWER:
                body += event.data
        return AgentRefused(status, *wire.error(bytes(body[: wire.MAX_ANSWER])))

    def _broken(self) -> AgentError:
        if self._silent:
            return AgentUnavailable("The sandbox hung up.")
        message = "The server in the sandbox broke its answer off, or answers what is no valid HTTP."
        return AgentRefused(502, "not_http", message)
