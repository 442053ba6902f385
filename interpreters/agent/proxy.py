"""A port inside the sandbox, seen from outside: HTTP and WebSocket alike.

Only heads are read and rewritten: of the request, and of each answer up to the final one. Bodies with their trailers
and WebSocket frames pass as the bytes they are, in both directions at once, so whatever streams there streams here.
Both sides are strangers to each other: a head is bounded, every line of it is checked, and a server that has hung up on
a body is still heard to its end.

The line to the server is a plain socket and no asyncio stream: a stream forgets what it has read once a write fails.
"""

import asyncio
import re
import socket
from contextlib import suppress

from .errors import Refusal, bad_request
from .http import MAX_HEAD, Disconnected, Request, parse_field

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
              "upgrade", "http2-settings"}  # fmt: skip
CHUNK = 256 << 10
CONNECT_DEADLINE = 5.0  # seconds
MOST_INTERIM = 20
# Many a development server listens on one of the two.
HERE = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-9][0-9]{2})( [^\x00-\x08\x0a-\x1f\x7f]*)?")
Fields = list[tuple[str, str]]


async def proxy(request: Request, port: str, path: str) -> None:
    """Forward to `port` of this sandbox until either side hangs up. Raises Refusal if nobody answers there."""
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise bad_request("A port is a number from 1 to 65535.")
    server = await _connect(int(port))
    try:
        upgrade = request.headers.get("upgrade", "")
        with suppress(OSError):  # it may have answered all the same
            await _send(server, _request_head(request, int(port), path, upgrade))
        upward = asyncio.create_task(_upward(request, server))
        downward = asyncio.create_task(_answer(server, request, bool(upgrade)))
        try:
            # When the client has left nobody wants the answer; the end of its sending alone is no leaving in HTTP, but
            # our client never half-closes.
            await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
            if downward.done() and downward.exception() is None:
                await upward  # whoever is sending still reads the answer to its end, and then hangs up
        finally:
            for task in (upward, downward):
                task.cancel()
            results = await asyncio.gather(upward, downward, return_exceptions=True)
    finally:
        server.close()
    if isinstance(results[1], Refusal):
        raise results[1]


async def _connect(port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    for family, address in HERE:
        try:
            server = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            continue  # no IPv6 here
        server.setblocking(False)
        try:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(CONNECT_DEADLINE):
                await loop.sock_connect(server, (address, port))
            return server
        except (OSError, TimeoutError):
            server.close()
        except BaseException:
            server.close()
            raise
    message = f"Nothing listens at port {port} in the sandbox: start your server there, on 127.0.0.1."
    raise Refusal(502, "nothing_there", message)


def _request_head(request: Request, port: int, path: str, upgrade: str) -> bytes:
    _, question, query = request.target.partition("?")
    lines = [f"{request.method} /{path}{question}{query} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += _lines(_end_to_end(request.fields), without={"host"})
    options = ["Upgrade" if upgrade else "close"]
    if upgrade:
        lines.append(f"Upgrade: {upgrade}")
    elif "trailers" in request.headers.get("te", "").lower():
        lines.append("TE: trailers")
        options.append("TE")
    return "\r\n".join([*lines, f"Connection: {', '.join(options)}", "", ""]).encode("latin-1", "replace")


async def _upward(request: Request, server: socket.socket) -> None:
    """All that the client sends, until it hangs up. What a server does not take any more is thrown away."""
    taken = True
    while data := await request.reader.read(CHUNK):
        if taken:
            try:
                await _send(server, data)
            except OSError:
                taken = False


async def _send(server: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(server, data)


async def _answer(server: socket.socket, request: Request, upgrade: bool) -> None:
    """Interim answers, the final one with its head rewritten, then all that the server sends."""
    received = bytearray()
    for _ in range(MOST_INTERIM):
        status, head = _answer_head(await _read_head(server, received), upgrade)
        request.writer.write(head)
        if status >= 200 or status == 101:
            break
    else:
        raise _no_http()
    writer = request.writer
    writer.write(bytes(received))
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(server, CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # a connection that was reset: the client sees the answer end too early
    await writer.drain()
    writer.write_eof()


async def _read_head(server: socket.socket, received: bytearray) -> list[str]:
    """The lines of the next head; what came after it stays in `received`. Raises Refusal."""
    loop = asyncio.get_running_loop()
    while (end := received.find(b"\r\n\r\n")) < 0:
        try:
            data = await loop.sock_recv(server, CHUNK)
        except OSError:
            data = b""
        received += data
        if not data or len(received) > MAX_HEAD + CHUNK:
            raise _no_http()
    head = received[:end].decode("latin-1")
    del received[: end + 4]
    if len(head) > MAX_HEAD:
        raise _no_http()
    return head.split("\r\n")


def _answer_head(lines: list[str], upgrade: bool) -> tuple[int, bytes]:
    """The status, and the head as it is passed on. Raises Refusal."""
    found = STATUS_LINE.fullmatch(lines[0])
    try:
        fields = [parse_field(line) for line in lines[1:]]
    except Disconnected:
        found = None
    if found is None or (found[1] == "101" and not upgrade):
        raise _no_http()
    status = int(found[1])
    head = [f"HTTP/1.1 {status}{found[2] or ' '}", *_lines(_end_to_end(fields))]
    if status == 101:
        head += ["Connection: Upgrade", *(f"Upgrade: {value}" for name, value in fields if name.lower() == "upgrade")]
    elif status >= 200:
        head.append("Connection: close")
    return status, "\r\n".join([*head, "", ""]).encode("latin-1", "replace")


def _end_to_end(fields: Fields) -> Fields:
    """Without what is meant for the next one only, and what only we may say."""
    named = ",".join(value for name, value in fields if name.lower() == "connection").lower()
    # The length of a message is never for one hop alone, whatever a sender says.
    dropped = HOP_BY_HOP | {name.strip() for name in named.split(",")} - {"content-length", "transfer-encoding"}
    return [(name, value) for name, value in fields if name.lower() not in dropped and not _is_ours(name)]


def _is_ours(name: str) -> bool:
    return name.lower().startswith("x-thermae-")


def _lines(fields: Fields, without: set[str] | frozenset[str] = frozenset()) -> list[str]:
    return [f"{name}: {value}" for name, value in fields if name.lower() not in without]


def _no_http() -> Refusal:
    message = "What listens at this port does not answer in HTTP: look at your server's output."
    return Refusal(502, "not_http", message)
