"""A port inside the sandbox, seen from outside: HTTP and WebSocket alike.

Only the two heads are read and rewritten; bodies, chunked or not, and WebSocket frames pass as the bytes they are,
in both directions at once, so whatever streams there streams here.
"""

import asyncio
from collections.abc import Iterable

from .errors import Refusal, bad_request
from .http import MAX_HEAD, Request

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
              "trailer", "upgrade", "expect"}  # fmt: skip
CHUNK = 256 << 10
CONNECT_DEADLINE = 5.0  # seconds


async def proxy(request: Request, port: str, path: str) -> None:
    """Forward to 127.0.0.1:port until either side hangs up. Raises Refusal if nobody answers there."""
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise bad_request("A port is a number from 1 to 65535.")
    try:
        async with asyncio.timeout(CONNECT_DEADLINE):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port), limit=MAX_HEAD)
    except (OSError, TimeoutError):
        message = f"Nothing listens at port {port} in the sandbox: start your server there, on 127.0.0.1."
        raise Refusal(502, "nothing_there", message) from None
    writer.transport.set_write_buffer_limits(high=CHUNK)
    upgrade = request.headers.get("upgrade", "")
    writer.write(_request_head(request, int(port), path, upgrade))
    upward = asyncio.create_task(_pipe(request.reader, writer))
    downward = asyncio.create_task(_answer(reader, request, bool(upgrade)))
    try:
        # When the client has left nobody wants the answer; the end of its sending alone is no leaving in HTTP, but
        # our client never half-closes.
        await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (upward, downward):
            task.cancel()
        results = await asyncio.gather(upward, downward, return_exceptions=True)
        writer.transport.abort()
    if isinstance(results[1], Refusal):
        raise results[1]


def _request_head(request: Request, port: int, path: str, upgrade: str) -> bytes:
    _, question, query = request.target.partition("?")
    lines = [f"{request.method} /{path}{question}{query} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += _end_to_end(request.headers.items(), request.headers.get("connection", ""))
    lines += ["Connection: Upgrade", f"Upgrade: {upgrade}"] if upgrade else ["Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def _answer(reader: asyncio.StreamReader, request: Request, upgrade: bool) -> None:
    """The server's answer, its head rewritten, then all that it sends."""
    status = "100"
    while status.startswith("1") and status != "101":  # an interim answer is for us: we do not wait to send a body
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            version, status, *_ = lines[0].split(" ")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            version = ""
        if not version.startswith("HTTP/1.") or not (status.isdecimal() and len(status) == 3):
            message = "What listens at this port does not answer in HTTP: look at your server's output."
            raise Refusal(502, "not_http", message)
    fields = [(name, value) for name, _, value in (line.partition(":") for line in lines[1:-2])]
    named = ",".join(value for name, value in fields if name.lower() == "connection")
    head = [f"HTTP/1.1 {' '.join(lines[0].split(' ')[1:])}", *_end_to_end(fields, named)]
    if status == "101" and upgrade:
        head += ["Connection: Upgrade", *(f"Upgrade:{value}" for name, value in fields if name.lower() == "upgrade")]
    else:
        head.append("Connection: close")
    request.writer.write("\r\n".join([*head, "", ""]).encode("latin-1", "replace"))
    await _pipe(reader, request.writer)


def _end_to_end(fields: Iterable[tuple[str, str]], named: str) -> list[str]:
    dropped = HOP_BY_HOP | {name.strip().lower() for name in named.split(",")} | {"host"}
    return [f"{name}: {value.strip()}" for name, value in fields if name.lower() not in dropped]


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
