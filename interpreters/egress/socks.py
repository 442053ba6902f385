"""Requests of SOCKS5 (RFC 1928): no authentication, CONNECT only; names are for us to look up."""

import asyncio
from ipaddress import IPv4Address, IPv6Address

from interpreters.egress.asked import Asked, BadRequest
from interpreters.egress.policy import Destination
from tenants.hosts import BadHost, unmapped

NO_METHOD = b"\x05\xff"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    """Its first byte, the version, has been read. Raises BadRequest, IncompleteReadError."""
    (number,) = await reader.readexactly(1)
    if 0 not in await reader.readexactly(number):
        raise BadRequest("Use SOCKS5 without authentication.", NO_METHOD)
    writer.write(b"\x05\x00")
    await writer.drain()
    version, command, reserved, kind = await reader.readexactly(4)
    if version != 5 or reserved:
        raise BadRequest("This is no request of SOCKS5.", _failed(1))
    if command != 1:
        raise BadRequest("Of SOCKS5 only CONNECT is offered.", _failed(7))
    host = await _read_host(reader, kind)
    port = int.from_bytes(await reader.readexactly(2), "big")
    try:
        return Asked(Destination.parse(host, port), socks=True)
    except BadHost as error:
        raise BadRequest(str(error), _failed(2)) from None


async def _read_host(reader: asyncio.StreamReader, kind: int) -> str:
    if kind == 1:
        return str(IPv4Address(await reader.readexactly(4)))
    if kind == 4:
        return str(unmapped(IPv6Address(await reader.readexactly(16))))
    if kind != 3:
        raise BadRequest("An address of SOCKS5 is IPv4, IPv6 or a name.", _failed(8))
    (length,) = await reader.readexactly(1)
    try:
        return (await reader.readexactly(length)).decode()
    except UnicodeDecodeError:
        raise BadRequest("A name is text.", _failed(2)) from None


def _failed(code: int) -> bytes:
    return bytes((5, code)) + b"\x00\x01\0\0\0\0\0\0"
