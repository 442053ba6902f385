"""A cell that prints 100 MB, to a reader that keeps up and to one that does not read at all."""

import asyncio
import time
from pathlib import Path

import aiohttp

from tests.bench.bench import Bench
from tests.bench.processes import MIB, Growth, watch_growth
from tests.bench.report import Row, at_least, at_most, figure, median
from tests.bench.sandbox import agent_processes, container_of, raw_client
from tests.bench.thermae import FINAL, Cells

SIZE = 100_000_000
CODE = f"""
import sys
lines = ("x" * 99 + "\\n") * 1000
for _ in range({SIZE} // len(lines)):
    sys.stdout.write(lines)
"""


async def measure_floods(bench: Bench) -> list[Row]:
    """In turns to our WebSocket, to a raw client beside the same kernel and through Jupyter Server."""
    ours: list[float] = []
    raw: list[float] = []
    jupyter: list[float] = []
    arrived = 0
    async with (
        bench.pool(1, 1) as pool,
        bench.thermae.session(pool) as session,
        bench.jupyter.kernel() as kernel,
    ):
        container = container_of(session)
        groups = {"agent": agent_processes(container), "web": bench.web}
        async with bench.thermae.cells(session) as cells:
            await cells.execute("1")
            async with watch_growth(groups) as growth:
                for _ in range(bench.samples(5, 2)):
                    seconds, printed = await flood(cells)
                    ours.append(SIZE / seconds / 1e6)
                    arrived += printed
                    await asyncio.sleep(1)
                    began = time.perf_counter()
                    await kernel.execute(CODE)
                    jupyter.append(SIZE / (time.perf_counter() - began) / 1e6)
        # After ours: the agent hears what this kernel prints for others too, and its log grows by it.
        async with raw_client(container) as client:
            for _ in range(len(ours)):
                raw.append(SIZE / (await client.order(do="flood", code=CODE))["seconds"] / 1e6)
    total = SIZE * len(ours)
    return [
        at_least("flood of 100 MB to a fast reader, p50", median(ours), "MB/s", 40, f"{len(ours)} floods"),
        at_least("… of which arrived", 100 * arrived / total, "%", 100),
        *growth_rows("flood to a fast reader", growth),
        figure("peer: flood through Jupyter Server, p50", median(jupyter), "MB/s", "its rate limits lifted"),
        figure("peer: flood by raw ZMQ, p50", median(raw), "MB/s", "same kernel, the agent drains it too"),
    ]


async def flood(cells: Cells) -> tuple[float, int]:
    """Seconds until the final state, and the bytes that arrived; the others were cut, and said so."""
    began = time.perf_counter()
    finished = await cells.execute(CODE)
    if finished.state != "ok":
        raise RuntimeError(f"The flood ended as {finished.state}.")
    return time.perf_counter() - began, finished.printed


async def measure_stalled_reader(bench: Bench) -> list[Row]:
    """A WebSocket whose client never reads while the cell runs, then wakes up and wants the end of it."""
    async with bench.pool(1, 1) as pool, bench.thermae.session(pool) as session:
        groups = {"agent": agent_processes(container_of(session)), "web": bench.web}
        async with bench.thermae.cells(session) as stalled, watch_growth(groups) as growth:
            execution = await stalled.send(CODE)
            began = time.perf_counter()
            while await agent_state(bench.sockets / session / "agent.sock", execution) not in FINAL:
                await asyncio.sleep(0.1)
            finished = time.perf_counter() - began
            await asyncio.sleep(2)
            state = await wake_up(bench, session, stalled, execution)
    return [
        at_least("`idle` reaches the reader that stalled", float(state == "ok"), "of 1", 1),
        *growth_rows("flood to a stalled reader", growth),
        figure("flood ended in spite of the stalled reader after", finished, "s"),
    ]


async def agent_state(socket: Path, execution: str) -> str:
    """Asked of the agent itself, so that nobody reads on behalf of the reader that does not."""
    async with (
        aiohttp.ClientSession("http://agent", connector=aiohttp.UnixConnector(str(socket))) as http,
        http.get(f"/executions/{execution}") as response,
    ):
        state: str = (await response.json()).get("state", "")
        return state


async def wake_up(bench: Bench, session: str, stalled: Cells, execution: str) -> str:
    """Read on; where the server has given the slow reader up, come back with the last seq, as our page does."""
    try:
        return (await stalled.finish(execution, 60)).state
    except ConnectionError:
        async with bench.thermae.cells(session, stalled.seq) as again:
            return (await again.finish(execution, 60)).state


def growth_rows(what: str, growth: Growth) -> list[Row]:
    return [at_most(f"{what}: {name} grows by", growth[name] / MIB, "MiB", 32, "peak RSS") for name in growth.peak]
