"""Requests of HTTP: `CONNECT host:port`, and `GET http://host/path` as a plain proxy gets it.

Of a plain request the head is written anew: the Host is that of the destination which was judged, so nobody is fronted,
and one connection carries one request, so that no second one can hide behind the first.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence

from interpreters.egress.asked import Asked, BadRequest, Body, answer
from interpreters.egress.policy import Destination
from tenants.hosts import BadHost

MOST_HEAD = 16 << 10  # bytes
MOST_FIELDS = 100
CHUNK = 32 << 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}", re.ASCII)
_REQUEST = re.compile(r"([A-Z]{1,20}) ([!-~]{1,8192}) (HTTP/1\.[01])", re.ASCII)
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
# Between the two hops only, and what we write ourselves.
_DROPPED = {"connection", "keep-alive", "te", "trailer", "upgrade", "host", "content-length", "transfer-encoding"}

Field = tuple[str, str]


async def read_request(reader: asyncio.StreamReader, first: bytes) -> Asked:
    """Raises BadRequest, IncompleteReadError, LimitOverrunError."""
    try:
        head = first + await reader.readuntil(b"\r\n\r\n")
        if len(head) > MOST_HEAD:
            raise asyncio.LimitOverrunError("too long", len(head))
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        raise _bad(f"A request's head has at most {MOST_HEAD} bytes and ends with an empty line.") from None
    return parse(head)


def parse(head: bytes) -> Asked:
    """Raises BadRequest."""
    lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    request = _REQUEST.fullmatch(lines[0])
    if request is None:
        raise _bad("The first line is no request.")
    method, target, version = request.groups()
    fields = list(_fields(lines[1:]))
    body = _body(fields)
    if body.chunked and version == "HTTP/1.0":
        raise _bad("HTTP/1.0 has no chunks.")
    if method == "CONNECT":
        if body != Body():
            raise _bad("CONNECT has no body.")
        return Asked(_destination(target, None))
    return _plain(method, target, version, fields, body)


def _plain(method: str, target: str, version: str, fields: Sequence[Field], body: Body) -> Asked:
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() != "http":
        raise _bad("This is a proxy: ask for http://host/path, and for anything else by CONNECT host:port.")
    authority, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "#" in path:
        raise _bad("A request's target has no fragment.")
    destination = _destination(authority, 80)
    shown = f"[{destination.host}]" if ":" in str(destination.host) else str(destination.host)
    lines = [
        f"{method} {path if path.startswith('/') else f'/{path}'} {version}",
        f"Host: {shown}" if destination.port == 80 else f"Host: {shown}:{destination.port}",
        *(f"{name}: {value}" for name, value in _end_to_end(fields)),
        *(["Transfer-Encoding: chunked"] if body.chunked else []),
        *([f"Content-Length: {body.length}"] if _has_length(fields) else []),
        "Connection: close",
    ]
    return Asked(destination, opening="\r\n".join([*lines, "", ""]).encode("latin-1"), body=body)


def _destination(authority: str, port: int | None) -> Destination:
    if "@" in authority:
        raise _bad("Leave the user name out of the address.")
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]*))?", authority)
    if found is None or not found[1]:
        raise _bad("A destination is host:port, with brackets around IPv6.")
    try:
        return Destination.parse(found[1], found[2] or port or "none")
    except BadHost as error:
        raise _bad(str(error)) from None


def _fields(lines: Sequence[str]) -> Iterator[Field]:
    if len(lines) > MOST_FIELDS:
        raise _bad(f"A request has at most {MOST_FIELDS} fields.")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _bad("A line of the head is no field.")
        yield name, value.strip(" \t")


def _body(fields: Sequence[Field]) -> Body:
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    codings = [value.lower() for name, value in fields if name.lower() == "transfer-encoding"]
    if codings:
        if lengths or codings != ["chunked"]:
            raise _bad("A body is either chunked or has a length.")
        return Body(chunked=True)
    if not lengths:
        return Body()
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0], re.ASCII):
        raise _bad("A body has one length.")
    return Body(length=int(lengths[0]))


def _has_length(fields: Sequence[Field]) -> bool:
    return any(name.lower() == "content-length" for name, _ in fields)


def _end_to_end(fields: Sequence[Field]) -> Iterator[Field]:
    said = ",".join(value for name, value in fields if name.lower() == "connection")
    named = {name.strip().lower() for name in said.split(",")}
    for name, value in fields:
        if name.lower() not in _DROPPED | named and not name.lower().startswith("proxy-"):
            yield name, value


def _bad(message: str) -> BadRequest:
    return BadRequest(message, answer(400, message))


# --- Bodies ---


async def body_pieces(body: Body, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The body as it is sent on: exactly its bytes; of chunks, neither extensions nor trailers. Raises BadRequest."""
    if not body.chunked:
        async for piece in _exactly(body.length, reader):
            yield piece
        return
    while size := await _chunk_size(reader):
        yield b"%x\r\n" % size
        async for piece in _exactly(size, reader):
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise BadRequest("A chunk is longer than it says.")
        yield b"\r\n"
    for _ in range(MOST_FIELDS):
        if await reader.readuntil(b"\r\n") == b"\r\n":
            yield b"0\r\n\r\n"
            return
    raise BadRequest("There are too many trailers.")


async def _exactly(length: int, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while length:
        piece = await reader.read(min(length, CHUNK))
        if not piece:
            raise BadRequest("The body ends too early.")
        length -= len(piece)
        yield piece


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    line = await reader.readuntil(b"\r\n")
    digits = re.fullmatch(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~]{0,1000})?\r\n", line)
    if digits is None:
        raise BadRequest("A chunk has no size.")
    return int(digits[1], 16)
