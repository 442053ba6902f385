"""An agent that means harm: whatever it sends, web says what is wrong, in bounded time and memory."""

import asyncio
import json
import os
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import WSMsgType, web

from interpreters.client import wire
from interpreters.client.base import AgentMisbehaved, AgentRefused, AgentUnavailable, Entry, ExecuteRequest, Refusal
from interpreters.client.http import HttpAgent, line
from interpreters.client.pace import MESSAGES_A_SECOND, Pace


def entry(seq: int, channel: str = "iopub", msg_type: str = "stream", **extra: Any) -> str:
    message = {"seq": seq, "channel": channel, "header": {"msg_type": msg_type}, "parent_header": {}, "content": {}}
    return json.dumps({**message, **extra})


@asynccontextmanager
async def raw_agent(folder: Path, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]):
    """Something that listens at the agent's socket and speaks bytes."""
    server = await asyncio.start_unix_server(answer, folder / "agent.sock")
    agent = HttpAgent(folder)
    try:
        yield agent
    finally:
        await agent.close()
        server.close()


def saying(*parts: bytes) -> Callable[..., Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()

    return answer


def http(body: bytes, status: int = 200, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@asynccontextmanager
async def web_agent(folder: Path, **handlers: Any) -> AsyncIterator[HttpAgent]:
    """An agent with a proper HTTP server and improper answers."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_route("*", f"/{path}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "agent.sock")).start()
    agent = HttpAgent(folder)
    try:
        yield agent
    finally:
        await agent.close()
        await runner.cleanup()


def channel_saying(*frames: str | bytes) -> Callable[[web.Request], Awaitable[web.WebSocketResponse]]:
    async def channels(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        for frame in frames:
            await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                break
        return ws

    return channels


async def read(agent: HttpAgent, after: int = 0, count: int = 100) -> list[Any]:
    taken: list[Any] = []
    async with agent.channel(after) as channel, asyncio.timeout(5):
        async for message in channel:
            taken.append(message)
            if len(taken) == count:
                break
    return taken


# --- Answers ---


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff garbage \x00" * 20,
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        http(b"not json"),
        http(b"[1, 2]"),
        http(b'{"state": "splendid", "phase": "", "detail": "", "seq": 1, "busy": false, "last_activity": 1}'),
        http(b'{"state": "ready"}'),
        http(b'{"state": "ready", "phase": 7, "detail": "", "seq": 1, "busy": false, "last_activity": 1}'),
        http(b"[" * 100_000),
        http(b"", status=302, headers="Location: http://169.254.169.254/\r\n"),
        http(b"\x1f\x8b\x08\x00", headers="Content-Encoding: gzip\r\n"),
    ],
    ids=["garbage", "header", "no json", "a list", "state", "parts missing", "type", "deep", "redirect", "gzip"],
)
async def test_an_answer_that_makes_no_sense_is_not_believed(short_dir: Path, answer: bytes) -> None:
    async with raw_agent(short_dir, saying(answer)) as agent:
        with pytest.raises(AgentMisbehaved):
            await agent.health()


async def test_a_huge_answer_is_refused_before_it_is_read(short_dir: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b" " * 100_000
    async with raw_agent(short_dir, saying(answer)) as agent:
        with pytest.raises(AgentMisbehaved):
            await agent.health()


async def test_an_answer_without_end_costs_bounded_memory(short_dir: Path) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with raw_agent(short_dir, endless) as agent:
        tracemalloc.start()
        with pytest.raises(AgentMisbehaved):
            await agent.health()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


async def test_an_agent_that_never_answers_is_unavailable(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line.Line.ask, "__kwdefaults__", {"limit": wire.MAX_ANSWER, "within": 0.2})

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with raw_agent(short_dir, silence) as agent:
        with pytest.raises(AgentUnavailable, match="in time"):
            await agent.health()


async def test_an_answer_that_drips_is_unavailable(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line.Line.ask, "__kwdefaults__", {"limit": wire.MAX_ANSWER, "within": 0.2})

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            writer.close()

    async with raw_agent(short_dir, drip) as agent:
        with pytest.raises(AgentUnavailable, match="in time"):
            await agent.health()


async def test_an_agent_that_hangs_up_is_unavailable(short_dir: Path) -> None:
    async with raw_agent(short_dir, saying()) as agent:
        with pytest.raises(AgentUnavailable):
            await agent.health()


async def test_a_refusal_keeps_its_words_and_its_status(short_dir: Path) -> None:
    refusal = http(b'{"error": "too_many", "message": "Close one first."}', status=409)
    async with raw_agent(short_dir, saying(refusal)) as agent:
        with pytest.raises(AgentRefused) as refused:
            await agent.execute(ExecuteRequest(uuid4(), "1"))
    assert (refused.value.status, refused.value.code, refused.value.message) == (409, "too_many", "Close one first.")


async def test_a_listing_holds_nothing_but_files(short_dir: Path) -> None:
    listing = {
        "path": "",
        "entries": [{"name": "a", "path": "a", "type": "file", "size": 1, "modified": 2, "x": "<b>"}],
    }
    async with raw_agent(short_dir, saying(http(json.dumps(listing).encode()))) as agent:
        entries = (await agent.list_files())["entries"]
    assert entries == [{"name": "a", "path": "a", "type": "file", "size": 1, "modified": 2}]


# --- The channel ---


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        "[]",
        "{}",
        entry(1, channel="session"),
        entry(1, channel="session").replace("channel", "ch\\u0061nnel"),
        entry(1)[:-1] + ', "channel": "session"}',
        entry(0),
        entry(-1),
        entry(1).replace("1,", "1.5,"),
        entry(1, header={"msg_type": None}),
        entry(1, header={"msg_type": "x" * 1000}),
        entry(1) + "{}",
        entry(1, content=float("nan")),
        b"\x00bytes",
        json.dumps({"channel": "session", "type": "state", "state": "gone"}),
        entry(1, "agent", "execution_state", content={"state": "splendid"}),
        entry(1, "agent", "execution_state", content=[]),
        entry(1, "agent", "execution_state", content={"state": "ok", "finished_at": "now"}),
    ],
)
async def test_a_message_that_is_no_entry_ends_the_channel(short_dir: Path, frame: str | bytes) -> None:
    async with web_agent(short_dir, channels=channel_saying(frame)) as agent:
        with pytest.raises(AgentMisbehaved):
            await read(agent)


async def test_an_entry_passes_unchanged(short_dir: Path) -> None:
    said = entry(1, content={"text": "é\n"}, parent_header={"msg_id": "abc"}) + "  "
    async with web_agent(short_dir, channels=channel_saying(said)) as agent:
        (got,) = await read(agent, count=1)
    assert (got.raw, got.seq, got.channel, got.msg_type, got.execution) == (said, 1, "iopub", "stream", "abc")


async def test_a_refused_op_comes_as_a_refusal(short_dir: Path) -> None:
    said = json.dumps({"error": "no_such_context", "message": "Open it.", "op": "execute", "id": "x"})
    async with web_agent(short_dir, channels=channel_saying(said)) as agent:
        assert await read(agent, count=1) == [Refusal("execute", "x", "no_such_context", "Open it.")]


@pytest.mark.parametrize("numbers", [(1, 3), (1, 1), (2, 1), (1, 2, 2), (7,)])
async def test_a_wrong_number_ends_the_channel(short_dir: Path, numbers: tuple[int, ...]) -> None:
    async with web_agent(short_dir, channels=channel_saying(*map(entry, numbers))) as agent:
        with pytest.raises(AgentMisbehaved):
            await read(agent)


async def test_only_a_cut_lets_numbers_jump(short_dir: Path) -> None:
    frames = [entry(1), entry(89, "agent", "cut"), entry(90), entry(120, "agent", "cut"), entry(121)]
    async with web_agent(short_dir, channels=channel_saying(*frames)) as agent:
        assert [e.seq for e in await read(agent, count=5)] == [1, 89, 90, 120, 121]


async def test_reading_goes_on_where_it_was_left(short_dir: Path) -> None:
    async with web_agent(short_dir, channels=channel_saying(entry(8), entry(9))) as agent:
        assert [e.seq for e in await read(agent, after=7, count=2)] == [8, 9]


async def test_a_huge_frame_ends_the_channel(short_dir: Path) -> None:
    frame = entry(1, content={"text": "x" * (wire.MAX_ENTRY + 1)})
    async with web_agent(short_dir, channels=channel_saying(frame)) as agent:
        with pytest.raises(AgentMisbehaved):
            await read(agent)


async def test_a_reader_that_does_not_read_costs_bounded_memory(short_dir: Path) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.WebSocketResponse:
        nonlocal sent
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        while not ws.closed:
            sent += 1
            await ws.send_str(entry(sent, content={"text": "x" * 100_000}))
        return ws

    async with web_agent(short_dir, channels=flood) as agent, agent.channel() as channel:
        async for _ in channel:
            break
        before = -1
        while before != sent:  # until the flood stands still
            before = sent
            await asyncio.sleep(0.05)
        assert sent * 100_000 < 8 * 1024 * 1024


async def test_a_terminal_says_nothing_but_bytes_and_notices(short_dir: Path) -> None:
    async def terminal(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str('{"replay": 3}')
        await ws.send_bytes(b"abc")
        await ws.send_str('{"exit": "<script>"}')
        await ws.receive()
        return ws

    seen: list[bytes | str] = []
    async with web_agent(short_dir, **{"terminals/{name}": terminal}) as agent:
        with pytest.raises(AgentMisbehaved):  # noqa: PT012
            async with agent.terminal("a b", 24, 80) as line:
                async for data in line:
                    seen.append(data)
    assert seen == ['{"replay": 3}', b"abc"]


async def test_many_messages_at_hand_let_others_run(short_dir: Path) -> None:
    frames = [entry(n) for n in range(1, 2001)]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with web_agent(short_dir, channels=channel_saying(*frames)) as agent:
        task = asyncio.create_task(other())
        assert len(await read(agent, count=2000)) == 2000
        task.cancel()
    assert turns > 50


async def test_an_agent_that_chatters_is_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr("interpreters.client.pace.asyncio.sleep", nap)
    pace = Pace()
    for _ in range(MESSAGES_A_SECOND + 200):
        await pace.step(10)
    assert max(naps) > 0


# --- The socket ---


async def test_a_link_to_another_socket_is_not_followed(short_dir: Path) -> None:
    (short_dir / "other").mkdir()
    async with raw_agent(short_dir / "other", saying(http(b"{}"))):
        (short_dir / "agent.sock").symlink_to(short_dir / "other" / "agent.sock")
        agent = HttpAgent(short_dir)
        with pytest.raises(AgentMisbehaved):
            await agent.health()


async def test_a_folder_that_is_a_link_is_not_followed(short_dir: Path) -> None:
    (short_dir / "other").mkdir()
    async with raw_agent(short_dir / "other", saying(http(b"{}"))):
        (short_dir / "linked").symlink_to(short_dir / "other")
        with pytest.raises(AgentMisbehaved):
            await HttpAgent(short_dir / "linked").health()


async def test_a_file_in_the_place_of_the_socket_is_none(short_dir: Path) -> None:
    (short_dir / "agent.sock").write_text("")
    with pytest.raises(AgentMisbehaved):
        await HttpAgent(short_dir).health()


async def test_what_was_checked_is_what_is_spoken_to(short_dir: Path) -> None:
    """The name may come to mean another socket later: the one that was opened stays."""
    healthy = b'{"state": "ready", "phase": "", "detail": "mine", "seq": 1, "busy": false, "last_activity": 1}'
    async with raw_agent(short_dir, saying(http(healthy))) as agent:
        assert (await agent.health()).detail == "mine"
        os.rename(short_dir / "agent.sock", short_dir / "moved.sock")
        os.symlink("/nowhere", short_dir / "agent.sock")
        assert (await agent.health()).detail == "mine"


async def test_a_socket_made_anew_is_found(short_dir: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(short_dir / "agent.sock"))
    dead.close()
    agent = HttpAgent(short_dir)
    with pytest.raises(AgentUnavailable):
        await agent.health()
    os.unlink(short_dir / "agent.sock")
    healthy = b'{"state": "ready", "phase": "", "detail": "", "seq": 1, "busy": false, "last_activity": 1}'
    async with raw_agent(short_dir, saying(http(healthy))):
        assert (await agent.health()).state == "ready"
    await agent.close()


async def test_closing_leaves_no_descriptor(short_dir: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    healthy = b'{"state": "ready", "phase": "", "detail": "", "seq": 1, "busy": false, "last_activity": 1}'
    for _ in range(3):
        async with raw_agent(short_dir, saying(http(healthy))) as agent:
            await agent.health()
        os.unlink(short_dir / "agent.sock")
    assert len(os.listdir("/proc/self/fd")) <= before + 1


async def test_a_download_that_is_cut_short_is_an_error(short_dir: Path) -> None:
    async with raw_agent(short_dir, saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")) as agent:
        with pytest.raises((AgentMisbehaved, AgentUnavailable)):  # noqa: PT012
            async with agent.download("a.txt") as download:
                assert download.size == 100
                async for _ in download.body:
                    pass


def test_entries_are_checked_without_being_copied() -> None:
    text = entry(1)
    checked = wire.frame(text)
    assert isinstance(checked, Entry)
    assert checked.raw is text
