"""What gVisor costs: the same image under the engine's default runtime and under runsc, in turns."""

import asyncio
import glob
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from tests import capabilities
from tests.bench.bench import TURN, Bench
from tests.bench.processes import MIB
from tests.bench.report import Row, figure, median
from tests.bench.rows.floods import SIZE, flood
from tests.bench.rows.launches import await_gone, launch_seconds, start_cold
from tests.bench.sandbox import container_of
from tests.bench.thermae import Cells

RUNTIMES = {"runc": "", "runsc": "runsc"}  # as pools name them; the engine's default is runc
# One cell each, timed as its user sees it.
WORK = {
    "100 000 × os.stat": "import os\nfor _ in range(100_000): os.stat('/work')",
    "20 × fork and exec of true": "import subprocess\nfor _ in range(20): subprocess.run(['true'])",
    "sum of 10 000 000 numbers": "sum(range(10_000_000))",
    "write and read 64 MB in /work": """
megabyte = bytes(1 << 20)
with open("x", "wb") as file:
    for _ in range(64): file.write(megabyte)
with open("x", "rb") as file:
    while file.read(1 << 20): pass
""",
}
Samples = defaultdict[str, list[float]]


async def measure_runtimes(bench: Bench) -> list[Row]:
    if reason := await asyncio.to_thread(capabilities.missing, "runsc"):
        return [figure("gVisor beside runc: not measured", 0, "", reason)]
    launches: Samples = defaultdict(list)
    cells: Samples = defaultdict(list)
    floods: Samples = defaultdict(list)
    work: Samples = defaultdict(list)
    memory: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        pools = {
            name: await stack.enter_async_context(bench.pool(0, 2, oci_runtime=choice, disk=256))
            for name, choice in RUNTIMES.items()
        }
        for turn in range(bench.samples(7, 3)):
            for name, pool in pools.items():
                session, _ = await start_cold(bench.thermae, pool)
                if turn:  # the first finds cold files
                    launches[name].append(await asyncio.to_thread(launch_seconds, session))
                await bench.thermae.close(session)
                await asyncio.to_thread(await_gone, session)
        tabs = {}
        for name, pool in pools.items():
            session, _ = await start_cold(bench.thermae, pool)
            await asyncio.sleep(2)
            memory[name] = charged(container_of(session)) / MIB
            tabs[name] = await stack.enter_async_context(bench.thermae.cells(session))
            await tabs[name].run(TURN)
        for _ in range(bench.samples(10, 3)):
            for name, tab in tabs.items():
                cells[name] += await tab.run(TURN)
        for _ in range(bench.samples(5, 2)):
            for name, tab in tabs.items():
                for what, code in WORK.items():
                    work[f"{what}: {name}"].append(await timed(tab, code))
                floods[name].append(SIZE / (await flood(tab))[0] / 1e6)
    return list(rows(launches, cells, floods, work, memory))


def rows(launches: Samples, cells: Samples, floods: Samples, work: Samples, memory: dict[str, float]) -> Iterator[Row]:
    for name in RUNTIMES:
        yield figure(f"launch to ready: {name}, p50", median(launches[name]), "s", f"{len(launches[name])} launches")
    for name in RUNTIMES:
        yield figure(f"cell through Daphne: {name}, p50", 1e3 * median(cells[name]), "ms")
    for name in RUNTIMES:
        yield figure(f"flood of 100 MB: {name}, p50", median(floods[name]), "MB/s")
    for what in WORK:
        for name in RUNTIMES:
            yield figure(f"{what}: {name}, p50", 1e3 * median(work[f"{what}: {name}"]), "ms")
    for name in RUNTIMES:
        yield figure(f"idle warm instance: {name}", memory[name], "MiB", "charged to its control group, without cache")


async def timed(tab: Cells, code: str) -> float:
    began = time.perf_counter()
    finished = await tab.execute(code)
    if finished.state != "ok":
        raise RuntimeError(f"It ended as {finished.state}: {code}")
    return time.perf_counter() - began


def charged(container: str) -> int:
    """Bytes of memory that the kernel counts against a container, what it could drop at once left out."""
    for pattern in (f"/sys/fs/cgroup/memory/**/{container}", f"/sys/fs/cgroup/**/*{container}*"):
        for folder in map(Path, glob.glob(pattern, recursive=True)):
            for name, cache in (
                ("memory.usage_in_bytes", "total_inactive_file"),
                ("memory.current", "inactive_file"),
            ):
                if (folder / name).exists():
                    statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                    return int((folder / name).read_text()) - int(statistics[cache])
    raise LookupError(f"Container {container} has no control group of memory.")
