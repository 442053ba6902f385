"""Opening a session that waits ready, and its first result."""

import asyncio
import time

from tests.bench.bench import Bench
from tests.bench.report import Row, at_most, figure, median, percentile
from tests.bench.sandbox import container_of, raw_client
from tests.bench.thermae import Thermae


async def measure_leases(bench: Bench) -> list[Row]:
    """Lease a whole pool one by one, round after round.

    The pool may hold no more than its ready instances, so that none is launched meanwhile: the machine is idle.
    Every other session gives its first result to us, the others to a raw client beside their kernel.
    """
    size = bench.samples(25, 10)
    leases: list[float] = []
    ours: list[float] = []
    raw: list[float] = []
    async with bench.pool(size, size) as pool:
        await bench.thermae.ready(pool)
        for _ in range(bench.samples(4, 1)):
            await bench.thermae.await_ready(pool, size, 60 + 3 * size)
            await asyncio.sleep(1)
            held = []
            for turn in range(size):
                session, lease, first = await open_and_run(bench.thermae, pool, turn % 2 == 0)
                held.append(session)
                leases.append(lease)
                if first is None:
                    async with raw_client(container_of(session)) as client:
                        raw += await client.run(1)
                else:
                    ours.append(lease + first)
            for session in held:
                await bench.thermae.close(session)
    bar = 2 * median(raw) + 0.020
    return [
        at_most("lease of a ready instance, p50", 1e3 * median(leases), "ms", 15, f"{len(leases)} leases, REST"),
        at_most("lease of a ready instance, p99", 1e3 * percentile(leases, 0.99), "ms", 60),
        at_most("open + first result, p50", 1e3 * median(ours), "ms", 1e3 * bar, "bar: 2 × raw ZMQ + 20 ms"),
        figure("peer: first result, raw ZMQ, p50", 1e3 * median(raw), "ms", "same image, connected before"),
    ]


async def open_and_run(thermae: Thermae, pool: str, run: bool) -> tuple[str, float, float | None]:
    """The session, and the seconds of its lease and of its first result, if that is asked for."""
    began = time.perf_counter()
    opened = await thermae.open(pool)
    leased = time.perf_counter()
    session = str(opened["id"])
    if opened["state"] != "leased":
        raise RuntimeError(f"The pool had no ready instance: {opened}")
    if not run:
        return session, leased - began, None
    await thermae.call("POST", f"/sessions/{session}/executions", {"code": "1+1", "mode": "sync"})
    return session, leased - began, time.perf_counter() - leased
