"""The round trip of a cell, from the browser's WebSocket to the kernel and back."""

import asyncio

from tests.bench.bench import TURN, Bench
from tests.bench.report import Row, at_most, figure, median, percentile
from tests.bench.sandbox import container_of, raw_client


async def measure_cells(bench: Bench) -> list[Row]:
    """`1+1` in turns: through Daphne, by raw ZMQ to the very same kernel in its container, and by Jupyter Server."""
    ours: list[float] = []
    raw: list[float] = []
    jupyter: list[float] = []
    async with (
        bench.pool(1, 1) as pool,
        bench.thermae.session(pool) as session,
        bench.thermae.cells(session) as cells,
        raw_client(container_of(session)) as client,
        bench.jupyter.kernel() as kernel,
    ):
        for peer in (client, cells, kernel):
            await peer.run(TURN)  # a first turn that does not count: code is compiled, pages are mapped
        for _ in range(bench.samples(30, 5)):
            raw += await client.run(TURN)
            ours += await cells.run(TURN)
            await asyncio.sleep(0.5)  # what we save of our cells is no burden of the peer's
            jupyter += await kernel.run(TURN)
    note = f"{len(ours)} round trips of `1+1`"
    return [
        at_most("cell through Daphne ÷ raw ZMQ, p50", median(ours) / median(raw), "×", 1.6, note),
        at_most("cell through Daphne ÷ Jupyter Server, p50", median(ours) / median(jupyter), "×", 0.25),
        figure("cell through Daphne, p50", 1e3 * median(ours), "ms"),
        figure("cell through Daphne, p99", 1e3 * percentile(ours, 0.99), "ms"),
        figure("peer: cell by raw ZMQ in the container, p50", 1e3 * median(raw), "ms", "same kernel, same container"),
        figure("peer: cell by raw ZMQ in the container, p99", 1e3 * percentile(raw, 0.99), "ms"),
        figure("peer: cell by Jupyter Server, p50", 1e3 * median(jupyter), "ms", "ipykernel on the bare machine"),
    ]
