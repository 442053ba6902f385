"""What code and kernels do to an agent, and what it says about it."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.agent_process import AgentProcess, Talk, alive, children, command, ends, kind, talk, text

LOOP = "import time\nwhile True: time.sleep(0.01)"
FLOOD = "while True: print('x' * 99)"
MEGABYTES = 100
LARGE_FLOOD = f"for _ in range({MEGABYTES * 10}): print('x' * 99_999)"
MAX_GROWTH = 32 << 20  # bytes that the agent may grow, whatever is printed and whoever does not read


@pytest.fixture
def agent() -> Iterator[AgentProcess]:
    pytest.importorskip("ipykernel")
    process = AgentProcess().wait()
    yield process
    process.stop()


@pytest.fixture
async def kernel(agent: AgentProcess) -> AsyncIterator[Talk]:
    async with talk(agent) as one:
        yield one


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "words"),
    [
        ("import os; os._exit(3)", "exited", 3, ""),
        ("import os, sys; os.write(sys.stderr._original_stdstream_copy, b'bye!'); os._exit(1)", "exited", 1, "bye!"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed", -9, "Killed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed", -11, "Segmentation fault"),
    ],
)  # fmt: skip
async def test_a_kernel_that_dies_says_why_and_the_next_cell_has_a_new_one(
    kernel: Talk, code: str, reason: str, exit_code: int, words: str
) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="dies", code="import time; time.sleep(0.3); " + code)
        await channel.op("execute", id="waits", code="1")
        entries = await channel.to_end("waits")
        died = next(e["content"] for e in entries if kind(e) == "kernel_state" and e["content"]["state"] == "dead")
        assert (died["reason"], died["exit_code"]) == (reason, exit_code)
        assert words in died["detail"]
        lost, aborted = await kernel.record("dies"), await kernel.record("waits")
        assert (lost["state"], lost["reason"]) == ("lost", reason)
        assert (aborted["state"], aborted["reason"]) == ("aborted", reason)
        await channel.op("execute", id="next", code="print('well')")
        entries = await channel.to_end("next")
    assert text(entries) == "well\n"
    states = [e["content"]["state"] for e in entries if kind(e) == "kernel_state"]
    assert states == ["restarting", "idle", "busy"]


async def test_exit_ends_the_kernel_and_the_next_cell_has_a_new_one(kernel: Talk) -> None:
    await kernel.run("exit()")
    await kernel.until(lambda: dead(kernel))
    assert (await kernel.run("1"))["state"] == "ok"


async def dead(one: Talk) -> bool:
    return bool((await one.ask("GET", "/contexts"))[0]["state"] == "dead")


async def test_a_kernel_killed_from_outside_is_noticed_and_can_be_restarted(agent: AgentProcess, kernel: Talk) -> None:
    running = await kernel.start(LOOP)
    os.kill(children(agent.host)[0], signal.SIGKILL)
    assert (await kernel.in_state(running, "lost"))["reason"] == "killed"
    assert (await kernel.ask("POST", "/contexts/default/restart", {}))["state"] == "idle"
    assert await kernel.output("print(1)") == "1\n"


async def test_a_kernel_that_closes_its_sockets_is_ended_with_words(kernel: Talk) -> None:
    running = await kernel.start(
        "import os\nfor fd in range(3, 200):\n  try: os.close(fd)\n  except OSError: pass\n" + LOOP
    )
    assert (await kernel.in_state(running, "lost"))["reason"] in ("killed", "exited")
    assert (await kernel.run("1"))["state"] == "ok"


async def test_a_child_that_floods_stderr_or_outlives_the_kernel_harms_nothing(kernel: Talk) -> None:
    code = "import subprocess as s; s.Popen('yes >&2', shell=True, stderr=open('/proc/self/fd/2', 'w')); print('on')"
    assert "on" in await kernel.output(code)
    await kernel.ask("POST", "/contexts/default/restart", {})
    assert await kernel.output("print('again')") == "again\n"


async def test_an_interrupt_at_any_moment_ends_the_code(kernel: Talk) -> None:
    for number in range(12):
        name = await kernel.start(LOOP)
        await asyncio.sleep(number * 0.001)
        await kernel.ask("POST", "/contexts/default/interrupt", {}, 202)
        assert (await kernel.in_state(name, "error", "aborted"))["finished_at"]
    assert await kernel.output("print('sane')") == "sane\n"


async def test_an_interrupt_that_is_ignored_says_so_and_a_restart_helps(kernel: Talk) -> None:
    code = "import time\nprint('on')\nwhile True:\n  try: time.sleep(60)\n  except KeyboardInterrupt: pass"
    async with kernel.channel() as channel:
        await channel.op("execute", id="stubborn", code=code)
        await channel.take(lambda entry: kind(entry) == "stream")
        await channel.op("interrupt")
        steps = [e["content"]["state"] for e in await channel.take(lambda e: kind(e) == "interrupt" and
                 e["content"]["state"] == "ignored") if kind(e) == "interrupt"]  # fmt: skip
        assert steps == ["sent", "sent_again", "ignored"]
        await channel.op("restart")
        assert (await channel.to_end("stubborn"))[-1]["content"]["reason"] == "restarted"


async def test_an_interrupt_ends_a_flood_within_a_second(kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="flood", code=FLOOD)
        reader = asyncio.create_task(channel.to_end("flood"))
        await asyncio.sleep(1.0)
        start = time.monotonic()
        await kernel.ask("POST", "/contexts/default/interrupt", {}, 202)
        answered = time.monotonic() - start
        record = await kernel.in_state("flood", "error")
        took = time.monotonic() - start
        entries = await reader
    assert record["error"]["ename"] == "KeyboardInterrupt"
    assert any(kind(e) == "status" and e["content"]["execution_state"] == "idle" for e in entries)
    print(f"interrupt answered in {answered:.3f} s, idle in {took:.3f} s, {os.getloadavg()[0]:.0f} others running")
    assert took < max(1.0, os.getloadavg()[0])  # on two cores; more where others compute


async def test_a_fast_reader_has_all_of_a_flood_and_the_agent_stays_small(agent: AgentProcess, kernel: Talk) -> None:
    await kernel.run("1")
    before, peak = agent.memory, 0
    printed = 0
    async with kernel.channel() as channel:
        await channel.op("execute", id="flood", code=LARGE_FLOOD)
        while not ends("flood")(entry := await channel.next()):
            printed += len(entry["content"]["text"]) if kind(entry) == "stream" else 0
            assert len(json.dumps(entry)) < 256 << 10
            peak = max(peak, agent.memory)
        assert entry["content"]["state"] == "ok"
    assert channel.cut == 0
    assert printed == MEGABYTES * 1_000_000
    assert peak - before < MAX_GROWTH


async def test_a_stalled_follower_costs_nothing_and_comes_back_to_a_cut_and_the_end(
    agent: AgentProcess, kernel: Talk
) -> None:
    await kernel.run("1")
    before = agent.memory
    async with AsyncExitStack() as stack:
        stalled = [await stack.enter_async_context(kernel.channel()) for _ in range(5)]
        await kernel.start(LARGE_FLOOD)
        name = (await stalled[0].take(lambda entry: kind(entry) == "execution_state"))[-1]["parent_header"]["msg_id"]
        assert (await kernel.in_state(name, "ok"))["state"] == "ok"
        assert agent.memory - before < MAX_GROWTH
        entries = await stalled[1].to_end(name)
        assert stalled[1].cut >= 1
    cut = sum(e["content"]["bytes"] for e in entries if kind(e) == "cut")
    assert cut + len(text(entries)) > MEGABYTES * 1_000_000
    assert entries[0]["seq"] < entries[-1]["seq"]
    outputs = await kernel.ask("GET", f"/executions/{name}/outputs")
    assert outputs["cut"]["bytes"] > 0
    kept = "".join(m["content"]["text"] for m in outputs["messages"] if kind(m) == "stream")
    assert set(kept) == {"x", "\n"}
    assert agent.memory - before < MAX_GROWTH


async def test_a_follower_that_reconnects_in_a_flood_misses_nothing(kernel: Talk) -> None:
    count = 20_000
    seen, after = "", await kernel.seq()
    name = await kernel.start(f"for i in range({count}): print(i)")
    done = False
    while not done:
        async with kernel.channel(after) as channel:
            for _ in range(3):
                entry = await channel.next()
                seen += entry["content"]["text"] if kind(entry) == "stream" else ""
                if done := ends(name)(entry):
                    break
            after = channel.seq
    assert seen == "".join(f"{i}\n" for i in range(count))


@pytest.mark.parametrize("size", [2, 9, 40])
async def test_a_huge_message_is_shown_or_its_place_is(kernel: Talk, size: int) -> None:
    code = f"from IPython.display import publish_display_data as p; p({{'text/plain': 'y' * ({size} << 20)}})"
    name = (await kernel.run(code))["id"]
    outputs = await kernel.ask("GET", f"/executions/{name}/outputs")
    (shown,) = [m["content"]["data"]["text/plain"] for m in outputs["messages"] if kind(m) == "display_data"]
    if size == 2:
        assert len(shown) == 2 << 20
    else:
        assert "too large to show" in shown
    assert (await kernel.run("1"))["state"] == "ok"


async def test_one_write_of_a_hundred_megabytes_is_passed_on_in_pieces(agent: AgentProcess, kernel: Talk) -> None:
    await kernel.run("1")
    before, printed, peak = agent.memory, 0, 0
    async with kernel.channel() as channel:
        await channel.op("execute", id="one", code="import sys; _ = sys.stdout.write('é' * 50_000_000)")
        while not ends("one")(entry := await channel.next()):
            printed += len(entry["content"]["text"]) if kind(entry) == "stream" else 0
            peak = max(peak, agent.memory)
    assert printed == 50_000_000
    assert peak - before < MAX_GROWTH


async def test_code_that_speaks_on_iopub_with_a_wrong_key_is_not_heard(kernel: Talk) -> None:
    code = """
import zmq
k = get_ipython().kernel
from jupyter_client.session import Session
forged = Session(key=b'wrong')
message = forged.msg('stream', {'name': 'stdout', 'text': 'forged'}, parent=k.get_parent('shell'))
k.iopub_thread.send_multipart([b'stream', *forged.serialize(message)])
k.iopub_thread.send_multipart([b'garbage'])
k.iopub_thread.send_multipart([b'', b'<IDS|MSG>', b'', b'{', b'}', b'[]', b'\\xff'])
print('true')
"""
    assert await kernel.output(code) == "true\n"


async def test_when_the_host_is_killed_all_is_over_and_said(agent: AgentProcess, kernel: Talk) -> None:
    running = await kernel.start(LOOP)
    await kernel.in_state(running, "running")
    everyone = children(agent.host, deep=True)
    os.kill(agent.host, signal.SIGKILL)
    record = await kernel.in_state(running, "lost")
    assert record["reason"] == "killed"
    health = await kernel.ask("GET", "/health")
    assert (health["state"], health["busy"]) == ("failed", False)
    assert "host was killed" in health["detail"]
    for method, path, body in (("POST", "/contexts/default/restart", {}), ("GET", "/files", None)):
        assert (await kernel.ask(method, path, body, 503))["error"]
    await kernel.until(lambda: gone(everyone))


async def gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


async def test_a_host_that_is_stopped_is_said_to_be_silent(agent: AgentProcess, kernel: Talk) -> None:
    await kernel.run(f"import os, signal; os.kill({agent.host}, signal.SIGSTOP)")
    assert (await kernel.ask("GET", "/files", status=503))["error"] == "host_silent"
    assert (await kernel.ask("GET", "/health"))["state"] == "ready"


async def test_a_kernel_that_does_not_start_fails_with_its_last_words() -> None:
    folder_of_kernels = AgentProcess(kernel="absent")
    try:
        async with talk(folder_of_kernels.wait()) as one:
            health = await one.ask("GET", "/health")
            assert health["state"] == "failed"
            assert "absent" in health["detail"]
            assert "python3" in health["detail"]
    finally:
        folder_of_kernels.stop()


@pytest.mark.parametrize(
    ("warm_up", "state", "words"),
    [
        ("import json; warm = 1", "ready", ""),
        ("1/0", "ready", "ZeroDivisionError"),
        ("import os; os._exit(9)", "failed", "warm-up"),
    ],
)
async def test_warm_up_runs_before_it_is_ready_and_is_not_in_the_log(warm_up: str, state: str, words: str) -> None:
    process = AgentProcess(WARM_UP=warm_up)
    try:
        async with talk(process.wait()) as one:
            health = await one.ask("GET", "/health")
            assert health["state"] == state, health
            assert words in health["detail"]
            assert b"execute_input" not in await one.ask("GET", "/log")
            if "warm" in warm_up and state == "ready":
                assert await one.output("print(warm)") == "1\n"
    finally:
        process.stop()


def test_an_agent_that_is_ended_leaves_nothing_behind() -> None:
    process = AgentProcess().wait()
    everyone = [process.host, *children(process.host, deep=True)]
    assert any("ipykernel" in command(pid) for pid in everyone)
    process.stop()
    assert not any(alive(pid) for pid in everyone)
