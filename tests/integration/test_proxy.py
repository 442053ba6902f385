"""Requests for a server in a sandbox, byte for byte: real web, real agent, and a server that says anything."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.port_server import PortServer, port_server, socket_server
from tests.proxy_rig import Rig, rig
from tests.services import free_port

MB = 1024 * 1024
DEADLINE = 20.0


@pytest.fixture(scope="module")
def target() -> int:
    return free_port()


@pytest.fixture(scope="module")
def web(target: int) -> Iterator[Rig]:
    with rig(target) as running:
        yield running


@pytest.fixture
async def server(target: int) -> AsyncIterator[PortServer]:
    async with port_server(target) as running:
        yield running


@pytest.fixture
async def http(web: Rig) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {web.token}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{web.port}", headers=headers, read_bufsize=65536) as session:
        yield session


@asynccontextmanager
async def line(web: Rig) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a test says what it likes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    try:
        async with asyncio.timeout(DEADLINE):
            yield reader, writer
    finally:
        writer.close()


def head(web: Rig, method: str = "GET", path: str = "/", *lines: str, secret: str = "") -> bytes:
    first = [f"{method} {web.path}{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {secret or web.token}"]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(-1), DEADLINE)


# --- What passes ---


async def test_path_query_method_and_headers_pass_as_they_came(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        lines = [
            "X-Mine:  a b",
            "Cookie: a=1; sessionid=s; b=2",
            "Cookie: csrftoken=t",
            "Accept: x",
            "Connection: close",
        ]
        writer.write(head(web, "PURGE", "/a%2Fb/../c;d//?q=1&r=%20+&identifier=x", *lines))
        answer = await until_closed(reader)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    seen = server.heads[0].decode()
    assert seen.startswith("PURGE /a%2Fb/../c;d//?q=1&r=%20+&identifier=x HTTP/1.1\r\n")
    for line_ in ("x-mine: a b", "cookie: a=1; b=2", "accept: x", f"Host: 127.0.0.1:{server.port}",
                  "x-forwarded-for: 127.0.0.1", "x-forwarded-host: localhost", "x-forwarded-proto: http",
                  f"x-forwarded-prefix: {web.path}"):  # fmt: skip
        assert f"\r\n{line_}\r\n" in seen
    assert not any(secret in seen for secret in (web.token, "sessionid", "csrftoken", "Authorization"))


async def test_an_identifier_finds_its_session(web: Rig, server: PortServer, http: aiohttp.ClientSession) -> None:
    async with http.get(web.by_name) as response:
        assert response.status == 200
        assert f"/hello?identifier={web.session[:8]} " in (await response.json())["head"]
    async with http.get("/azure/elsewhere/target/?identifier=a") as response:
        assert response.status == 404
    async with http.get("/azure/acme/target/") as response:
        assert (response.status, (await response.json())["error"]) == (400, "no_identifier")
    async with http.get("/azure/acme/code/?identifier=a") as response:
        assert (response.status, (await response.json())["error"]) == (404, "no_target_port")


async def test_any_port_where_code_runs_and_the_target_elsewhere(
    web: Rig, server: PortServer, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"/api/v1/sessions/{web.code}/ports/{server.port}/x") as response:
        assert (response.status, (await response.json())["size"]) == (200, 0)
    async with http.get(f"/api/v1/sessions/{web.session}/ports/{server.port + 1}/x") as response:
        assert (response.status, (await response.json())["error"]) == (404, "no_such_port")
    async with http.get(f"/api/v1/sessions/{web.code}/ports/{free_port()}/x") as response:
        assert (response.status, (await response.json())["error"]) == (502, "nothing_there")


async def test_an_authorization_of_the_servers_own_passes_beside_ours(web: Rig, server: PortServer) -> None:
    ours = {"X-Thermae-Authorization": f"Bearer {web.token}", "Authorization": "Basic eDp5", "X-Thermae-Else": "1"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{web.port}", headers=ours) as http, http.get(web.path) as got:
        assert got.status == 200
    seen = server.heads[0].decode().lower()
    assert "\r\nauthorization: basic edp5\r\n" in seen
    assert "thermae" not in seen.replace("x-forwarded-prefix", "")


async def test_both_directions_stream_at_once(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "POST", "/both", "Transfer-Encoding: chunked"))
        for word in (b"one", b"two"):
            writer.write(b"3\r\n%b\r\n" % word)
            assert (await reader.readuntil(b"\r\n" + word + b"\r\n")).endswith(b"3\r\n" + word + b"\r\n")
        writer.write(b"0\r\nX-Sum: 6\r\n\r\n")
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")
    assert b"x-sum: 6\r\n" in server.heads  # the request's trailer


async def test_events_arrive_one_by_one(web: Rig, server: PortServer, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{web.path}/events") as response:
        assert response.status == 200  # before the first event
        for number in range(3):
            server.say.set()
            assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), DEADLINE) == b"data: %d\n\n" % number


async def test_trailers_of_an_answer_pass_and_framing_in_them_does_not(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "GET", "/trailers", "TE: trailers", "Connection: TE"))
        answer = await reader.readuntil(b"x-sum: 6\r\n\r\n")
    assert b"Trailer: X-Sum\r\n" in answer
    assert answer.endswith(b"3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n")
    assert b"TE: trailers" in server.heads[0]


async def test_early_hints_and_go_aheads_pass(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "GET", "/hints"))
        assert await reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        )
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.write(head(web, "PUT", "/asked", "Expect: 100-continue", "Content-Length: 3"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert b'"size": 3' in await reader.readuntil(b"}")


async def test_a_server_that_refuses_a_body_unseen_is_heard_before_it_is_sent(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "PUT", "/refuses", "Expect: 100-continue", f"Content-Length: {100 * MB}"))
        answer = await until_closed(reader)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"no")


async def test_an_answer_to_half_a_body_arrives_and_ends_the_connection(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "PUT", "/refuses", f"Content-Length: {100 * MB}"))

        async def send() -> None:
            for _ in range(20):
                writer.write(b"x" * MB)
                await writer.drain()

        sending = asyncio.create_task(send())
        answer = await until_closed(reader)
        await asyncio.gather(sending, return_exceptions=True)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"no")


@pytest.mark.parametrize(
    ("raw", "method", "expected"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", b"HTTP/1.1 204 No Content\r\n"),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", "GET", b"HTTP/1.1 304 Not Modified\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", "GET", b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_answers_without_a_body_or_a_length(
    web: Rig, server: PortServer, raw: bytes, method: str, expected: bytes
) -> None:
    server.raw = raw
    async with line(web) as (reader, writer):
        for _ in range(2):  # the connection is kept
            writer.write(head(web, method, "/raw"))
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(expected)
            if raw.endswith(b"old"):
                assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nold\r\n0\r\n\r\n"


# --- Hostile ---


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Content-Length: 3", "Content-Length: 4"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: x, chunked"],
        ["Content-Length: +3"],
        ["X-A: b\nX-B: c"],
        ["Host: evil.example"],
        ["X-Bad Name: 1"],
    ],
)
async def test_what_two_readers_would_read_differently_reaches_no_sandbox(
    web: Rig, server: PortServer, lines: list[str]
) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "POST", "/echo", *lines) + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 400 ")
    assert server.heads == []


async def test_a_folded_header_arrives_as_one_line(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "GET", "/", "X-Folded: a\r\n Authorization: Basic x", "Connection: close"))
        await until_closed(reader)
    assert b"\r\nx-folded: a Authorization: Basic x\r\n" in server.heads[0]


async def test_connection_names_nothing_that_is_said_for_safety(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        named = "Connection: close, authorization, x-forwarded-for, content-length, host"
        writer.write(head(web, "POST", "/", named, "X-Forwarded-For: 6.6.6.6", "Content-Length: 3") + b"abc")
        assert b'"size": 3' in await until_closed(reader)
    seen = server.heads[0]
    assert b"\r\nx-forwarded-for: 127.0.0.1\r\n" in seen
    assert b"6.6.6.6" not in seen
    assert web.token.encode() not in seen


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: sessionid=evil\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nraw",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    ],
)
async def test_an_answer_that_is_none_is_a_502_in_words(
    web: Rig, server: PortServer, http: aiohttp.ClientSession, raw: bytes
) -> None:
    server.raw = raw
    async with http.get(f"{web.path}/raw") as response:
        assert (response.status, (await response.json())["error"]) == (502, "not_http")
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"])
async def test_an_answer_that_breaks_off_is_seen_to(
    web: Rig, server: PortServer, http: aiohttp.ClientSession, framing: bytes
) -> None:
    server.raw = b"HTTP/1.1 200 OK\r\n" + framing
    with pytest.raises(aiohttp.ClientError):
        async with http.get(f"{web.path}/raw") as response:
            await response.read()


async def test_on_our_own_origin_an_answer_is_sandboxed(
    web: Rig, server: PortServer, http: aiohttp.ClientSession
) -> None:
    server.raw = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: sessionid=x\r\n"
        b"Set-Cookie: own=1; Domain=localhost; Path=/\r\n"
        b"Clear-Site-Data: *\r\nAlt-Svc: h3=x\r\nContent-Security-Policy: default-src *\r\nX-Thermae-Refused: 0\r\n\r\n"
    )
    async with http.get(f"{web.path}/raw") as response:
        assert response.status == 200
        assert response.headers.getall("Set-Cookie") == ["own=1; Path=/"]
        assert response.headers.getall("Content-Security-Policy") == ["default-src *", "sandbox"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert not {"Clear-Site-Data", "Alt-Svc", "X-Thermae-Refused"} & set(response.headers)


async def test_a_client_that_leaves_stops_the_server(web: Rig, server: PortServer) -> None:
    async with line(web) as (reader, writer):
        writer.write(head(web, "GET", "/endless"))
        await reader.readexactly(MB)
        writer.transport.abort()
    await asyncio.wait_for(server.left.wait(), DEADLINE)


async def test_a_use_is_noted(web: Rig, server: PortServer, http: aiohttp.ClientSession) -> None:
    before = await asyncio.to_thread(web.console.last_used, session=web.session)
    async with http.get(f"{web.path}/events") as response:  # nothing is said for longer than a note takes
        await asyncio.sleep(4.5)
        assert await asyncio.to_thread(web.console.last_used, session=web.session) > before + 2
        response.close()


async def test_what_is_revoked_is_refused_soon_in_the_middle_too(web: Rig, server: PortServer) -> None:
    await asyncio.to_thread(lambda: web.console.person(name="gone", tenant="acme"))
    secret = await asyncio.to_thread(lambda: web.console.token(name="gone"))
    async with line(web) as (reader, writer), line(web) as (other, again):
        writer.write(head(web, "GET", "/events", secret=secret))
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.to_thread(lambda: web.console.revoke(name="gone"))
        began = time.monotonic()
        with pytest.raises(ConnectionResetError):
            await until_closed(reader)
        assert time.monotonic() - began < 4
        again.write(head(web, "GET", "/", secret=secret))
        assert (await other.readline()).startswith(b"HTTP/1.1 401 ")


# --- WebSocket ---


@pytest.fixture
async def sockets(web: Rig, http: aiohttp.ClientSession) -> AsyncIterator[Any]:
    async with socket_server() as port:

        def connect(path: str = "/", **options: Any) -> Any:
            return http.ws_connect(f"/api/v1/sessions/{web.code}/ports/{port}{path}", **options)

        yield connect


async def test_websockets_pass_with_subprotocol_frames_and_headers(web: Rig, sockets: Any) -> None:
    async with sockets("/a;b?c=d", protocols=["else", "chat"], max_msg_size=0) as socket:
        assert socket.protocol == "chat"
        for size in (0, 10, 70_000, 5 * MB):
            await socket.send_bytes(b"x" * size)
            assert len(await socket.receive_bytes(timeout=DEADLINE)) == size
        await socket.send_str("grüße")
        assert await socket.receive_str(timeout=DEADLINE) == "grüße"
        await socket.send_str("headers")
        seen = dict(json.loads(await socket.receive_str(timeout=DEADLINE)))
        assert web.token not in str(seen)
        assert seen["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_close_codes_pass_both_ways(sockets: Any, code: int) -> None:
    async with sockets() as socket:
        await socket.send_str(f"close {code}")
        message = await socket.receive(timeout=DEADLINE)
        assert (message.data, message.extra) == (code, "as told")
    if code in (1000, 3000, 4999):
        socket = await sockets()
        await socket.close(code=code)
        async with sockets() as other:
            deadline = time.monotonic() + DEADLINE
            while True:
                await other.send_str("closed")
                if code in json.loads(await other.receive_str(timeout=DEADLINE))[1:]:
                    break
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


async def test_a_handshake_is_refused_with_a_status(web: Rig, sockets: Any, http: aiohttp.ClientSession) -> None:
    for path, status in (("/no", 418),):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await sockets(path)
        assert refused.value.status == status
    for address, status in (
        (f"/api/v1/sessions/{web.code}/ports/{free_port()}/", 502),
        (f"/api/v1/sessions/{web.port:08d}-0000-4000-8000-000000000000/proxy/", 404),
        ("/azure/acme/target/", 400),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(address)
        assert refused.value.status == status


async def test_a_token_comes_as_a_subprotocol_and_is_not_passed_on(web: Rig) -> None:
    async with socket_server() as port, aiohttp.ClientSession(f"http://127.0.0.1:{web.port}") as stranger:
        path = f"/api/v1/sessions/{web.code}/ports/{port}/"
        async with stranger.ws_connect(path, protocols=["chat", f"bearer.{web.token}"]) as socket:
            assert socket.protocol == "chat"
            await socket.send_str("headers")
            seen = dict(json.loads(await socket.receive_str(timeout=DEADLINE)))
            assert seen["sec-websocket-protocol"] == "chat"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stranger.ws_connect(path)
        assert refused.value.status == 401


async def test_a_websocket_ends_soon_after_its_token(web: Rig) -> None:
    await asyncio.to_thread(lambda: web.console.person(name="left", tenant="acme"))
    secret = await asyncio.to_thread(lambda: web.console.token(name="left"))
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        socket_server() as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{web.port}", headers=headers) as http,
        http.ws_connect(f"/api/v1/sessions/{web.code}/ports/{port}/") as socket,
    ):
        await asyncio.to_thread(lambda: web.console.revoke(name="left"))
        began = time.monotonic()
        message = await socket.receive(timeout=DEADLINE)
        assert message.data == 4401
        assert time.monotonic() - began < 4


async def test_the_end_of_a_session_ends_its_streams(web: Rig, server: PortServer) -> None:
    session = "11111111-0000-4000-8000-000000000000"
    await asyncio.to_thread(lambda: web.lease(session, server.port))
    async with line(web) as (reader, writer):
        writer.write(head(web, "GET", "/events").replace(web.session.encode(), session.encode()))
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.to_thread(lambda: web.console.end(session=session))
        with pytest.raises(ConnectionResetError):
            await until_closed(reader)


# --- Large ---


async def test_large_bodies_leave_memory_flat(web: Rig, server: PortServer, http: aiohttp.ClientSession) -> None:
    size = 100 * MB
    before = web.memory(web.web), web.memory(web.agent.process)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // MB):
            yield b"x" * MB

    async with http.put(f"{web.path}/echo", data=body()) as response:
        assert (await response.json())["size"] == size
    received = 0
    async with http.get(f"{web.path}/down?bytes={size}") as response:
        await asyncio.sleep(1)  # a reader that lags
        async for piece in response.content.iter_any():
            received += len(piece)
    assert received == size
    after = web.memory(web.web), web.memory(web.agent.process)
    assert after[0] - before[0] < 32 * MB
    assert after[1] - before[1] < 16 * MB
