"""The agent's side of egress: bytes go to the host's socket and back, within bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from interpreters.agent import egress
from interpreters.agent.egress import MOST_CONNECTIONS, offer
from tests.services import free_port

ON = {"THERMAE_EGRESS": "1"}


class Inside:
    """The agent's port, and the host's socket behind it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.port = folder / "proxy.sock", free_port()
        self.open = 0
        self.release = asyncio.Event()
        self.release.set()

    async def host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Repeats what it hears, once released; then says goodbye."""
        self.open += 1
        await self.release.wait()
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")
        writer.close()
        self.open -= 1

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes) -> bytes:
        reader, writer = await self.dial()
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(10):
            heard = await reader.read()
        writer.close()
        return heard


@pytest.fixture
async def inside(short_dir: Path) -> AsyncIterator[Inside]:
    made = Inside(short_dir)
    host = await asyncio.start_unix_server(made.host, made.path)
    server = await offer(ON, str(made.path), made.port)
    assert server is not None
    yield made
    made.release.set()
    server.close()
    host.close()


async def test_nothing_is_offered_where_the_launch_does_not_say_so(short_dir: Path) -> None:
    port = free_port()
    for environ in ({}, {"THERMAE_EGRESS": "0"}, {"THERMAE_EGRESS": ""}):
        assert await offer(environ, str(short_dir / "proxy.sock"), port) is None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_bytes_pass_as_they_are_and_each_side_may_end_its_sending(inside: Inside) -> None:
    sent = bytes(range(256)) * 20_000
    assert await inside.say(sent) == sent + b"bye"


async def test_a_reader_that_stands_still_holds_the_sender_up(inside: Inside) -> None:
    reader, writer = await inside.dial()
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    task = asyncio.create_task(flood())
    before = -1
    while before != sent:  # until it stands still
        before = sent
        await asyncio.sleep(0.1)
    assert 0 < sent < 32 << 20  # what the kernel's buffers hold, and a few of ours
    assert await reader.readexactly(8 << 20)
    task.cancel()
    writer.transport.abort()


async def test_one_connection_too_many_is_hung_up_on(inside: Inside) -> None:
    inside.release.clear()
    dialled = [await inside.dial() for _ in range(MOST_CONNECTIONS)]
    async with asyncio.timeout(5):
        while inside.open < MOST_CONNECTIONS:
            await asyncio.sleep(0.01)
        reader, writer = await inside.dial()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    for _, other in dialled:
        other.transport.abort()
    inside.release.set()
    heard = b""
    async with asyncio.timeout(5):
        while heard != b"againbye":  # as soon as there is room again
            with suppress(ConnectionResetError):
                heard = await inside.say(b"again")


async def test_without_the_hosts_side_programs_are_told(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.path.unlink()
    reader, writer = await inside.dial()
    writer.write(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
    heard = await asyncio.wait_for(reader.read(), 5)
    assert heard.startswith(b"HTTP/1.1 503 ")
    assert heard == egress.NOBODY
    writer.close()
