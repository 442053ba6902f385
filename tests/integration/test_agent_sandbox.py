"""Beside the kernel: files, archives, terminals, usage and ports of a sandbox, through its agent."""

import asyncio
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.agent_process import AgentProcess, Talk, alive, children, talk

DEADLINE = 30


@pytest.fixture(scope="module")
def agent() -> Iterator[AgentProcess]:
    pytest.importorskip("ipykernel")
    process = AgentProcess(environment={"PS1": "$ ", "COLOUR": "blue"}, DISK_LIMIT="123456789", PIDS_LIMIT="77").wait()
    yield process
    process.stop()


@pytest.fixture
async def sandbox(agent: AgentProcess) -> AsyncIterator[Talk]:
    async with talk(agent) as one:
        yield one


# --- Files


async def test_a_file_goes_in_and_comes_out(sandbox: Talk, agent: AgentProcess) -> None:
    data = os.urandom(3_000_000)
    await sandbox.ask("PUT", "/files/new/folder/dät%20a.bin", status=204, data=data)
    assert (agent.work / "new/folder/dät a.bin").read_bytes() == data
    assert await sandbox.ask("GET", "/files/new/folder/dät%20a.bin") == data
    listed = await sandbox.ask("GET", "/files", params={"path": "new/folder"})
    (entry,) = listed["entries"]
    assert (listed["path"], entry["path"], entry["size"]) == ("new/folder", "new/folder/dät a.bin", len(data))
    assert entry["type"] == "file"
    assert abs(entry["modified"] - time.time()) < 3600
    await sandbox.ask("DELETE", "/files/new", status=204)
    assert not (agent.work / "new").exists()
    await sandbox.ask("GET", "/files/new/folder/x", status=404)


async def test_what_code_writes_is_there(sandbox: Talk) -> None:
    await sandbox.run("open('made.txt', 'w').write('by code')")
    assert await sandbox.ask("GET", "/files/made.txt") == b"by code"


async def test_a_write_over_what_changed_meanwhile_is_refused_and_ends_nothing(sandbox: Talk) -> None:
    await sandbox.run("open('a.txt', 'w').write('by code'); kept = 1")
    wrong = {"If-Match": '"0-0-0"'}
    answer = await sandbox.ask("PUT", "/files/a.txt", status=409, data=b"mine", headers=wrong)
    assert answer["error"] == "changed"
    await sandbox.ask("PUT", "/files/a.txt", status=409, data=b"mine", headers={"If-None-Match": "*"})
    assert await sandbox.ask("GET", "/files/a.txt") == b"by code"
    await sandbox.run("assert kept == 1")


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-4", 206, b"01234"),
        ("bytes=5-", 206, b"56789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=10-", 416, None),
        ("bytes=5-4", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=1-2,4-5", 416, None),
        ("lines=1-2", 416, None),
        ("bytes=" + "9" * 40 + "-", 416, None),
    ],
)
async def test_a_range_of_a_file(
    sandbox: Talk, agent: AgentProcess, asked: str, status: int, part: bytes | None
) -> None:
    (agent.work / "digits").write_bytes(b"0123456789")
    async with sandbox.http.get("/files/digits", headers={"Range": asked}) as response:
        assert response.status == status
        if part is None:
            assert response.headers["Content-Range"] == "bytes */10"
        else:
            assert await response.read() == part
            assert response.headers["Content-Range"].endswith("/10")


@pytest.mark.parametrize("path", ["..%2fagent.sock", "a%2f..%2f..%2fx", "%2fetc%2fpasswd", "a%00b", "link", "folder/x"])
async def test_nothing_outside_is_reached(sandbox: Talk, agent: AgentProcess, path: str) -> None:
    for link, target in (("link", "/etc/passwd"), ("folder", "/etc")):
        if not (agent.work / link).is_symlink():
            (agent.work / link).symlink_to(target)
    for method in ("GET", "PUT", "POST", "DELETE"):
        if path == "link" and method in ("PUT", "DELETE"):
            continue  # replaces, or removes, the link itself
        async with sandbox.http.request(method, URL(f"http://agent/files/{path}", encoded=True)) as response:
            assert response.status in (400, 404, 409)
            assert (await response.json())["message"]
    assert "root" not in os.listdir(agent.work)


async def test_an_upload_that_breaks_off_leaves_nothing(sandbox: Talk, agent: AgentProcess) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        raise ConnectionResetError

    before = sorted(os.listdir(agent.work))
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await sandbox.ask("PUT", "/files/half", data=half())
    await sandbox.until(lambda: same(agent.work, before))


async def same(folder: Path, names: list[str]) -> bool:
    return sorted(os.listdir(folder)) == names


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")
async def test_a_full_disk_is_said_and_leaves_no_part(tmp_path: Path) -> None:
    process = AgentProcess()
    small = process.work / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {small}"):
        process.stop()
        pytest.skip("cannot mount here")
    try:
        process.wait()
        async with talk(process) as one:
            answer = await one.ask("PUT", "/files/small/big", status=413, data=b"x" * 3_000_000)
            assert (answer["error"], "full" in answer["message"]) == ("disk_full", True)
            assert os.listdir(small) == []
            await one.ask("PUT", "/files/small/little", status=204, data=b"x" * 1000)
            data = io.BytesIO()
            with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a", b"\0" * 5_000_000)
            answer = await one.ask("POST", "/archive?path=small", status=413, data=data.getvalue())
            assert answer["error"] == "disk_full"
            assert os.listdir(small) == ["little"]
    finally:
        os.system(f"umount -l {small}")
        process.stop()


# --- Archives


async def test_a_folder_as_a_zip_and_back(sandbox: Talk, agent: AgentProcess) -> None:
    (agent.work / "tree/inner").mkdir(parents=True)
    (agent.work / "tree/inner/file").write_bytes(os.urandom(2_000_000))
    packed = await sandbox.ask("GET", "/archive", params={"path": "tree"})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["inner/", "inner/file"]
    (agent.work / "copy").mkdir()
    assert await sandbox.ask("POST", "/archive?path=copy", status=201, data=packed) == {"files": 1}
    assert (agent.work / "copy/inner/file").read_bytes() == (agent.work / "tree/inner/file").read_bytes()
    assert os.listdir(agent.work / "copy") == ["inner"]


async def test_a_bad_archive_is_refused_and_gone(sandbox: Talk, agent: AgentProcess) -> None:
    (agent.work / "target").mkdir()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../escaped", b"x")
    for bad in (b"garbage", data.getvalue()):
        answer = await sandbox.ask("POST", "/archive?path=target", status=400, data=bad)
        assert answer["message"]
    assert os.listdir(agent.work / "target") == []
    await sandbox.ask("GET", "/archive?path=none", status=404)


async def test_a_large_folder_streams_in_little_memory(sandbox: Talk, agent: AgentProcess) -> None:
    (agent.work / "large").mkdir()
    with open(agent.work / "large/noise", "wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    before, size = agent.memory, 0
    async with sandbox.http.get("/archive", params={"path": "large"}) as response:
        async for piece in response.content.iter_any():
            size += len(piece)
    assert size > 60 << 20
    async with sandbox.http.get("/files/large/noise") as response:
        async for piece in response.content.iter_any():
            size += len(piece)
    assert size > 120 << 20
    assert agent.memory - before < 16 << 20
    await sandbox.ask("DELETE", "/files/large", status=204)


async def test_a_client_that_leaves_ends_the_packing(sandbox: Talk, agent: AgentProcess) -> None:
    (agent.work / "noise").write_bytes(os.urandom(30 << 20))
    async with sandbox.http.get("/archive") as response:
        await response.content.readany()
        response.close()
    await sandbox.until(lambda: only_the_kernel(agent))


async def only_the_kernel(agent: AgentProcess) -> bool:
    return len([pid for pid in children(agent.host) if alive(pid)]) == 1


# --- Terminals


class Screen:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.shown = b""
        self.notices: list[dict[str, Any]] = []

    async def type(self, line: str) -> None:
        await self.socket.send_bytes(line.encode())

    async def until(self, words: bytes) -> bytes:
        while words not in self.shown:
            assert await self.step(), f"{words!r} is not in {self.shown[-500:]!r}"
        before, _, self.shown = self.shown.partition(words)
        return before

    async def step(self) -> bool:
        message = await self.socket.receive(DEADLINE)
        if message.type == aiohttp.WSMsgType.BINARY:
            self.shown += message.data
        elif message.type == aiohttp.WSMsgType.TEXT:
            self.notices.append(json.loads(message.data))
        return message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)


def terminal(sandbox: Talk, name: str, rows: int = 24, cols: int = 80) -> Any:
    return sandbox.http.ws_connect(f"/terminals/{name}", params={"rows": str(rows), "cols": str(cols)})


async def test_a_shell_is_typed_into_resized_and_left(sandbox: Talk, agent: AgentProcess) -> None:
    async with terminal(sandbox, "one", 30, 100) as socket:
        screen = Screen(socket)
        await screen.type("stty size; echo $COLOUR-$TERM; pwd; echo do''ne\n")
        said = await screen.until(b"done")
        assert screen.notices[0] == {"replay": 0}
        assert b"30 100" in said
        assert b"blue-xterm-256color" in said
        assert str(agent.work).encode() in said
        await socket.send_str('{"resize": [10, 40]}')
        for junk in ("{", '{"resize": "x"}', '{"resize": [1]}', '{"resize": [-5, 99999]}', '{"resize": [10, 40]}'):
            await socket.send_str(junk)
        await screen.type("stty size; echo ag''ain\n")
        assert b"10 40" in await screen.until(b"again")
        await screen.type("exit 3\n")
        while await screen.step():
            pass
        assert screen.notices[-1] == {"exit": 3}
    assert await sandbox.ask("GET", "/terminals") == []


async def test_who_comes_back_sees_what_was_there(sandbox: Talk) -> None:
    async with terminal(sandbox, "back") as socket:
        screen = Screen(socket)
        await screen.type("x=kept; echo fi''rst\n")
        await screen.until(b"first")
        async with terminal(sandbox, "back") as second:
            other = Screen(second)
            await other.until(b"first")
            await screen.type("echo sec''ond\n")
            await other.until(b"second")
    async with terminal(sandbox, "back") as socket:
        screen = Screen(socket)
        await screen.until(b"second")
        assert screen.notices[0]["replay"] > 0
        await screen.type("echo $x-again\n")
        await screen.until(b"kept-again")
    assert (await sandbox.ask("GET", "/health"))["busy"]
    await sandbox.ask("DELETE", "/terminals/back", status=204)
    await sandbox.until(lambda: only_the_kernel_runs(sandbox))


async def only_the_kernel_runs(sandbox: Talk) -> bool:
    return bool(await sandbox.ask("GET", "/terminals") == [])


async def test_a_flood_in_a_terminal_is_bounded_and_its_end_is_seen(sandbox: Talk, agent: AgentProcess) -> None:
    before = agent.memory
    async with terminal(sandbox, "flood") as stalled, terminal(sandbox, "flood") as socket:
        screen = Screen(socket)
        await screen.type("head -c 30000000 /dev/zero | tr '\\0' 'z'; echo; echo en''ded\n")
        await screen.until(b"\nended")
        late = Screen(stalled)
        await late.until(b"ended")
        assert agent.memory - before < 16 << 20
    async with terminal(sandbox, "flood") as socket:
        again = Screen(socket)
        await again.until(b"ended")
        assert again.notices[0]["replay"] <= 256 << 10
    await sandbox.ask("DELETE", "/terminals/flood", status=204)


async def test_the_ninth_terminal_is_refused(sandbox: Talk) -> None:
    names = [f"t{number}" for number in range(8)]
    sockets = [await terminal(sandbox, name) for name in names]
    try:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await terminal(sandbox, "ninth")
        assert refused.value.status == 409
        assert {one["name"] for one in await sandbox.ask("GET", "/terminals")} == set(names)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await terminal(sandbox, "bad%20name")
        assert refused.value.status in (400, 409)
    finally:
        for name, socket in zip(names, sockets, strict=True):
            await socket.close()
            await sandbox.ask("DELETE", f"/terminals/{name}", status=204)


async def test_a_large_paste_arrives_whole(sandbox: Talk, agent: AgentProcess) -> None:
    async with terminal(sandbox, "paste") as socket:
        screen = Screen(socket)
        await screen.type("stty -echo raw; echo rea''dy; head -c 1000000 | wc -c\n")
        await screen.until(b"ready")
        for _ in range(10):
            await socket.send_bytes(b"p" * 100_000)
        await screen.until(b"1000000")
    await sandbox.ask("DELETE", "/terminals/paste", status=204)


# --- Usage and ports


async def test_usage_says_how_much_of_what(sandbox: Talk) -> None:
    first = await sandbox.ask("GET", "/usage")
    running = await sandbox.start("while True: pass")
    await asyncio.sleep(0.5)
    second = await sandbox.ask("GET", "/usage")
    await sandbox.ask("DELETE", f"/executions/{running}")
    await sandbox.in_state(running, "error", "aborted")
    assert set(first) == {"cpu", "memory", "memory_limit", "pids", "pids_limit", "disk", "disk_limit"}
    assert (first["disk_limit"], first["pids_limit"]) == (123456789, 77)
    assert second["cpu"] > 0.1
    assert first["memory"] > 30 << 20
    assert first["memory_limit"] > first["memory"]
    assert first["pids"] >= 3


SERVER = """
import asyncio
from aiohttp import web
async def echo(request):
    answer = web.json_response({"method": request.method, "path": request.raw_path, "host": request.host,
        "body": (await request.text())[:50], "size": len(await request.read()),
        "headers": sorted(name.lower() for name in request.headers)})
    answer.set_cookie("a", "1"); answer.set_cookie("b", "2")
    return answer
async def stream(request):
    response = web.StreamResponse(); await response.prepare(request)
    for n in range(3):
        await response.write(b"%d\\n" % n); await asyncio.sleep(0.05)
    return response
async def socket(request):
    ws = web.WebSocketResponse(protocols=("chat",)); await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data.upper())
    return ws
app = web.Application(client_max_size=1 << 30)
app.router.add_get("/stream", stream); app.router.add_get("/ws", socket); app.router.add_route("*", "/{any:.*}", echo)
async def main():
    runner = web.AppRunner(app); await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0); await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Somebody's web server in the sandbox."""
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    yield int(await program.stdout.readline())
    program.kill()
    await program.wait()


async def test_http_passes_to_a_port_and_back(sandbox: Talk, port: int) -> None:
    headers = {"X-Mine": "1", "Proxy-Authorization": "secret", "TE": "gzip", "X-Thermae-Tenant": "acme"}
    async with sandbox.http.post(f"/proxy/{port}/a%2Fb/c?q=1&r=%20", data=b"body", headers=headers) as response:
        seen = await response.json()
        assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a%2Fb/c?q=1&r=%20", "body")
        assert seen["host"] == f"127.0.0.1:{port}"
        assert "x-mine" in seen["headers"]
        assert not {"proxy-authorization", "te", "x-thermae-tenant"} & set(seen["headers"])
        assert len(response.headers.getall("Set-Cookie")) == 2

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    async with sandbox.http.put(f"/proxy/{port}/", data=chunks()) as response:
        assert (await response.json())["size"] == 5_000_000


async def test_an_answer_streams_through(sandbox: Talk, port: int) -> None:
    async with sandbox.http.get(f"/proxy/{port}/stream") as response:
        first = time.monotonic()
        assert await response.content.readline() == b"0\n"
        assert (await response.read()).split() == [b"1", b"2"]
        assert time.monotonic() - first > 0.05


async def test_websockets_pass_to_a_port(sandbox: Talk, port: int) -> None:
    async with sandbox.http.ws_connect(f"/proxy/{port}/ws", protocols=["chat"]) as socket:
        assert socket.protocol == "chat"
        for word in ("hello", "x" * 200_000):
            await socket.send_str(word)
            assert await socket.receive_str() == word.upper()


async def test_a_port_where_nobody_or_nonsense_answers(sandbox: Talk) -> None:
    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\1nonsense\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert (await sandbox.ask("GET", f"/proxy/{port}/", status=502))["error"] == "not_http"
    assert (await sandbox.ask("GET", f"/proxy/{port}/", status=502))["error"] == "nothing_there"
    for bad in ("0", "70000", "x", "-1"):
        assert (await sandbox.ask("GET", f"/proxy/{bad}/", status=400))["message"]


async def test_an_answers_head_without_end_is_given_up(sandbox: Talk) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"X: " + b"x" * 10_000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            pass

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await sandbox.ask("GET", f"/proxy/{port}/", status=502))["error"] == "not_http"
