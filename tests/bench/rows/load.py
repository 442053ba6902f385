"""Many sessions at once, each running a cell every second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from tests.bench.bench import Bench
from tests.bench.report import Row, at_most, figure, median, percentile

Run = Callable[[int], Awaitable[list[float]]]


async def measure_load(bench: Bench) -> list[Row]:
    """Fifty sessions for half a minute, then as many kernels of Jupyter Server."""
    sessions, seconds = bench.samples(50, 10), bench.samples(30, 10)
    async with bench.pool(sessions, sessions, memory=512, cpu=1.0) as pool, AsyncExitStack() as stack:
        runs: list[Run] = []
        for _ in range(sessions):
            session = str((await bench.thermae.open(pool))["id"])
            cells = await stack.enter_async_context(bench.thermae.cells(session))
            runs.append(cells.run)
        ours, errors = await run_all(runs, seconds)
    async with AsyncExitStack() as stack:
        kernels = [await stack.enter_async_context(bench.jupyter.kernel()) for _ in range(sessions)]
        jupyter, jupyter_errors = await run_all([kernel.run for kernel in kernels], seconds)
    what = f"{sessions} sessions × a cell a second × {seconds} s"
    return [
        at_most(f"{what}: p99", 1e3 * percentile(ours, 0.99), "ms", 250, f"{len(ours)} cells"),
        at_most(f"{what}: errors", errors, "", 0),
        figure(f"{what}: p50", 1e3 * median(ours), "ms"),
        figure("peer: the same on Jupyter Server, p99", 1e3 * percentile(jupyter, 0.99), "ms", "after, not in turns"),
        figure("peer: the same on Jupyter Server, p50", 1e3 * median(jupyter), "ms", f"{jupyter_errors} errors"),
    ]


async def run_all(runs: list[Run], seconds: int) -> tuple[list[float], int]:
    """The seconds of every cell, and how many failed. Sessions begin spread over the first second."""
    samples: list[float] = []
    errors = 0

    async def keep_running(run: Run, delay: float) -> None:
        nonlocal errors
        begin = time.perf_counter() + delay
        for turn in range(seconds):
            await asyncio.sleep(max(0.0, begin + turn - time.perf_counter()))
            try:
                samples.extend(await run(1))
            except Exception as error:
                errors += 1
                print(f"A cell failed: {error!r}")

    await asyncio.gather(*(keep_running(run, number / len(runs)) for number, run in enumerate(runs)))
    return samples, errors
