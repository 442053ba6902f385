"""What web may expect of an agent, whichever it is: the in-memory double, and the real one with a real kernel."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from interpreters.client.base import (
    Agent,
    AgentError,
    AgentRefused,
    AgentUnavailable,
    Entry,
    ExecuteRequest,
    Record,
    Refusal,
)
from interpreters.client.http import HttpAgent
from interpreters.client.memory import MemoryAgent, Run
from tests.agent_process import kernels
from tests.edges import ask, fail, hello, total

HELLO = "print('hello')"
SUM = "1 + 1"
FAIL = "raise ValueError('no')"
ASK = "print('you said', input('name? '))"
LOOP = "import time\nwhile True: time.sleep(0.01)"
DIE = "import os; os._exit(3)"
SURROGATE = "print('\\ud800')"
TALK = "for i in range(50): print(i, flush=True)"
DEADLINE = 30.0


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def until(question: Callable[[], Awaitable[Any]], deadline: float = DEADLINE) -> Any:
    """The first true answer."""
    end = time.monotonic() + deadline
    while not (answer := await question()):
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.02)
    return answer


async def patiently(question: Callable[[], Awaitable[Any]]) -> Any:
    """The answer of a kernel that may be too busy at first."""

    async def asked() -> Any:
        try:
            return await question()
        except AgentRefused as refusal:
            if refusal.status != 503:
                raise
            return None

    return await until(asked)


async def final(agent: Agent, execution: UUID) -> Record:
    async def ended() -> Record | None:
        record = await agent.record(execution)
        return record if record.final else None

    return await until(ended)


async def run(agent: Agent, code: str, **options: Any) -> Record:
    request = ExecuteRequest(uuid4(), code, **options)
    await agent.execute(request)
    return await final(agent, request.id)


@asynccontextmanager
async def reading(
    agent: Agent, after: int | None = 0
) -> AsyncIterator[tuple[Any, Callable[..., Awaitable[list[Any]]]]]:
    """A channel, and `take(until=…)`: what it says up to the first message that satisfies `until`."""
    async with agent.channel(after) as channel:
        messages = aiter(channel)

        async def take(until: Callable[[Any], bool]) -> list[Any]:
            taken: list[Any] = []
            async with asyncio.timeout(DEADLINE):
                async for message in messages:
                    taken.append(message)
                    if until(message):
                        return taken
            raise AssertionError(f"the channel ended after {taken}")

        yield channel, take
        await messages.aclose()


def ends(execution: UUID) -> Callable[[Any], bool]:
    def ended(message: Any) -> bool:
        return (
            isinstance(message, Entry)
            and message.msg_type == "execution_state"
            and message.execution == str(execution)
            and message.content()["state"] not in ("queued", "running")
        )

    return ended


def text(messages: list[Any]) -> str:
    return "".join(m.content()["text"] for m in messages if isinstance(m, Entry) and m.msg_type == "stream")


class AgentContract:
    @pytest.fixture
    async def agent(self) -> AsyncIterator[Agent]:
        raise NotImplementedError
        yield  # noqa: PT022

    async def test_is_ready(self, agent: Agent) -> None:
        health = await agent.health()
        assert (health.state, health.phase) == ("ready", "")

    async def test_runs_code_and_keeps_its_outputs(self, agent: Agent) -> None:
        record = await run(agent, HELLO, cell="c1")
        outputs = await agent.outputs(record.id)
        assert (record.state, record.cell, record.context) == ("ok", "c1", "default")
        assert all((record.started_at, record.finished_at, record.execution_count))
        streams = [m for m in outputs.messages() if m["header"]["msg_type"] == "stream"]
        assert "".join(m["content"]["text"] for m in streams) == "hello\n"
        assert outputs.record == record

    async def test_gives_the_value_of_an_expression(self, agent: Agent) -> None:
        outputs = await agent.outputs((await run(agent, SUM)).id)
        results = [m["content"]["data"] for m in outputs.messages() if m["header"]["msg_type"] == "execute_result"]
        assert [data["text/plain"] for data in results] == ["2"]

    async def test_an_execution_sent_twice_runs_once(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), HELLO)
        await agent.execute(request)
        first = await final(agent, request.id)
        assert await agent.execute(request) == first
        outputs = await agent.outputs(request.id)
        assert len([m for m in outputs.messages() if m["header"]["msg_type"] == "stream"]) == 1

    async def test_an_error_is_told_and_those_behind_it_are_aborted(self, agent: Agent) -> None:
        first, second = ExecuteRequest(uuid4(), FAIL), ExecuteRequest(uuid4(), HELLO)
        await agent.execute(ExecuteRequest(uuid4(), TALK))
        await agent.execute(first)
        await agent.execute(second)
        failed = await final(agent, first.id)
        assert failed.state == "error"
        assert dict(failed.error or {}) == {"ename": "ValueError", "evalue": "no"}
        assert (await final(agent, second.id)).state == "aborted"

    async def test_the_log_is_numbered_without_gaps_and_replays(self, agent: Agent) -> None:
        record = await run(agent, TALK)
        async with reading(agent) as (_, take):
            whole = await take(ends(record.id))
        assert [entry.seq for entry in whole] == list(range(1, len(whole) + 1))
        middle = whole[len(whole) // 2].seq
        async with reading(agent, middle) as (_, take):
            assert [e.raw for e in await take(ends(record.id))] == [e.raw for e in whole[middle:]]

    async def test_a_channel_from_now_on_repeats_nothing_and_misses_nothing(self, agent: Agent) -> None:
        await run(agent, HELLO)
        said_before = (await agent.health()).seq
        request = ExecuteRequest(uuid4(), TALK)
        async with reading(agent, None) as (channel, take):
            await channel.send({"op": "execute", "id": str(request.id), "code": request.code})
            said = await take(ends(request.id))
        assert [entry.seq for entry in said] == list(range(said_before + 1, said_before + 1 + len(said)))

    async def test_the_final_state_comes_after_all_outputs(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), TALK)
        async with reading(agent, (await agent.health()).seq) as (channel, take):
            await channel.send({"op": "execute", "id": str(request.id), "code": request.code})
            said = await take(ends(request.id))
        assert text(said) == "".join(f"{n}\n" for n in range(50))
        assert said[-1].content()["state"] == "ok"

    async def test_an_entry_is_one_json_object_with_its_parts(self, agent: Agent) -> None:
        record = await run(agent, HELLO)
        async with reading(agent) as (_, take):
            for entry in await take(ends(record.id)):
                message = json.loads(entry.raw)
                assert {"seq", "context", "channel", "header", "parent_header", "metadata", "content"} <= set(message)
                assert message["seq"] == entry.seq

    async def test_input_is_asked_for_and_given(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), ASK)
        async with reading(agent, (await agent.health()).seq) as (channel, take):
            await channel.send({"op": "execute", "id": str(request.id), "code": request.code})
            asked = (await take(lambda m: isinstance(m, Entry) and m.msg_type == "input_request"))[-1]
            assert (asked.channel, asked.content()["prompt"]) == ("stdin", "name? ")
            await agent.input("default", "Ada")
            assert "you said Ada" in text(await take(ends(request.id)))

    async def test_input_that_nobody_wants_is_refused(self, agent: Agent) -> None:
        with pytest.raises(AgentRefused) as refused:
            await agent.input("default", "hello?")
        assert refused.value.status == 409

    async def test_an_op_that_fails_is_refused_on_the_channel(self, agent: Agent) -> None:
        async with reading(agent) as (channel, take):
            await channel.send({"op": "input", "value": "hello?"})
            refusal = (await take(lambda m: isinstance(m, Refusal)))[-1]
        assert refusal.op == "input"
        assert refusal.message

    async def test_an_interrupt_ends_the_code_and_keeps_the_kernel(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), LOOP)
        await agent.execute(request)
        await until(lambda: self.runs(agent, request.id))
        await agent.interrupt()
        stopped = await final(agent, request.id)
        assert (stopped.state, (stopped.error or {}).get("ename")) == ("error", "KeyboardInterrupt")
        assert (await run(agent, SUM)).state == "ok"

    @staticmethod
    async def runs(agent: Agent, execution: UUID) -> bool:
        return (await agent.record(execution)).state == "running"

    async def test_what_waits_can_be_taken_from_the_queue(self, agent: Agent) -> None:
        running, waiting = ExecuteRequest(uuid4(), LOOP), ExecuteRequest(uuid4(), HELLO)
        await agent.execute(running)
        assert (await agent.execute(waiting)).state == "queued"
        await agent.cancel(waiting.id)
        assert (await final(agent, waiting.id)).state == "cancelled"
        await agent.cancel(running.id)
        assert (await final(agent, running.id)).final

    async def test_is_busy_while_code_runs(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), LOOP)
        await agent.execute(request)
        assert (await agent.health()).busy
        await agent.cancel(request.id)
        await final(agent, request.id)

    async def test_a_restart_aborts_what_runs_and_starts_anew(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), LOOP)
        await agent.execute(request)
        await until(lambda: self.runs(agent, request.id))
        await agent.restart()
        assert (await final(agent, request.id)).state == "aborted"
        record = await run(agent, HELLO)
        assert (record.state, record.execution_count) == ("ok", 1)

    async def test_a_dead_kernel_is_told_with_its_reason(self, agent: Agent) -> None:
        request = ExecuteRequest(uuid4(), DIE)
        async with reading(agent, (await agent.health()).seq) as (channel, take):
            await channel.send({"op": "execute", "id": str(request.id), "code": request.code})
            lost = (await take(ends(request.id)))[-1].content()
        assert (lost["state"], lost["reason"]) == ("lost", "exited")
        await agent.restart()
        assert (await run(agent, SUM)).state == "ok"

    async def test_a_lone_surrogate_is_no_broken_message(self, agent: Agent) -> None:
        record = await run(agent, SURROGATE)
        async with reading(agent) as (_, take):
            await take(ends(record.id))

    async def test_completion_and_inspection(self, agent: Agent) -> None:
        reply = await patiently(lambda: agent.complete("default", "pri", 3))
        assert "print" in reply["matches"]
        assert (reply["cursor_start"], reply["cursor_end"]) == (0, 3)
        assert (await patiently(lambda: agent.inspect("default", "print", 5)))["found"]
        assert (await patiently(lambda: agent.is_complete("default", "if True:")))["status"] == "incomplete"

    async def test_a_kernel_is_asked_what_it_holds(self, agent: Agent) -> None:
        answer = await patiently(lambda: agent.ask("default", "variables", {}))
        assert isinstance(answer.get("variables"), list) or answer["error"] == "unsupported"
        assert (await patiently(lambda: agent.ask("default", "weather", {})))["message"]
        with pytest.raises(AgentRefused) as refused:
            await agent.ask("none", "variables", {})
        assert refused.value.status == 404

    async def test_contexts_keep_apart(self, agent: Agent) -> None:
        opened = await agent.open_context(context="second")
        assert opened["id"] == "second"
        assert {"default", "second"} <= {context["id"] for context in await agent.contexts()}
        assert (await run(agent, HELLO, context="second")).context == "second"
        await agent.close_context("second")
        with pytest.raises(AgentRefused) as refused:
            await run(agent, HELLO, context="second")
        assert refused.value.status == 404

    async def test_an_unknown_execution_is_refused(self, agent: Agent) -> None:
        for question in (agent.record, agent.outputs, agent.cancel):
            with pytest.raises(AgentRefused) as refused:
                await question(uuid4())
            assert refused.value.status == 404

    async def test_files_come_and_go(self, agent: Agent) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"hello "
            yield b"world"

        await agent.upload("data/a b%.txt", body())
        listing = await agent.list_files("data")
        assert [(e["name"], e["type"], e["size"]) for e in listing["entries"]] == [("a b%.txt", "file", 11)]
        assert await self.download(agent, "data/a b%.txt") == (11, b"hello world")
        assert await self.download(agent, "data/a b%.txt", 6) == (11, b"world")
        async with agent.archive("data") as packed:
            archive = b"".join([chunk async for chunk in packed.body])
        assert await agent.unpack("copy", pieces(archive)) == 1
        assert await self.download(agent, "copy/a b%.txt") == (11, b"hello world")
        with pytest.raises(AgentRefused) as refused:
            await agent.unpack("copy", pieces(b"no archive"))
        assert refused.value.status == 400
        async with agent.archive("", ["copy/a b%.txt"]) as packed:
            assert await agent.unpack("again", packed.body) == 1
        assert await self.download(agent, "again/copy/a b%.txt") == (11, b"hello world")
        await agent.move_file("again/copy/a b%.txt", "moved.txt")
        with pytest.raises(AgentRefused) as refused:
            await agent.move_file("moved.txt", "copy/a b%.txt")
        assert (refused.value.status, refused.value.code) == (409, "exists")
        await agent.move_file("moved.txt", "copy/a b%.txt", replace=True)
        await agent.make_folder("empty")
        await agent.delete_file("data")
        names = [e["name"] for e in (await agent.list_files())["entries"]]
        assert "empty" in names
        assert "data" not in names
        with pytest.raises(AgentRefused) as refused:
            await self.download(agent, "data/a b%.txt")
        assert refused.value.status == 404

    async def test_a_file_is_written_only_as_it_was_read(self, agent: Agent) -> None:
        await agent.upload("edited.txt", pieces(b"one"), "")
        async with agent.download("edited.txt") as opened:
            tag = opened.tag
        new = await agent.upload("edited.txt", pieces(b"second"), tag)
        assert new != tag
        for given, code in (("", "exists"), (tag, "changed")):
            with pytest.raises(AgentRefused) as refused:
                await agent.upload("edited.txt", pieces(b"lost"), given)
            assert (refused.value.status, refused.value.code) == (409, code)
        assert await self.download(agent, "edited.txt") == (6, b"second")

    async def test_files_are_kept_and_put_back(self, agent: Agent) -> None:
        await agent.upload("keep/me.txt", pieces(b"kept"))
        before = await agent.survey()
        assert {"path": "keep/me.txt", "size": 4} in [{k: e[k] for k in ("path", "size")} for e in before.entries]
        async with agent.keep() as packed:
            kept = b"".join([chunk async for chunk in packed.body])
        await agent.delete_file("keep/me.txt")
        assert (await agent.survey()).fingerprint != before.fingerprint
        assert await agent.restore(pieces(kept)) == before.files
        assert await self.download(agent, "keep/me.txt") == (4, b"kept")
        with pytest.raises(AgentRefused) as refused:
            await agent.restore(pieces(kept[: len(kept) // 2]))
        assert refused.value.code == "bad_archive"

    @staticmethod
    async def download(agent: Agent, path: str, start: int = 0) -> tuple[int | None, bytes]:
        async with agent.download(path, start) as download:
            return download.size, b"".join([chunk async for chunk in download.body])

    async def test_an_upload_that_fails_half_way_leaves_no_file(self, agent: Agent) -> None:
        class TooMuch(Exception):
            pass

        async def body() -> AsyncIterator[bytes]:
            yield b"hello "
            raise TooMuch

        with pytest.raises(TooMuch):
            await agent.upload("half.txt", body())
        assert [e["name"] for e in (await agent.list_files())["entries"] if e["name"] == "half.txt"] == []

    async def test_a_terminal_echoes_and_replays(self, agent: Agent) -> None:
        async with agent.terminal("main", 24, 80) as terminal:
            await terminal.send(b"echo mar''ker\n")
            assert b"ker" in await self.bytes_with(terminal, b"ker")
        async with agent.terminal("main", 30, 100) as again:
            assert b"ker" in await self.bytes_with(again, b"ker")

    async def test_a_terminal_too_many_is_refused_in_words(self, agent: Agent) -> None:
        async with AsyncExitStack() as stack:
            opened = []
            refusal = None
            while refusal is None and len(opened) < 9:  # the agent may have one of another test
                try:
                    opened.append(await stack.enter_async_context(agent.terminal(f"t{len(opened)}", 24, 80)))
                except AgentRefused as told:
                    refusal = told
            assert refusal
            assert (refusal.status, refusal.code) == (409, "too_many")
            assert "close one" in refusal.message
            for terminal in opened:
                await terminal.send(b"exit\n")
                assert [data async for data in terminal][-1:]

    async def test_a_terminal_says_that_its_shell_ended(self, agent: Agent) -> None:
        async with agent.terminal("short", 24, 80) as terminal:
            await terminal.send(b"exit\n")
            async with asyncio.timeout(DEADLINE):
                notices = [json.loads(data) async for data in terminal if isinstance(data, str)]
        assert notices[-1] == {"exit": 0}

    @staticmethod
    async def bytes_with(terminal: Any, part: bytes) -> bytes:
        seen = b""
        async with asyncio.timeout(DEADLINE):
            async for data in terminal:
                seen += data if isinstance(data, bytes) else b""
                if part in seen:
                    return seen
        raise AssertionError(f"the terminal ended after {seen!r}")

    async def test_usage_is_told(self, agent: Agent) -> None:
        usage = await agent.usage()
        assert {"cpu", "memory", "memory_limit", "pids", "pids_limit", "disk", "disk_limit"} <= set(usage)


class TestMemoryAgent(AgentContract):
    @pytest.fixture
    async def agent(self) -> Agent:
        agent = MemoryAgent()
        agent.scripts.update({HELLO: hello, SUM: total, FAIL: fail, ASK: ask, LOOP: Run.sleep, DIE: die, TALK: talk})
        return agent


async def die(run: Run) -> None:
    run.crash("exited", 3)


async def talk(run: Run) -> None:
    for number in range(50):
        run.write(f"{number}\n")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the program of a sandbox listens, as a plain process with Python's kernel; one for all of these tests."""
    pytest.importorskip("ipykernel")
    folder = Path(tempfile.mkdtemp(prefix="thm-"))
    (folder / "work").mkdir()
    # The agent imports nothing of ours, and must not find it: it runs where only its own package is in sight.
    (folder / "agent").symlink_to(Path(__file__).parents[2] / "interpreters" / "agent")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "work"),
        "THERMAE_KERNEL_PATH": str(kernels(folder)),
        "THERMAE_SOCKET_DIR": str(folder),
        "THERMAE_WORK_DIR": str(folder / "work"),
        "THERMAE_KERNEL": "python3",
        "THERMAE_SPAWN_HOST": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "agent"], cwd=folder, env=environment)
    try:
        yield folder
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


class TestRealAgent(AgentContract):
    @pytest.fixture
    async def agent(self, folder: Path) -> AsyncIterator[Agent]:
        agent = HttpAgent(folder)
        await until(lambda: self.is_ready(agent))
        yield agent
        await agent.close()

    @staticmethod
    async def is_ready(agent: Agent) -> bool:
        try:
            return (await agent.health()).state == "ready"
        except AgentUnavailable:
            return False


async def test_nobody_answers_where_there_is_no_socket(short_dir: Path) -> None:
    agent = HttpAgent(short_dir / "none")
    with pytest.raises(AgentError):
        await agent.health()
