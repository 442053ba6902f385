"""Code that means harm, or just fails hard: its user is told why, its sandbox holds, and nobody else notices."""

import asyncio

import pytest

from tests.client import FINAL, Client, Tab

pytestmark = [
    pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# Kills every process that it may signal, but not before what it printed is on its way.
KILL_ALL = "print('before', flush=True)\nimport os, signal, time\ntime.sleep(0.3)\nos.kill(-1, signal.SIGKILL)"
EAT = "blocks = []\nwhile True: blocks.append(b'x' * (64 << 20))"
FORK_BOMB = """
import os, time
children = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
except OSError as error:
    print('stopped after', children, type(error).__name__)
"""
FILL = """
import os
try:
    with open('big', 'wb') as file:
        while True: file.write(b'x' * (1 << 20))
except OSError as error:
    print(os.strerror(error.errno), os.path.getsize('big') >> 20)
    os.remove('big')
"""


async def test_a_kernel_that_exits_says_so_and_is_started_again(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        ended, text = await tab.run("print('before', flush=True)\nimport os; os._exit(3)")
        dead = await tab.kernel("dead")
        await tab.send(type="restart")
        await tab.kernel("idle")
        again = await client.run(session, "1 + 1")
    assert (ended["state"], text) == ("lost", "before\n")
    assert (dead["reason"], dead["exit_code"]) == ("exited", 3)
    assert again["state"] == "ok"


async def test_a_kernel_that_is_killed_says_so(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        ended, _ = await tab.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        dead = await tab.kernel("dead")
    assert (ended["state"], dead["reason"]) == ("lost", "killed")


async def test_killing_everything_ends_the_execution_with_what_it_had_printed(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        execution = await tab.start(KILL_ALL)
        ended = await tab.end(execution)
        assert (ended["state"], tab.text(execution)) == ("lost", "before\n")
        # Either the agent brings its own side back and says so, or the session ends and says why.
        told = await tab.first(came_to_a_decision, "a dead kernel or an ended session")
    assert told
    kept = await client.settled(execution)
    assert kept["state"] == "lost"
    assert kept["outputs"][0]["text"] == "before\n"


def came_to_a_decision(message: dict[str, object]) -> bool:
    content = message.get("content")
    dead = isinstance(content, dict) and content.get("state") == "dead" and bool(content.get("reason"))
    return dead or (message.get("type") == "state" and message.get("state") in ("stopping", "gone"))


async def test_kill_minus_nine_minus_one_in_a_terminal_takes_nobody_else_along(client: Client) -> None:
    async with client.session() as session, client.session() as other, client.tab(other) as neighbour:
        async with client.terminal(session) as terminal:
            await terminal.type("kill -9 -1\n")
            with pytest.raises((ConnectionError, TimeoutError)):
                await terminal.shows("never", patience=10)
        assert (await neighbour.run("print('fine')"))[1] == "fine\n"


async def test_ten_gigabytes_end_with_out_of_memory(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        await tab.run("kept = 1")
        execution = await tab.start(EAT)
        ended = await tab.end(execution)
        if ended["state"] == "lost":
            assert (await tab.kernel("dead"))["reason"] == "out_of_memory"
        else:
            assert ended["error"]["ename"] == "MemoryError"
        assert await runs_again(client, session, tab)


async def test_a_fork_bomb_is_bounded_and_the_session_goes_on(client: Client) -> None:
    async with client.session() as session, client.session() as other, client.tab(session) as tab:
        ended, text = await tab.run(FORK_BOMB)
        usage = await client.run(other, "1 + 1")
        assert usage["state"] == "ok"
        assert ended["state"] in FINAL
        assert "BlockingIOError" in text
        assert int(text.split()[2]) < 64
        await client.call("POST", f"/sessions/{session}/restart")
        assert await runs_again(client, session, tab)


async def test_a_full_disk_is_an_error_in_the_code_and_nothing_more(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        ended, text = await tab.run(FILL)
        too_big = await client.call("PUT", f"/sessions/{session}/files/big", data=bytes(80 << 20))
        assert await runs_again(client, session, tab)
        listing = await client.want("GET", f"/sessions/{session}/files?path=")
    assert ended["state"] == "ok"
    assert text.startswith("No space left on device")
    assert int(text.split()[-1]) <= 64
    assert 400 <= too_big.status < 600
    assert {"error", "message"} <= too_big.body.keys()
    assert "big" not in [entry["name"] for entry in listing["entries"]]


async def test_a_flood_is_bounded_visibly_and_its_end_arrives(client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        execution = await tab.start("for i in range(200_000): print('x' * 200)\nprint('the end')")
        ended = await tab.end(execution, patience=60)
        record = await client.settled(execution)
        dropped = sum(cut["bytes"] for cut in tab.of(execution, "cut"))
        text = tab.text(execution)
    assert ended["state"] == "ok"
    assert text.endswith("the end\n")
    assert len(text) + dropped >= 200_000 * 201
    kept = sum(len(output.get("text", "")) for output in record["outputs"])
    assert kept <= 5 << 20


async def runs_again(client: Client, session: str, tab: Tab) -> bool:
    """Whether a cell runs, after a restart if its kernel is dead; else the session has to have said why it ended."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.call("POST", f"/sessions/{session}/executions", {"code": "1 + 1", "timeout": 20})
            if answer.status == 200 and answer.body["state"] == "ok":
                return True
            if answer.status in (404, 409, 410):
                return bool((await tab.told("state", state="gone"))["message"])
            await client.call("POST", f"/sessions/{session}/restart")
            await asyncio.sleep(0.2)


async def test_what_one_session_does_to_its_limits_no_other_feels(client: Client) -> None:
    async with client.session() as loud, client.session() as quiet, client.tab(loud) as tab:
        spin = "import threading\nfor _ in range(8): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
        await tab.start(spin)
        slowest = 0.0
        for _ in range(10):
            began = asyncio.get_running_loop().time()
            assert (await client.run(quiet, "1 + 1"))["state"] == "ok"
            slowest = max(slowest, asyncio.get_running_loop().time() - began)
    assert slowest < 2
