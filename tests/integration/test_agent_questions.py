"""What the agent is told about a kernel's variables, also while a cell runs, and by kernels that mean no good."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.agent_process import AgentProcess, Talk, said, talk

ASK = "/contexts/default/ask"
LOOP = "import time\nwhile True: time.sleep(0.01)"


@pytest.fixture(scope="module")
def agent() -> Iterator[AgentProcess]:
    pytest.importorskip("ipykernel")
    process = AgentProcess(kernel="thermae").wait()
    yield process
    process.stop()


@pytest.fixture
async def kernel(agent: AgentProcess) -> AsyncIterator[Talk]:
    assert agent.health()["state"] == "ready", agent.health()
    async with talk(agent) as one:
        await one.run("%reset -f")
        yield one
        if (await one.ask("GET", "/health"))["busy"]:  # a test that failed in the midst
            await one.ask("POST", "/contexts/default/restart", {})


async def variables(kernel: Talk) -> dict[str, dict[str, Any]]:
    answer = await kernel.ask("POST", ASK, {"about": "variables"})
    return {row["name"]: row for row in answer["variables"]}


async def variable(kernel: Talk, name: str) -> Any:
    return await kernel.ask("POST", ASK, {"about": "variable", "arguments": {"name": name}})


async def begin(kernel: Talk, code: str) -> str:
    """Start what does not end, and wait until the kernel is in it."""
    async with kernel.channel() as channel:
        running = await kernel.start(f"print('begun')\n{code}")
        await channel.take(lambda entry: said(entry) == "begun\n")
    return running


async def stop(kernel: Talk, running: str) -> None:
    await kernel.ask("DELETE", f"/executions/{running}")
    await kernel.in_state(running, "error", "aborted")


async def test_variables_are_told_with_type_size_and_value(kernel: Talk) -> None:
    await kernel.run("""
x, words, deep = 41 + 1, ["a"] * 1000, {"k": {"l": [1, 2, (3,)]}}
class Point:
    def __init__(self): self.x, self.y = 1, 2
p, _hidden = Point(), 1
import math
def twice(n, m=2): return n
""")
    found = await variables(kernel)
    assert (found["x"]["type"], found["x"]["value"], found["x"]["kind"]) == ("int", "42", "data")
    assert (found["words"]["type"], found["words"]["length"]) == ("list", 1000)
    assert found["words"]["bytes"] > 8000
    assert found["p"]["value"] == "Point(x=1, y=2)"
    assert (found["math"]["kind"], found["Point"]["kind"], found["twice"]["value"]) == (
        "module",
        "class",
        "twice(n, m)",
    )
    assert not {"_hidden", "In", "Out", "exit", "get_ipython"} & set(found)
    tree = (await variable(kernel, "deep"))["tree"]
    assert [node["label"] for node in tree] == ["'k'"]
    assert [node["value"] for node in tree[0]["children"][0]["children"]] == ["1", "2", "(3)"]
    assert (await variable(kernel, "gone"))["error"] == "gone"


async def test_it_answers_while_a_cell_runs_and_the_next_cell_is_not_delayed(kernel: Talk) -> None:
    await kernel.run("x = 7")
    running = await begin(kernel, "step = 0\nwhile True: step += 1")
    await asyncio.sleep(0.1)
    found = await variables(kernel)
    assert found["x"]["value"] == "7"
    assert found["step"]["type"] == "int"
    assert (await kernel.record(running))["state"] == "running"
    await stop(kernel, running)
    assert (await kernel.run("x"))["state"] == "ok"


async def test_values_that_are_slow_huge_or_raise_neither_hang_nor_flood(kernel: Talk) -> None:
    await kernel.run("""
class Slow:
    def __repr__(self):
        while True: pass
    __len__ = __sizeof__ = __repr__
class Liar:
    @property
    def __class__(self): raise ValueError
    def __getattribute__(self, name): raise RuntimeError("no")
    def __repr__(self): raise KeyError
class Deaf:
    def __repr__(self):
        while True:
            try:
                while True: pass
            except BaseException: pass
slow, liar, many, number, lone = Slow(), Liar(), [[0] * 100] * 1_000_000, 10 ** 100_000, "\\ud800"
long, loop, deaf = "x" * 50_000_000, [], Deaf()
loop.append(loop)
for n in range(3000): globals()[f"v{n}"] = n
""")
    started = time.monotonic()
    answer = await kernel.ask("POST", ASK, {"about": "variables"})
    assert time.monotonic() - started < 3
    assert (len(answer["variables"]), answer["total"] > 3000) == (1000, True)
    assert len(json.dumps(answer)) < 500_000
    found = {row["name"]: row for row in answer["variables"]}
    assert found["slow"]["value"] == "Slow()"
    assert found["number"]["value"].startswith("a number of")
    assert found["long"]["bytes"] > 50_000_000
    assert (found["loop"]["value"], found["lone"]["type"]) == ("[[[…]]]", "str")
    # Only its details ask a value for its own words, and they are waited for within bounds.
    assert (await variable(kernel, "slow"))["error"] == "busy"
    assert (await variable(kernel, "liar"))["error"] == "bad"
    assert (await variable(kernel, "deaf"))["error"] == "busy"
    assert len((await variable(kernel, "long"))["text"]) <= 20_000
    assert (await variables(kernel))["v1"]["value"] == "1"
    assert (await kernel.run("1 + 1"))["state"] == "ok"
    await kernel.ask("POST", "/contexts/default/restart", {})  # for there is a thread that nobody can end


async def test_a_kernel_that_lies_is_not_believed(kernel: Talk) -> None:
    await kernel.run("""
kernel = get_ipython().kernel
told = [[1], {"answer": 7}, {"answer": {"big": "x" * 3_000_000}}, {}]
async def lie(stream, ident, parent):
    kernel.session.send(stream, "thermae_question_reply", told.pop(0), parent, ident)
honest = kernel.shell_handlers["thermae_question_request"]
kernel.shell_handlers["thermae_question_request"] = lie
""")
    answers = [await kernel.ask("POST", ASK, {"about": "variables"}) for _ in range(3)]
    await kernel.run('kernel.shell_handlers["thermae_question_request"] = honest')
    assert [answer["error"] for answer in answers[1:]] == ["bad", "too_large"]
    assert "x" in {*await variables(kernel), "x"}


async def test_questions_that_are_none_are_refused(kernel: Talk) -> None:
    for body in ({}, {"about": 7}, {"about": "a b"}, {"about": "x" * 65}, {"about": "variables", "arguments": [1]}):
        await kernel.ask("POST", ASK, body, 400)
    await kernel.ask("POST", ASK, {"about": "variables", "arguments": {"x": "y" * 70_000}}, 400)
    assert (await kernel.ask("POST", ASK, {"about": "weather"}))["error"] == "bad"
    await kernel.ask("POST", "/contexts/none/ask", {"about": "variables"}, 404)


async def test_a_table_that_is_not_there_any_more_is_told_as_gone(kernel: Talk) -> None:
    answer = await kernel.ask("POST", ASK, {"about": "table", "arguments": {"id": "none", "offset": 0, "limit": 5}})
    assert (answer["error"], bool(answer["message"])) == ("gone", True)


async def test_many_questions_at_once_are_all_answered(kernel: Talk) -> None:
    await kernel.run("x = 1")
    running = await begin(kernel, LOOP)
    answers = await asyncio.gather(*(kernel.ask("POST", ASK, {"about": "variables"}) for _ in range(20)))
    assert all("variables" in answer for answer in answers)
    await stop(kernel, running)


async def test_a_kernel_that_takes_no_questions_says_so() -> None:
    pytest.importorskip("ipykernel")
    plain = AgentProcess().wait()
    try:
        async with talk(plain) as one:
            answer = await one.ask("POST", ASK, {"about": "variables"})
            assert answer["error"] == "unsupported"
    finally:
        plain.stop()


async def test_a_completion_that_hangs_in_user_code_takes_no_other_question_with_it(kernel: Talk) -> None:
    await kernel.run("class Trap:\n    def __dir__(self):\n        while True: pass\ntrap, x = Trap(), 1")
    running = await begin(kernel, LOOP)
    question = {"code": "trap.", "cursor_pos": 5}
    refusal = await kernel.ask("POST", "/contexts/default/complete", question, 503)
    assert refusal["error"] == "busy"
    assert (await variables(kernel))["x"]["value"] == "1"
    await stop(kernel, running)
    await kernel.ask("POST", "/contexts/default/restart", {})
