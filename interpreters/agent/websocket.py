"""WebSocket (RFC 6455), the server's side of it, without heartbeats: over a Unix socket a dead peer is seen at once."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator

from .errors import bad_request
from .http import Disconnected, Request, head

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    """An accepted connection. Iterate over it for messages: `str` for text, `bytes` for binary."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_message: int) -> None:
        self._reader, self._writer = reader, writer
        self._max_message = max_message

    @classmethod
    def accept(cls, request: Request, max_message: int) -> "WebSocket":
        """Raises Refusal(400) if this is no WebSocket handshake."""
        key = request.headers.get("sec-websocket-key")
        if request.headers.get("upgrade", "").lower() != "websocket" or not key:
            raise bad_request("This address speaks WebSocket.")
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode(), usedforsecurity=False).digest()
        accepted = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        }
        request.writer.write(head(101, accepted))
        return cls(request.reader, request.writer, max_message)

    def send(self, data: bytes, kind: int = TEXT) -> None:
        """Queue a message; `drain` waits until the peer has taken most of it."""
        self._writer.write(frame(data, kind))

    def send_all(self, messages: list[bytes]) -> None:
        """Several text messages in one write."""
        self._writer.write(b"".join([frame(message, TEXT) for message in messages]))

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self, code: int = 1000) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame(code.to_bytes(2, "big"), CLOSE))
            self._writer.close()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        pieces: list[bytes] = []
        size = first = 0
        try:
            while True:
                last, kind, data = await self._read_frame(self._max_message - size)
                if kind == CLOSE:
                    return
                if kind == PING:
                    self.send(data, PONG)
                if kind >= CLOSE:
                    continue
                first = kind or first
                pieces.append(data)
                size += len(data)
                if last:
                    message = b"".join(pieces)
                    pieces, size = [], 0
                    yield str(message, "utf-8") if first == TEXT else message
        except (asyncio.IncompleteReadError, ConnectionError, Disconnected, UnicodeDecodeError):
            return
        finally:
            self.close()

    async def _read_frame(self, most: int) -> tuple[bool, int, bytes]:
        start = await self._reader.readexactly(2)
        size = start[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self._reader.readexactly(8), "big")
        if size > most:
            self.close(1009)
            raise Disconnected
        if not start[1] & 0x80 or start[0] & 0x70:  # a client masks, and we agreed on no extension
            self.close(1002)
            raise Disconnected
        mask = await self._reader.readexactly(4)
        return bool(start[0] & 0x80), start[0] & 0x0F, unmask(await self._reader.readexactly(size), mask)


def frame(data: bytes, kind: int) -> bytes:
    size = len(data)
    if size < 126:
        return bytes((0x80 | kind, size)) + data
    if size < 65536:
        return bytes((0x80 | kind, 126)) + size.to_bytes(2, "big") + data
    return bytes((0x80 | kind, 127)) + size.to_bytes(8, "big") + data


def unmask(data: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as two large numbers: Python has nothing faster in its library."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
