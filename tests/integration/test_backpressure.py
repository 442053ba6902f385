"""Clients that do not read, or send more than anyone takes, cost the web server a bounded amount of memory."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.services import accepts, free_port, wait_until

MB = 1024 * 1024
GROWTH = 32 * MB


class FloodServer:
    def __init__(self, stall_limit: float) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-m", "tests.flood", str(self.port), str(stall_limit)])
        wait_until(lambda: accepts(self.port), "the flood server")

    def memory(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextlib.contextmanager
def running(stall_limit: float) -> Iterator[FloodServer]:
    server = FloodServer(stall_limit)
    yield server
    server.process.terminate()
    server.process.wait(10)


@pytest.fixture(scope="module")
def server() -> Iterator[FloodServer]:
    with running(stall_limit=60) as one:
        yield one


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(read_bufsize=64 * 1024) as session:
        yield session


async def watch(server: FloodServer, seconds: float) -> int:
    """The most memory that the server has within so many seconds."""
    most, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        most = max(most, server.memory())
        await asyncio.sleep(0.05)
    return most


@pytest.mark.parametrize("scheme", ["websocket", "http"])
async def test_a_stalled_reader_of_200_mb_costs_little_memory_and_then_gets_all_of_it(
    server: FloodServer, client: aiohttp.ClientSession, scheme: str
) -> None:
    before, received = server.memory(), 0
    url = server.url(f"/flood?bytes={200 * MB}")
    if scheme == "http":
        async with client.get(url) as response:
            most = await watch(server, 4)
            async for piece in response.content.iter_any():
                received += len(piece)
    else:
        async with client.ws_connect(url, max_msg_size=0) as websocket:
            # Longer than a ping and its timeout together: waiting for a slow reader is not taken for a dead one.
            most = await watch(server, 4)
            async for message in websocket:
                received += len(message.data)
    assert most - before <= GROWTH
    assert received >= 200 * MB


@pytest.mark.parametrize("scheme", ["websocket", "http"])
async def test_a_fast_reader_is_not_slowed_down(
    server: FloodServer, client: aiohttp.ClientSession, scheme: str
) -> None:
    url, size, received = server.url(f"/flood?bytes={100 * MB}"), 100 * MB, 0
    started = time.monotonic()
    if scheme == "http":
        async with client.get(url) as response:
            async for piece in response.content.iter_any():
                received += len(piece)
    else:
        async with client.ws_connect(url, max_msg_size=0) as websocket:
            async for message in websocket:
                received += len(message.data)
    rate = received / MB / (time.monotonic() - started)
    print(f"{scheme}: {rate:.0f} MB/s")
    assert received >= size
    assert rate >= 40


async def test_a_reader_that_takes_nothing_is_cut_off_after_the_stall_limit(client: aiohttp.ClientSession) -> None:
    with running(stall_limit=1) as server:
        async with client.get(server.url(f"/flood?bytes={200 * MB}")) as response:
            await asyncio.sleep(3.5)
            with pytest.raises(aiohttp.ClientError):
                async for _ in response.content.iter_any():
                    pass


async def test_a_message_larger_than_what_may_come_in_goes_out_whole(
    server: FloodServer, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(server.url(f"/flood?bytes={5 * MB}&frame={5 * MB}"), max_msg_size=0) as websocket:
        message = await websocket.receive(timeout=10)
    assert len(message.data) == 5 * MB


async def test_a_message_larger_than_the_limit_ends_the_websocket(
    server: FloodServer, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(server.url("/count?messages=1")) as websocket:
        await websocket.send_str("x" * (MB + 1))
        message = await websocket.receive(timeout=10)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert websocket.close_code in (1009, 1006)


async def test_messages_that_nobody_takes_yet_stay_with_their_sender(
    server: FloodServer, client: aiohttp.ClientSession
) -> None:
    count, before = 200, server.memory()
    async with client.ws_connect(server.url(f"/deaf?seconds=2&messages={count}")) as websocket:

        async def send() -> None:
            for _ in range(count):
                await websocket.send_bytes(b"x" * MB)

        sender = asyncio.create_task(send())
        most = await watch(server, 1.5)
        await sender
        message = await websocket.receive(timeout=20)
    assert most - before <= GROWTH
    assert message.data == f"received {count}"


async def test_an_upload_is_handed_on_in_pieces(server: FloodServer, client: aiohttp.ClientSession) -> None:
    before = server.memory()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * MB

    watcher = asyncio.create_task(watch(server, 1.5))
    async with client.post(server.url("/sink"), data=body()) as response:
        answer = await response.text()
    size, pieces = (int(word) for word in answer.split(" in "))
    assert size == 50 * MB
    assert pieces >= 50 * MB // (64 * 1024)  # of at most 64 KiB each
    assert await watcher - before <= GROWTH


@pytest.mark.parametrize("declared", [True, False])
async def test_an_upload_over_the_limit_is_refused_before_it_is_stored(
    server: FloodServer, client: aiohttp.ClientSession, declared: bool
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    length = f"Content-Length: {65 * MB}" if declared else "Transfer-Encoding: chunked"
    writer.write(f"PUT /sink HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
    if not declared:
        with contextlib.suppress(ConnectionError):
            for _ in range(65):
                writer.write(b"%x\r\n%b\r\n" % (MB, b"x" * MB))
                await writer.drain()
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_an_empty_body_and_a_second_request_on_the_same_connection(
    server: FloodServer, client: aiohttp.ClientSession
) -> None:
    for _ in range(2):
        async with client.post(server.url("/sink")) as response:
            assert await response.text() == "0 in 1"
        async with client.post(server.url("/sink"), data=b"abc") as response:
            assert await response.text() == "3 in 1"
