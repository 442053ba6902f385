"""The agent with kernels that are not ipykernel's own. They are looked for in AGENT_TEST_KERNELS, a list of
`…/share/jupyter` folders; the images' own tests run them as they ship."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess, Talk, kind, said, talk

FOLDERS = [Path(path) for path in os.environ.get("AGENT_TEST_KERNELS", "").split(":") if path]
HELLO = {"bash": "echo $((6 * 7))", "deno": "console.log(6 * 7)"}
LOOP = {"bash": "while true; do sleep 0.1; done", "deno": "while (true) {}"}  # Deno does not interrupt an await
FLOOD = {"bash": "seq 1 500", "deno": "for (let i = 1; i <= 5000; i++) console.log(i)"}
LINES = {"bash": 500, "deno": 5_000}
COMPLETION = {"bash": ("ech", "echo"), "deno": ("conso", "console")}


@pytest.fixture(scope="module", params=["bash", "deno"])
def agent(request: pytest.FixtureRequest) -> Iterator[AgentProcess]:
    if not any((folder / "kernels" / request.param).is_dir() for folder in FOLDERS):
        pytest.skip(f"no {request.param} kernel in AGENT_TEST_KERNELS")
    process = AgentProcess(kernel=request.param).wait()
    yield process
    process.stop()


@pytest.fixture
async def kernel(agent: AgentProcess) -> AsyncIterator[Talk]:
    assert agent.health()["state"] == "ready", agent.health()
    async with talk(agent) as one:
        yield one


async def test_it_runs_and_prints(agent: AgentProcess, kernel: Talk) -> None:
    assert "42" in await kernel.output(HELLO[agent.language])


async def test_it_prints_much_and_ends(agent: AgentProcess, kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="much", code=FLOOD[agent.language])
        printed = "".join(said(entry) for entry in await channel.to_end("much") if kind(entry) == "stream")
    assert printed.split() == [str(number) for number in range(1, LINES[agent.language] + 1)]


async def test_an_interrupt_ends_a_loop_and_it_lives_on(agent: AgentProcess, kernel: Talk) -> None:
    running = await kernel.start(LOOP[agent.language])
    await kernel.in_state(running, "running")
    await kernel.ask("POST", "/contexts/default/interrupt", {}, 202)
    await kernel.in_state(running, "error", "aborted", "ok", "lost")
    assert "42" in await kernel.output(HELLO[agent.language])


async def test_it_completes(agent: AgentProcess, kernel: Talk) -> None:
    typed, wanted = COMPLETION[agent.language]
    body = {"code": typed, "cursor_pos": len(typed)}
    assert wanted in (await kernel.ask("POST", "/contexts/default/complete", body))["matches"]


async def test_a_restart_is_quick_and_clean(agent: AgentProcess, kernel: Talk) -> None:
    assert (await kernel.ask("POST", "/contexts/default/restart", {}))["state"] == "idle"
    assert "42" in await kernel.output(HELLO[agent.language])
