"""ZMTP as a kernel's sockets speak it, in whatever pieces it arrives; and what does not speak it."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import zmq
import zmq.asyncio

from interpreters.agent import zmtp
from interpreters.agent.zmtp import COMMAND, GREETING, MAX_FRAME, MORE, BadPeer, Feed, Peer, connect, frame

READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x03PUB", COMMAND)
DEADLINE = 10


class Wire(asyncio.Transport):
    """A transport that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.aborted = True


class Heard:
    def __init__(self, kind: str = "SUB", take_long: bool = False) -> None:
        self.messages: list[tuple[list[bytes], int]] = []
        self.long: list[tuple[bytes, bool]] = []
        self.lost = False
        on_long: Callable[[list[bytes], bytes], Feed | None] = self._long if take_long else lambda *_: None
        self.peer = Peer(kind, b"me", lambda *message: self.messages.append(message), self._lose, on_long)
        self.wire = Wire()
        self.peer.connection_made(self.wire)

    def _lose(self) -> None:
        self.lost = True

    def _long(self, frames: list[bytes], start: bytes) -> Feed:
        self.long.append((start, False))
        return lambda piece, last: self.long.append((piece, last))


def message(*parts: bytes) -> bytes:
    return b"".join(frame(part, MORE) for part in parts[:-1]) + frame(parts[-1])


async def test_messages_arrive_whole_however_they_are_cut() -> None:
    sent = [[b"a", b"", b"x" * 255, b"y" * 256], [b"z" * 200_000, b"end"], [b"one"], [b"q" * 70_000]]
    data = GREETING + READY + b"".join(message(*parts) for parts in sent)
    dice = random.Random(1)
    for most in (1, 7, 300, 70_000, len(data)):
        heard, at = Heard(), 0
        while at < len(data):
            size = dice.randint(1, most) if most > 1 or at < 1000 else 5000
            heard.peer.data_received(data[at : at + size])
            at += size
        assert [parts for parts, _ in heard.messages] == sent
        assert heard.peer.ready.done()


async def test_a_frame_over_the_bound_is_thrown_away_and_counted() -> None:
    heard = Heard()
    heard.peer.data_received(GREETING + READY)
    size = MAX_FRAME + 1
    heard.peer.data_received(frame(b"head", MORE) + bytes((zmtp.LONG,)) + size.to_bytes(8, "big") + b"." * 1000)
    left = size - 1000
    while left:
        piece = b"." * min(1 << 20, left)
        heard.peer.data_received(piece)
        left -= len(piece)
    heard.peer.data_received(message(b"next"))
    assert heard.messages == [([b"head", b""], size), ([b"next"], 0)]


async def test_a_long_frame_is_taken_in_pieces_by_who_wants_it() -> None:
    heard = Heard(take_long=True)
    heard.peer.data_received(GREETING + READY)
    data = message(b"head", b"." * (2 << 20))
    for at in range(0, len(data), 300_000):
        heard.peer.data_received(data[at : at + 300_000])
    heard.peer.data_received(message(b"next"))
    assert sum(len(piece) for piece, _ in heard.long) == 2 << 20
    assert [last for _, last in heard.long] == [False] * (len(heard.long) - 1) + [True]
    assert heard.messages == [([b"next"], 0)]


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".ljust(64),
        b"\0" * 64,
        GREETING.replace(b"NULL", b"CURV"),
        GREETING + frame(b"\x05ERROR\x04nope", COMMAND),
        GREETING + READY + b"".join(frame(b"", MORE) for _ in range(1000)),
    ],
)
async def test_what_does_not_speak_it_is_left(garbage: bytes) -> None:
    heard = Heard()
    heard.peer.data_received(garbage)
    assert heard.wire.aborted
    heard.peer.connection_lost(None)
    assert heard.lost


async def test_a_ping_is_answered() -> None:
    heard = Heard()
    heard.peer.data_received(GREETING + READY + frame(b"\x04PING\0\x05ctx", COMMAND))
    assert heard.wire.sent.endswith(frame(b"\x04PONGctx", COMMAND))


# --- Against libzmq itself


@pytest.fixture
async def context() -> AsyncIterator[zmq.asyncio.Context]:
    made = zmq.asyncio.Context()
    yield made
    made.destroy(linger=0)


async def test_it_is_a_dealer_for_libzmqs_router(context: zmq.asyncio.Context) -> None:
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    answers: asyncio.Queue[list[bytes]] = asyncio.Queue()
    peer = Peer("DEALER", b"me", lambda frames, _: answers.put_nowait(frames), lambda: None, lambda *_: None)
    await connect(port, peer)
    peer.send([b"question", b"x" * 1000])
    assert await asyncio.wait_for(router.recv_multipart(), DEADLINE) == [b"me", b"question", b"x" * 1000]
    await router.send_multipart([b"me", b"answer", b"y" * 100_000])
    assert await asyncio.wait_for(answers.get(), DEADLINE) == [b"answer", b"y" * 100_000]
    peer.close()


async def test_it_subscribes_to_all_that_libzmqs_publisher_says(context: zmq.asyncio.Context) -> None:
    publisher = context.socket(zmq.XPUB)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    said: asyncio.Queue[list[bytes]] = asyncio.Queue()
    peer = Peer("SUB", b"", lambda frames, _: said.put_nowait(frames), lambda: None, lambda *_: None)
    await connect(port, peer)
    assert await asyncio.wait_for(publisher.recv(), DEADLINE) == b"\x01"
    for number in range(500):
        await publisher.send_multipart([b"topic", b"%d" % number])
    for number in range(500):
        assert await asyncio.wait_for(said.get(), DEADLINE) == [b"topic", b"%d" % number]
    peer.close()


async def test_nobody_at_the_port_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(OSError, match="Connect"):
            await connect(port, Peer("SUB", b"", lambda *_: None, lambda: None, lambda *_: None))


async def test_another_servers_greeting_is_a_bad_peer() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ready to talk about something else altogether, for 64 bytes\r\n")

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BadPeer):
            await connect(port, Peer("SUB", b"", lambda *_: None, lambda: None, lambda *_: None))
