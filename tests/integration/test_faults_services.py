"""Parts of the whole that die or fall silent: running code goes on, pools recover, nobody misses output."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest

from tests.bench.processes import MIB, watch_growth
from tests.client import Client, belongs
from tests.integration.conftest import Connect
from tests.stack import START_TIMEOUT, Stack

pytestmark = [
    pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip
# Prints a numbered line ten times a second: a hole in it is seen.
COUNT = "import time\nfor i in range({}):\n    print(i, flush=True)\n    time.sleep(0.1)"


def counted(count: int) -> str:
    return "".join(f"{i}\n" for i in range(count))


# --- Workers ---


async def test_two_workers_on_one_pool_stay_within_its_maximum(client: Client, stack: Stack) -> None:
    second = stack.new_worker("second")
    second.start()
    try:
        with stack.pool("contested", ready_instances=2, max_concurrent=5) as pool:
            identifiers = [uuid.uuid4().hex for _ in range(8)]
            seen: list[int] = []
            watching = asyncio.create_task(count_sandboxes(stack, pool, seen))
            answers = await asyncio.gather(*(client.try_open(pool, name) for name in identifiers))
            won = [answer.body["id"] for answer in answers if answer.status in (201, 202)]
            assert {answer.status for answer in answers} <= {201, 202, 429}
            assert len(set(won)) == len(won) == 5
            leased = (name for name, answer in zip(identifiers, answers, strict=True) if answer.status < 300)
            sessions = await asyncio.gather(*(client.open(pool, name) for name in leased))
            results = await asyncio.gather(*(client.run(session, "6 * 7") for session in sessions))
            assert [result["outputs"][0]["data"]["text/plain"] for result in results] == ["42"] * 5
            await asyncio.gather(*(client.close(session) for session in sessions))
            await asyncio.to_thread(stack.wait_for_ready, pool, 2)
            watching.cancel()
            assert 2 <= max(seen) <= 5
    finally:
        await asyncio.to_thread(second.stop)


async def count_sandboxes(stack: Stack, pool: str, seen: list[int]) -> None:
    while True:
        of_pool = {row["id"] for row in stack.console.sessions(pool__name=pool)}
        seen.append(len(of_pool & stack.sandboxes().keys()))
        await asyncio.sleep(0.1)


def test_a_worker_killed_at_the_worst_moments_leaves_a_pool_that_heals(stack: Stack) -> None:
    """With a real engine; between any two steps it is killed in `test_workers_crash.py`."""
    with stack.pool("mortal", ready_instances=1) as pool, stack.pool("shrinking", ready_instances=1) as shrinking:
        with worker_killed_at(stack, "^DELETE", after=True):  # removed, and nobody wrote it down
            stack.console.pool(name=shrinking, ready_instances=0)
        with worker_killed_at(stack, "/containers/create", after=True):  # made, not started
            stack.console.pool(name=pool, ready_instances=2)
        with worker_killed_at(stack, "/exec/[^/]+/start", after=False):  # started, without its kernel host
            stack.console.pool(name=pool, ready_instances=3)
        # What was lost is taken up again once a launch that takes this long must be lost.
        stack.wait_for_ready(pool, 3, seconds=2 * (START_TIMEOUT + 12))
        stack.check()


@contextlib.contextmanager
def worker_killed_at(stack: Stack, request: str, *, after: bool) -> Iterator[None]:
    with stack.engine.trap(request, lambda: stack.kill(stack.worker), after=after) as trap:
        yield
        assert trap.sprung.wait(30), f"no {request} came by"
    stack.worker.start()


# --- Redis ---


async def test_redis_killed_and_started_again_stops_no_cell_and_pools_recover(client: Client, stack: Stack) -> None:
    async with client.session() as session, client.tab(session) as tab:
        await asyncio.to_thread(stack.wait_for_ready, "python", 2)
        execution = await tab.start(COUNT.format(30))
        await tab.printed(execution, "3\n")
        stack.redis.stop()
        # Without Redis: running code, new cells, ready instances, and other tabs.
        began = time.monotonic()
        fresh = await client.open()
        assert (await client.run(fresh, "1 + 1"))["state"] == "ok"
        async with client.tab(session) as other:
            await other.printed(execution, "3\n")
        assert time.monotonic() - began < 10
        stack.redis.start()
        ended = await tab.end(execution)
        assert (ended["state"], tab.text(execution)) == ("ok", counted(30))
        await asyncio.to_thread(stack.wait_for_ready, "python", 2, 30)
        await client.close(fresh)


# --- Web ---


async def test_the_web_killed_mid_cell_loses_no_output_to_a_tab_that_comes_back(
    client: Client, connect: Connect, stack: Stack
) -> None:
    session = await client.open()
    async with client.tab(session) as tab:
        execution = await tab.start(COUNT.format(40))
        await tab.printed(execution, "5\n")
        await client.want("GET", f"/executions/{execution}")  # its row is written beside its way
        stack.kill(stack.web)
        await tab.closed()
        before, seen = tab.text(execution), tab.seq
    stack.start_web()
    async with connect("alice") as again, again.tab(session, after=seen) as tab, again.tab(session) as new:
        assert (await tab.end(execution))["state"] == "ok"
        assert (await new.end(execution))["state"] == "ok"
        assert before + tab.text(execution) == new.text(execution) == counted(40)
        record = await again.settled(execution)
        assert record["outputs"][0]["text"] == counted(40)
        await again.close(session)


async def test_a_cell_that_ended_while_there_was_no_web_is_not_lost(
    client: Client, connect: Connect, stack: Stack
) -> None:
    session = await client.open()
    async with client.tab(session) as tab:
        execution = await tab.start(COUNT.format(8))
        await tab.printed(execution, "1\n")
        await client.want("GET", f"/executions/{execution}")
        stack.kill(stack.web)
    await asyncio.sleep(1.5)  # the cell ends with nobody looking
    stack.start_web()
    async with connect("alice") as again:
        record = await again.settled(execution)
        assert (record["state"], record["outputs"][0]["text"]) == ("ok", counted(8))
        await again.close(session)


async def test_a_tab_that_stalls_in_a_flood_costs_little_and_holds_up_nobody(client: Client, stack: Stack) -> None:
    assert stack.web.process
    pid = stack.web.process.pid
    flood = "for i in range(100): print('x' * (1 << 20))\nprint('the end')"
    async with client.session() as session, client.tab(session) as tab, stalled_tab(client, session) as stalled:
        async with watch_growth({"web": [pid]}) as growth:
            execution = await tab.start(flood)
            ended = await tab.end(execution, patience=90)
            assert (await client.run(session, "1 + 1"))["state"] == "ok"
        assert ended["state"] == "ok"
        assert tab.text(execution).endswith("the end\n")
        assert growth["web"] <= 40 * MIB, f"grew by {growth['web'] / MIB:.0f} MiB"
        # It reads again: either all is there, or it was told to come back and comes back.
        states = [state async for state in stalled(execution)]
        assert states[-1] in ("ok", "closed")


Reader = Callable[[str], AsyncIterator[str]]


@contextlib.asynccontextmanager
async def stalled_tab(client: Client, session: str) -> AsyncIterator[Reader]:
    """A tab that reads nothing until it is called with an execution: then its states, or `closed`."""
    async with client.http.ws_connect(f"/ws/sessions/{session}/channels?after=0", max_msg_size=0) as socket:

        async def states(execution: str) -> AsyncIterator[str]:
            while True:
                frame = await socket.receive(timeout=60)
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    yield "closed"
                    return
                message = frame.json()
                if belongs(message, execution, "execution_state"):
                    yield message["content"]["state"]
                    if message["content"]["state"] not in ("queued", "running"):
                        return

        yield states


# --- The engine ---


async def test_an_engine_that_falls_silent_stops_new_sessions_with_words_and_nothing_else(
    client: Client, stack: Stack
) -> None:
    async with client.session() as session, client.tab(session) as tab:
        execution = await tab.start(COUNT.format(60))
        with stack.engine.stalled():
            waiting, refused = [], None
            async with asyncio.timeout(40):
                while refused is None:
                    answer = await client.try_open("python")
                    if answer.status == 503:
                        refused = answer
                    else:
                        assert answer.status in (201, 202), answer
                        waiting.append(answer.body["id"])
                        await asyncio.sleep(1)  # the pool must not be full before the silence is noticed
            assert int(refused.headers["Retry-After"]) > 0
            assert re.search(r"\w+ \w+ \w+", refused.body["message"])
            began = time.monotonic()
            for path in ("/healthz", "/accounts/login/", "/login/"):
                async with client.http.get(path) as response:
                    assert response.status < 500 or path == "/healthz"
            assert (await client.want("GET", "/sessions")) is not None
            assert (await client.run(session, "1 + 1", context="default", timeout=20)) is not None
            assert time.monotonic() - began < 12
        ended = await tab.end(execution)
        assert (ended["state"], tab.text(execution)) == ("ok", counted(60))
        fresh = await client.open(patience=60)
        await asyncio.to_thread(stack.wait_for_ready, "python", 2, 60)
        await asyncio.gather(*(client.close(one) for one in [fresh, *waiting]))


async def test_a_sandbox_that_is_removed_from_outside_is_noticed_and_told(client: Client, stack: Stack) -> None:
    session = await client.open()
    async with client.tab(session) as tab:
        execution = await tab.start("print('before', flush=True)\nwhile True: pass")
        await tab.printed(execution, "before\n")
        await asyncio.to_thread(stack.remove_sandbox, session)
        gone = await tab.told("state", state="gone")
        assert await tab.closed() == 4409
    record = await client.settled(execution)
    assert gone["reason"] in ("lost", "killed")
    assert gone["message"]
    assert record["state"] == "lost"
    assert record["reason"]


async def test_an_agent_that_turns_hostile_ends_its_session_alone(client: Client, stack: Stack) -> None:
    """Only the socket's place is shared with a sandbox: here something else sits in it."""
    session, other = await asyncio.gather(client.open(), client.open())
    path = stack.folder / "sockets" / session / "agent.sock"
    path.unlink()
    path.symlink_to(stack.folder / "sockets" / other / "agent.sock")
    answer = await client.call("POST", f"/sessions/{session}/executions", {"code": "x = 'leaked'"})
    assert answer.status >= 400
    assert (await client.run(other, "x"))["outputs"][0]["ename"] == "NameError"
    await asyncio.gather(client.close(session), client.close(other))
