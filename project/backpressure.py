"""Bounded memory for every connection of the web server, in both directions.

Daphne passes what an application sends straight to Twisted, which keeps it until the client reads: one slow tab
could hold the output of a whole flood. And it reads what a client sends as fast as it comes, into a queue without
end. Here both sides wait for each other:

- out: `Valve` is told by the transport when its buffer is full and when it has drained; `send` waits for it, and a
  client that takes nothing at all for STALL_LIMIT seconds is cut off (its page reconnects and resumes by number);
- in: `MessageQueue` stops reading from a WebSocket while its application lags behind; `BodyQueue` reads a request's
  body, which Twisted has spooled to a file, only as the application asks for it.
"""

import asyncio
import os
from typing import IO, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

# Bytes that wait in this process for one client. The kernel's socket buffer comes on top.
HIGH_WATER = 1024 * 1024
# Seconds without a single byte taken, while bytes wait, after which a client counts as gone.
STALL_LIMIT = 60.0
# Bytes of messages from one WebSocket that wait for the application.
INBOUND_LIMIT = 2 * 1024 * 1024
BODY_CHUNK = 64 * 1024

Message = dict[str, Any]


def waiting_bytes(transport: Any) -> int:
    """What Twisted holds for a connection and the kernel has not taken yet."""
    waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return waiting


@implementer(IPushProducer)
class Valve:
    """Tells writers when their connection can take more. Twisted calls the three `…Producing`."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._open = asyncio.Event()
        self._open.set()
        transport.bufferSize = HIGH_WATER

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()

    stopProducing = resumeProducing  # the connection is lost: nobody has to wait for it any more

    @property
    def closed(self) -> bool:
        return not self._open.is_set()

    async def drained(self, stall_limit: float = STALL_LIMIT) -> None:
        """Return once more may be written, or once the connection is no more. Cut it off if it takes nothing."""
        while self.closed:
            before = waiting_bytes(self._transport)
            try:
                async with asyncio.timeout(stall_limit):
                    await self._open.wait()
            except TimeoutError:
                if waiting_bytes(self._transport) >= before:
                    self._transport.abortConnection()
                    return


class MessageQueue(asyncio.Queue[Message]):
    """Messages of one WebSocket. While too much waits here, nothing is read from its connection."""

    def __init__(self, transport: Any) -> None:
        super().__init__()
        self._transport, self._bytes, self._paused = transport, 0, False

    def put_nowait(self, message: Message) -> None:
        super().put_nowait(message)
        self._bytes += self._size(message)
        if self._bytes > INBOUND_LIMIT and not self._paused:
            self._paused = True
            self._transport.pauseProducing()

    def get_nowait(self) -> Message:
        message = super().get_nowait()
        self._bytes -= self._size(message)
        if self._paused and self._bytes <= INBOUND_LIMIT // 2:
            self._paused = False
            self._transport.resumeProducing()
        return message

    @staticmethod
    def _size(message: Message) -> int:
        # 512: what an empty message costs here, so that a flood of those is bounded as well.
        return 512 + len(message.get("text") or message.get("bytes") or b"")


class BodyQueue(asyncio.Queue[Message]):
    """What an application receives of one HTTP request: its body piece by piece, then what Daphne puts."""

    def __init__(self, body: IO[bytes]) -> None:
        super().__init__()
        self._body = body
        self._left = body.seek(0, os.SEEK_END)
        self._begun = False
        body.seek(0)

    def put_nowait(self, message: Message) -> None:
        if message["type"] != "http.request":  # that is Daphne's reading of the body, which is read here
            super().put_nowait(message)

    async def get(self) -> Message:
        if self._begun and not self._left:
            return await super().get()
        self._begun = True
        try:
            chunk = self._body.read(BODY_CHUNK)
        except ValueError:  # the client went away, and Twisted closed the file
            self._left = 0
            return {"type": "http.disconnect"}
        self._left -= len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": self._left > 0}


class HandedOver:
    """Stands in Daphne's hands where a request's body was: nothing to read, and closed when the body is."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def close(self) -> None:
        self._body.close()

    @property
    def closed(self) -> bool:
        return self._body.closed
