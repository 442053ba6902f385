"""HTTP/1.1 over a Unix socket, as little of it as the agent needs, streaming in both directions.

The only client is our web process, which connects through the socket's folder; kernels cannot reach it. So this is
strict where it is cheap, bounded everywhere, and leaves out what is never asked of it (TLS, compression, pipelining).
"""

import asyncio
import json
import os
import re
import socket
import struct
import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from .errors import Refusal, bad_request
from .messages import dump

MAX_HEAD = 64 << 10
MAX_BODY = 8 << 20  # of a body that is taken as a whole
BUFFER = 256 << 10
# Told to our client, so that it knows our words from those of a server in the sandbox.
REFUSED = "X-Thermae-Refused"
LINGER = 2.0  # seconds
FIELD_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Disconnected(Exception):
    """The client went away, or sent what is not HTTP."""


@dataclass(slots=True)
class Request:
    method: str
    target: str
    path: str  # decoded
    query: dict[str, str]
    headers: dict[str, str]  # lower-case names
    fields: list[tuple[str, str]]  # the same as they came, one by one
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    unread: int = 0  # bytes of the body that are not yet read; -1: chunked, so nobody knows
    _continue: bool = False

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        if self._continue and self.unread:
            self._continue = False
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.unread == -1:
            async for piece in self._chunks():
                yield piece
        while self.unread > 0:
            piece = await self.reader.read(min(self.unread, BUFFER))
            if not piece:
                raise Disconnected
            self.unread -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            while size > 0:
                piece = await self.reader.read(min(size, BUFFER))
                if not piece:
                    raise Disconnected
                size -= len(piece)
                yield piece
            await self.reader.readexactly(2)
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        self.unread = 0

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} for none. Raises Refusal(400, 413)."""
        pieces, size = [], 0
        async for piece in self.body():
            size += len(piece)
            if size > MAX_BODY:
                raise Refusal(413, "too_large", f"The body is over {MAX_BODY >> 20} MiB.")
            pieces.append(piece)
        try:
            value = json.loads(b"".join(pieces) or b"{}")
        except (ValueError, RecursionError) as error:
            raise bad_request(f"The body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise bad_request("The body must be a JSON object.")
        return value

    def number(self, name: str, default: int, most: int = 1 << 53) -> int:
        """A whole number of the query. Raises Refusal(400)."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdecimal() and int(text) <= most):
            raise bad_request(f"`{name}` must be a whole number from 0 to {most}")
        return int(text)

    async def gone(self) -> None:
        """Until the client hangs up. For answers that go on for ever; nothing more is read from this client."""
        while await self.reader.read(BUFFER):
            pass


@dataclass(slots=True)
class Response:
    status: int = 200
    body: bytes | AsyncGenerator[bytes, None] = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response | None]]  # None: it has answered by itself, and the connection ends


def answer(value: object, status: int = 200) -> Response:
    return Response(status, dump(value))


def head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def serve(path: str, handler: Handler, welcome: Callable[[int, int], bool]) -> asyncio.Server:
    """Listen at `path`. `welcome(pid, uid)` decides about a client; pid is 0 for one outside our pid namespace."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid, uid, _ = struct.unpack("3i", credentials)
            if not welcome(pid, uid):
                return
            await _converse(reader, writer, handler)
        except (Disconnected, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    with suppress(FileNotFoundError):
        os.unlink(path)
    server = await asyncio.start_unix_server(connected, path, limit=BUFFER)
    # Any uid may connect: the web process need not be the one that made the folder. Who may reach the socket is
    # decided by the folder's permissions, which the runtime sets on the host and which code in here cannot change.
    os.chmod(path, 0o666)  # noqa: S103
    return server


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    writer.transport.set_write_buffer_limits(high=BUFFER)
    while True:
        try:
            request = await _read_head(reader, writer)
        except asyncio.IncompleteReadError:
            return
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = answer(refusal.body(), refusal.status)
            # The mark tells our client whose words these are; a WebSocket's is not shown the body of an answer.
            response.headers[REFUSED] = json.dumps(refusal.body())
        except (Disconnected, ConnectionError, asyncio.IncompleteReadError):
            return
        except Exception:
            traceback.print_exc(file=sys.stderr)
            response = answer({"error": "internal", "message": "The agent failed: try again, or open a new one."}, 500)
        if response is None:
            return
        keep = request.unread == 0 and request.headers.get("connection", "").lower() != "close"
        await _respond(writer, request, response, keep)
        if not keep:
            await _linger(request)
            return


async def _linger(request: Request) -> None:
    """Let a client that is still sending a body come to our answer, for a while: a closed connection would hide it."""
    left = MAX_BODY if request.unread else 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while left > 0 and (piece := await request.reader.read(BUFFER)):
                left -= len(piece)


async def _read_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    if version != "HTTP/1.1" or not target.startswith("/"):
        raise Disconnected
    headers: dict[str, str] = {}
    received = [parse_field(line) for line in lines[1:-2]]
    for name, value in received:
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Disconnected  # two lengths: whoever reads on may take the one or the other
    path, _, query = target.partition("?")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise Disconnected
    left = -1 if headers.get("transfer-encoding", "").lower() == "chunked" else int(length)
    wants_continue = headers.get("expect", "").lower() == "100-continue"
    # What is passed on to a port has a query of its own, of any size.
    asked = {} if path.startswith("/proxy/") else dict(parse_qsl(query, keep_blank_values=True, max_num_fields=32))
    return Request(method, target, unquote(path), asked, headers, received, reader, writer, left, wants_continue)


def parse_field(line: str) -> tuple[str, str]:
    """A line of a head. Raises Disconnected for one that two readers may read differently."""
    name, colon, value = line.partition(":")
    if not colon or not FIELD_NAME.fullmatch(name) or CONTROL.search(value):
        raise Disconnected
    return name, value.strip(" \t")


async def _respond(writer: asyncio.StreamWriter, request: Request, response: Response, keep: bool) -> None:
    headers = {"Content-Type": response.content_type, **response.headers}
    if not keep:
        headers["Connection"] = "close"
    body = response.body
    if isinstance(body, bytes):
        if response.status != 204:
            headers["Content-Length"] = str(len(body))
        writer.write(head(response.status, headers) + (b"" if request.method == "HEAD" else body))
        await writer.drain()
        return
    sized = "Content-Length" in headers
    if not sized:
        headers["Transfer-Encoding"] = "chunked"
    writer.write(head(response.status, headers))
    async with aclosing(body):  # whoever makes it stops as soon as nobody takes it
        async for piece in body:
            if piece:
                writer.write(piece if sized else b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
    if not sized:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
