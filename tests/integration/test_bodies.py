"""Bodies of requests reach an application as they arrive, and nothing that a client does in the middle of one hurts."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.body_server import SILENCE
from tests.services import accepts, free_port, wait_until

MB = 1024 * 1024
DEADLINE = 10.0


class Web:
    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-m", "tests.body_server", str(self.port)])
        wait_until(lambda: accepts(self.port), "the web server")

    def memory(self) -> int:
        """Resident bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) << 10

    async def left(self) -> list[str]:
        async with line(self) as (reader, writer):
            writer.write(head("GET", "/left", "Connection: close"))
            _, _, chunks = (await reader.read()).decode().partition("\r\n\r\n")
            return chunks.split("\r\n")[1].split(",")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    running = Web()
    yield running
    running.process.terminate()
    running.process.wait(10)


@asynccontextmanager
async def line(web: Web) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    try:
        async with asyncio.timeout(DEADLINE):
            yield reader, writer
    finally:
        writer.close()


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer, which has one chunk."""
    await reader.readuntil(b"\r\n\r\n")
    return (await reader.readuntil(b"0\r\n\r\n")).split(b"\r\n")[1]


async def test_an_answer_begins_before_the_body_ends(web: Web) -> None:
    async with line(web) as (reader, writer):
        writer.write(head("PUT", "/both", "Content-Length: 6") + b"abc")
        assert b"Connection: close\r\n" in await reader.readuntil(b"begun\r\n")
        await asyncio.sleep(1.5 * SILENCE)  # who is being answered may be silent
        writer.write(b"def")
        assert await reader.read() == b"1\r\n6\r\n0\r\n\r\n"  # and then the connection ends


@pytest.mark.parametrize("expect", [True, False])
async def test_an_answer_without_the_body_arrives_whole(web: Web, expect: bool) -> None:
    lines = [f"Content-Length: {100 * MB}", *(["Expect: 100-continue"] if expect else [])]
    async with line(web) as (reader, writer):
        writer.write(head("PUT", "/early", *lines))
        if not expect:
            writer.write(b"x" * MB)
        answer = await reader.read()
        for _ in range(4 if not expect else 0):  # who is still sending is not reset
            writer.write(b"x" * MB)
            await writer.drain()
            await asyncio.sleep(0.05)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"5\r\nearly\r\n0\r\n\r\n")


async def test_who_sends_for_ever_after_the_answer_is_hung_up_on(web: Web) -> None:
    async with line(web) as (_, writer):
        writer.write(head("PUT", "/early", "Transfer-Encoding: chunked"))
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            await send_for_ever(writer)
        assert time.monotonic() - began < 8


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"1000\r\n%b\r\n" % (b"x" * 4096))
        await writer.drain()
        await asyncio.sleep(0.001)


async def test_a_client_is_told_to_go_ahead_when_its_body_is_wanted(web: Web) -> None:
    async with line(web) as (reader, writer):
        writer.write(head("PUT", "/late", "Content-Length: 3", "Expect: 100-continue"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), SILENCE / 2)
    async with line(web) as (reader, writer):
        for _ in range(2):
            writer.write(head("PUT", "/sink", "Content-Length: 3", "Expect: 100-continue"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert await answered(reader) == b"3"


async def test_many_requests_in_one_piece_are_answered_in_order(web: Web) -> None:
    async with line(web) as (reader, writer):
        for size in (0, 3, 200_000):
            writer.write(head("PUT", "/sink", f"Content-Length: {size}") + b"x" * size)
            writer.write(head("PUT", "/sink", "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\nX-T: 1\r\n\r\n")
            writer.write(head("HEAD", "/early"))
            writer.write(head("GET", "/early"))
            assert await answered(reader) == str(size).encode()
            assert await answered(reader) == b"1"
            assert b"HTTP/1.1 200" in await reader.readuntil(b"\r\n\r\n")
            assert await answered(reader) == b"early"


async def test_an_application_that_lags_holds_its_client_back(web: Web) -> None:
    before = web.memory()
    async with line(web) as (reader, writer):
        writer.write(head("PUT", "/late", f"Content-Length: {50 * MB}"))

        async def send() -> None:
            for _ in range(50):
                writer.write(b"x" * MB)
                await writer.drain()

        sending = asyncio.create_task(send())
        await asyncio.sleep(SILENCE)
        assert web.memory() - before < 16 * MB
        assert not sending.done()
        assert await answered(reader) == str(50 * MB).encode()  # waiting for an application is no silence
        # The connection lives on, and silence counts again.
        writer.write(head("GET", "/early"))
        assert await answered(reader) == b"early"
        began = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - began < 4 * SILENCE


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_body_that_stops_ends_its_request(web: Web, leaves: bool) -> None:
    path = f"/stops-{leaves}"
    async with line(web) as (reader, writer):
        writer.write(head("PUT", path, "Content-Length: 10") + b"abc")
        if leaves:
            await asyncio.sleep(0.1)
            writer.transport.abort()
        else:
            assert await reader.read() == b""
    deadline = time.monotonic() + DEADLINE
    while path not in await web.left():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_an_application_that_fails_in_its_answer_is_no_whole_answer(web: Web) -> None:
    async with line(web) as (reader, writer):
        writer.write(head("GET", "/broken"))
        with pytest.raises(ConnectionResetError):
            await reader.read()


@pytest.mark.parametrize("lines", [["Host: other"], ["Content-Length: 3", "Content-Length: 3"], ["Content-Length: -1"]])
async def test_a_head_that_is_no_good_calls_no_application(web: Web, lines: list[str]) -> None:
    async with line(web) as (reader, writer):
        writer.write(head("PUT", "/sink", *lines) + b"abc")
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"200" not in answer


async def test_an_upgrade_with_a_body_stays_http(web: Web) -> None:
    async with line(web) as (reader, writer):
        lines = ["Upgrade: websocket", "Connection: Upgrade", "Content-Length: 3", "Sec-WebSocket-Version: 13"]
        writer.write(head("GET", "/sink", *lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") + b"abc")
        assert await answered(reader) == b"3"
