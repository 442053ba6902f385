"""Stopping a cell that prints without end."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.bench.bench import Bench
from tests.bench.report import Row, at_most, figure, median

CODE = "while True: print('x' * 1000)"


async def measure_interrupts(bench: Bench) -> list[Row]:
    """From the interrupt to the end of the execution as a reader sees it, in turns with Jupyter Server."""
    ours: list[float] = []
    jupyter: list[float] = []
    async with (
        bench.pool(1, 1) as pool,
        bench.thermae.session(pool) as session,
        bench.thermae.cells(session) as cells,
        bench.jupyter.kernel() as kernel,
    ):
        for _ in range(bench.samples(10, 3)):
            ours.append(await interrupt(cells.send, cells.finish, cells.interrupt))
            jupyter.append(await interrupt(kernel.send, kernel.finish, kernel.interrupt))
    return [
        at_most("interrupt while flooding, worst", max(ours), "s", 1, f"{len(ours)} times, to the final state"),
        figure("interrupt while flooding, p50", median(ours), "s"),
        figure("peer: interrupt by Jupyter Server, p50", median(jupyter), "s"),
        figure("peer: interrupt by Jupyter Server, worst", max(jupyter), "s"),
    ]


async def interrupt(
    send: Callable[[str], Awaitable[str]],
    finish: Callable[[str], Awaitable[object]],
    stop: Callable[[], Awaitable[None]],
) -> float:
    execution = await send(CODE)
    reading = asyncio.ensure_future(finish(execution))
    await asyncio.sleep(1)
    began = time.perf_counter()
    await stop()
    await reading
    return time.perf_counter() - began
