"""ZMTP 3.0, client side, NULL mechanism: all that a Jupyter kernel's sockets ask of a peer.

Why not libzmq: its receive queue is either bounded and drops silently, or grows without end, and a frame of any size
is one allocation. Here the socket's own buffer is the queue, so a kernel that floods us is slowed by TCP, a frame
over MAX_FRAME is thrown away while it arrives, and one wakeup handles at most what one `recv` brought.
"""

import asyncio
from collections.abc import Callable

MAX_FRAME = 9 << 20
LARGE_FRAME = 64 << 10  # from here on the pieces of a frame are collected, not re-scanned
LONG_FRAME = 1 << 20  # from here on somebody may take the pieces as they come
HINT = 256  # bytes of a frame that tell what it is
MAX_FRAMES = 256

MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL".ljust(64, b"\0")
SUBSCRIBE_ALL = b"\0\1\1"

OnMessage = Callable[[list[bytes], int], None]
Feed = Callable[[bytes, bool], None]  # a piece, and whether it is the last
OnLong = Callable[[list[bytes], bytes], Feed | None]


class BadPeer(Exception):
    """What answers at this port does not speak ZMTP 3."""


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | LONG,)) + len(body).to_bytes(8, "big") + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value


class Peer(asyncio.Protocol):
    """One connection to one socket of a kernel.

    `on_message(frames, lost)` is called for each message; `lost` is how many bytes of it were thrown away because a
    frame was over MAX_FRAME (that frame is then empty). `on_lost()` is called when the connection ends.
    `on_long(frames, start)` is asked about a frame over LONG_FRAME that begins with `start`, behind the `frames` of
    its message: it may give a function that takes the pieces. That message then never comes to `on_message`.
    """

    def __init__(
        self, kind: str, identity: bytes, on_message: OnMessage, on_lost: Callable[[], None], on_long: OnLong
    ) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._kind, self._identity = kind, identity
        self._on_message, self._on_lost, self._on_long = on_message, on_lost, on_long
        self._rest = b""
        self._frames: list[bytes] = []
        self._lost = 0
        self._large: list[bytes] = []
        self._feed: Feed | None = None
        self._fed = False
        self._missing = 0
        self._flags = 0
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if transport.get_extra_info("sockname") == transport.get_extra_info("peername"):
            transport.abort()  # TCP's simultaneous open: nobody listens yet, and we reached ourselves
            return
        transport.write(GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the kernel closed its port"))
            self.ready.exception()  # seen, whether anybody waits for it or not
        self._on_lost()

    def send(self, frames: list[bytes]) -> None:
        head = b"".join(frame(part, MORE) for part in frames[:-1])
        self._transport.write(head + frame(frames[-1]))

    def pause(self) -> None:
        """Take nothing more until `resume`: the sender has to wait."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        self._on_lost = lambda: None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            if self._missing:
                data = self._collect(data)
            if data:
                self._rest = self._scan(self._rest + data if self._rest else data)
        except BadPeer as error:
            if not self.ready.done():
                self.ready.set_exception(error)
                self.ready.exception()
            self._transport.abort()

    def _collect(self, data: bytes) -> bytes:
        """Take the next piece of a large frame; return what follows it."""
        piece, rest = data[: self._missing], data[self._missing :]
        self._missing -= len(piece)
        if self._feed is not None:
            self._feed(piece, not self._missing)
        elif self._large:
            self._large.append(piece)
        else:
            self._lost += len(piece)
        if not self._missing:
            body, self._large, self._feed = b"".join(self._large), [], None
            self._take(self._flags, body)
        return rest

    def _scan(self, data: bytes) -> bytes:
        """Take all whole frames; return the beginning of the next."""
        at, end = 0, len(data)
        if not self._greeted:
            if end < len(GREETING):
                return data
            self._greet(data[: len(GREETING)])
            at = len(GREETING)
        while end - at >= 2:
            flags, size, start = data[at], data[at + 1], at + 2
            if flags & LONG:
                start = at + 9
                if start > end:
                    break
                size = int.from_bytes(data[at + 1 : start], "big")
            if start + size > end:
                if size < LARGE_FRAME:
                    break
                if end - start < HINT and size >= LONG_FRAME:
                    break  # so short a beginning tells nothing: wait for more
                self._begin_large(flags, size, data[start:])
                return b""
            at = start + size
            self._take(flags, data[start:at])
        return data[at:]

    def _begin_large(self, flags: int, size: int, start: bytes) -> None:
        self._flags, self._missing = flags, size - len(start)
        if size >= LONG_FRAME and not flags & COMMAND:
            self._feed = self._on_long(self._frames, start)
        if self._feed is not None:
            self._fed = True
        elif size <= MAX_FRAME:
            self._large = [start]
        else:
            self._lost += len(start)

    def _greet(self, greeting: bytes) -> None:
        if greeting[0] != 0xFF or greeting[9] != 0x7F or greeting[10] < 3 or greeting[12:17] != b"NULL\0":
            raise BadPeer("the kernel's port does not speak ZMTP 3 without encryption")
        self._greeted = True
        properties = _property(b"Socket-Type", self._kind.encode()) + _property(b"Identity", self._identity)
        self._transport.write(frame(b"\x05READY" + properties, COMMAND))

    def _take(self, flags: int, body: bytes) -> None:
        if flags & COMMAND:
            self._command(body)
            return
        self._frames.append(body)
        if len(self._frames) > MAX_FRAMES:
            raise BadPeer("a message of too many frames")
        if not flags & MORE:
            frames, lost, fed = self._frames, self._lost, self._fed
            self._frames, self._lost, self._fed = [], 0, False
            if not fed:
                self._on_message(frames, lost)

    def _command(self, body: bytes) -> None:
        if body.startswith(b"\x05READY"):
            if self._kind == "SUB":
                self._transport.write(SUBSCRIBE_ALL)
            if not self.ready.done():
                self.ready.set_result(None)
        elif body.startswith(b"\x04PING"):
            self._transport.write(frame(b"\x04PONG" + body[7:], COMMAND))
        elif body.startswith(b"\x05ERROR"):
            raise BadPeer("the kernel refused the connection")


async def connect(port: int, peer: Peer) -> Peer:
    """Connect to 127.0.0.1:port and shake hands. Raises OSError while nobody listens, BadPeer."""
    await asyncio.get_running_loop().create_connection(lambda: peer, "127.0.0.1", port)
    async with asyncio.timeout(10):
        await peer.ready
    return peer
