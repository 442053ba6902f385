"""The agent's HTTP and WebSocket, spoken to by a client that is not ours."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from interpreters.agent.errors import Refusal
from interpreters.agent.http import MAX_BODY, Request, Response, answer, serve
from interpreters.agent.websocket import BINARY, WebSocket, unmask


async def numbers() -> AsyncGenerator[bytes, None]:
    for number in range(100):
        yield b"%d\n" % number


async def handle(request: Request) -> Response | None:
    match request.method, request.path:
        case "POST", "/echo":
            return answer({"got": await request.json(), "query": request.query})
        case "PUT", "/count":
            return answer(sum([len(piece) async for piece in request.body()]))
        case _, "/refuse":
            raise Refusal(409, "no", "not now")
        case _, "/crash":
            raise ZeroDivisionError
        case "GET", "/numbers":
            return Response(200, numbers(), "text/plain")
        case "GET", "/number":
            return answer(request.number("n", 7, 100))
        case "GET", "/socket":
            socket = WebSocket.accept(request, 1000)
            async for message in socket:
                kind = {"kind": BINARY} if isinstance(message, bytes) else {}
                socket.send(message if isinstance(message, bytes) else message.encode(), **kind)
            return None
    return answer({"path": request.path, "method": request.method})


@pytest.fixture
async def path(short_dir: Path) -> AsyncIterator[str]:
    server = await serve(f"{short_dir}/a.sock", handle, lambda pid, uid: uid == os.getuid())
    yield f"{short_dir}/a.sock"
    server.close()


@pytest.fixture
async def client(path: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://agent", connector=aiohttp.UnixConnector(path, limit=1)) as session:
        yield session


async def test_one_connection_serves_many_requests(client: aiohttp.ClientSession) -> None:
    for number in range(20):
        async with client.post("/echo", json={"n": number}, params={"a": "ü b"}) as response:
            assert await response.json() == {"got": {"n": number}, "query": {"a": "ü b"}}
    async with client.get("/gr%C3%BC%C3%9Fe/a%2Fb") as response:
        assert (await response.json())["path"] == "/grüße/a/b"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 5_000_000])
async def test_bodies_of_a_length_and_in_chunks_arrive(client: aiohttp.ClientSession, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, size, 70_000):
            yield b"x" * min(70_000, size - at)

    for body in (b"x" * size, chunks()):
        async with client.put("/count", data=body) as response:
            assert await response.json() == size
        async with client.put("/count", data=b"abc", expect100=True) as response:
            assert await response.json() == 3


async def test_an_answer_can_be_streamed(client: aiohttp.ClientSession) -> None:
    async with client.get("/numbers") as response:
        assert (await response.text()).split() == [str(number) for number in range(100)]


async def test_a_refusal_has_words(client: aiohttp.ClientSession) -> None:
    async with client.get("/refuse") as response:
        assert (response.status, await response.json()) == (409, {"error": "no", "message": "not now"})
    async with client.get("/crash") as response:
        assert (response.status, (await response.json())["error"]) == (500, "internal")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_a_bad_request(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post("/echo", data=body) as response:
        assert response.status == 400
        assert (await response.json())["message"]


async def test_a_body_over_its_bound_is_refused_and_the_client_hears_it(client: aiohttp.ClientSession) -> None:
    async with client.post("/echo", data=b" " * (MAX_BODY + 4_000_000)) as response:
        assert response.status == 413
    async with client.post("/echo", json={}) as response:
        assert response.status == 200


@pytest.mark.parametrize("text", ["-1", "x", "101", "1.5", "", "٣"])
async def test_a_number_is_checked(client: aiohttp.ClientSession, text: str) -> None:
    async with client.get("/number", params={"n": text}) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PUT /count HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX",
    ],
)
async def test_what_is_not_http_ends_the_connection_and_nothing_else(
    path: str, client: aiohttp.ClientSession, garbage: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(garbage)
    writer.write_eof()
    assert b" 200 " not in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    async with client.get("/") as response:
        assert response.status == 200


async def test_who_is_not_welcome_gets_no_answer(short_dir: Path) -> None:
    server = await serve(f"{short_dir}/b.sock", handle, lambda *_: False)
    reader, writer = await asyncio.open_unix_connection(f"{short_dir}/b.sock")
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    server.close()


# --- WebSocket


async def test_messages_go_both_ways(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/socket") as socket:
        for size in (0, 1, 125, 126, 1000):
            await socket.send_str("é" * (size // 2))
            assert await socket.receive_str() == "é" * (size // 2)
            await socket.send_bytes(os.urandom(size))
            assert len(await socket.receive_bytes()) == size
        await socket.ping(b"here?")
        await socket.send_str("after")
        assert await socket.receive_str() == "after"


async def test_a_message_over_its_bound_closes_with_1009(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/socket") as socket:
        await socket.send_bytes(b"x" * 1001)
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1009


@pytest.mark.parametrize(
    "frame", [b"\x81\x01x", b"\xf1\x81mask0", b"\x81\xff" + b"\xff" * 8 + b"mask", b"\x81\x81xxxx\xff"]
)
async def test_frames_that_break_the_rules_end_it(path: str, frame: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n" + frame)
    assert b"101 Switching" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_a_plain_request_to_a_socket_is_told_so(client: aiohttp.ClientSession) -> None:
    async with client.get("/socket") as response:
        assert response.status == 400
        assert "WebSocket" in json.loads(await response.text())["message"]


def test_unmasking_is_the_standards_xor() -> None:
    for size in range(40):
        data, mask = os.urandom(size), os.urandom(4)
        assert unmask(data, mask) == bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
