"""Bounded memory for every connection of the web server, in both directions.

Daphne passes what an application sends straight to Twisted, which keeps it until the client reads: one slow tab
could hold the output of a whole flood. And it reads what a client sends as fast as it comes, into a queue without
end. Here both sides wait for each other:

- out: `Valve` is told by the transport when its buffer is full and when it has drained; `send` waits for it, and a
  client that takes nothing at all for STALL_LIMIT seconds is cut off (its page reconnects and resumes by number);
- in: `MessageQueue` stops reading from a WebSocket while its application lags behind, and `BodyQueue` does so for the
  body of a request, which reaches its application as it arrives.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

# Bytes that wait in this process for one client. The kernel's socket buffer comes on top.
HIGH_WATER = 1024 * 1024
# Seconds without a single byte taken, while bytes wait, after which a client counts as gone.
STALL_LIMIT = 60.0
# Bytes of messages from one WebSocket that wait for the application.
INBOUND_LIMIT = 2 * 1024 * 1024
# Bytes of one request's body that wait for the application, and that it is handed at once.
BODY_LIMIT, BODY_CHUNK = 256 * 1024, 64 * 1024

Message = dict[str, Any]
Fields = Sequence[tuple[bytes, bytes]]


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
    """What an application receives of one HTTP request: its body as it arrives, then what Daphne puts.

    `hold` is called when more than BODY_LIMIT bytes wait here, `release` when there is room again, and `wanted`
    whenever the application asks for more of the body.
    """

    def __init__(
        self, hold: Callable[[], None], release: Callable[[], None], wanted: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self._hold, self._release, self._wanted = hold, release, wanted
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._trailers: Fields = ()
        self._told = self._gone = False
        self.held = False
        self.complete = False  # all of it has arrived; the application may still have to take it

    def feed(self, data: bytes) -> None:
        if self._gone:
            return
        self._waiting += data
        self._news.set()
        if len(self._waiting) > BODY_LIMIT and not self.held:
            self.held = True
            self._hold()

    def end(self, trailers: Fields = ()) -> None:
        self.complete, self._trailers = True, trailers
        self._news.set()

    def put_nowait(self, message: Message) -> None:
        if message["type"] == "http.request":  # that is Daphne's reading of the body, which comes by `feed`
            return
        if message["type"] == "http.disconnect":
            self._gone = True
            self._waiting.clear()
            self._news.set()
        super().put_nowait(message)

    async def get(self) -> Message:
        if self._told or self._gone:
            return await super().get()
        self._wanted()
        return self._next() if await self._arrives() else await super().get()

    async def _arrives(self) -> bool:
        """Wait for more of the body, or its end; False if the client leaves before that."""
        while not (self._waiting or self.complete or self._gone):
            self._news.clear()
            await self._news.wait()
        return not self._gone

    def _next(self) -> Message:
        piece = bytes(self._waiting[:BODY_CHUNK])
        del self._waiting[:BODY_CHUNK]
        if self.held and len(self._waiting) <= BODY_LIMIT // 2:
            self.held = False
            self._release()
        self._told = self.complete and not self._waiting
        message: Message = {"type": "http.request", "body": piece, "more_body": not self._told}
        if self._told and self._trailers:
            message["trailers"] = self._trailers
        return message


class NoContent:
    """Stands in Twisted's and Daphne's hands where a request's body would be: the application has it."""

    closed = False

    def read(self, size: int = -1) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def close(self) -> None:
        self.closed = True
