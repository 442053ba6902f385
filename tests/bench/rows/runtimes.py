"""What gVisor costs: the same image under the engine's default runtime and under runsc, in turns.

Work inside is measured twice: as its user sees it, and by the processor time that the kernel charges to the sandbox,
gVisor's own share included. That does not hang on what else the machine does.
"""

import asyncio
import glob
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Measured:
    """Samples by runtime, and by what was done under it."""

    launches: Samples = field(default_factory=lambda: defaultdict(list))
    cells: Samples = field(default_factory=lambda: defaultdict(list))
    floods: Samples = field(default_factory=lambda: defaultdict(list))
    work: Samples = field(default_factory=lambda: defaultdict(list))
    processor: Samples = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, float] = field(default_factory=dict)


async def measure_runtimes(bench: Bench) -> list[Row]:
    if reason := await asyncio.to_thread(capabilities.missing, "runsc"):
        return [figure("gVisor beside runc: not measured", 0, "", reason)]
    found = Measured()
    async with AsyncExitStack() as stack:
        pools = {
            name: await stack.enter_async_context(bench.pool(0, 2, oci_runtime=choice, disk=256))
            for name, choice in RUNTIMES.items()
        }
        for turn in range(bench.samples(7, 3)):
            for name, pool in pools.items():
                session, _ = await start_cold(bench.thermae, pool)
                if turn:  # the first finds cold files
                    found.launches[name].append(await asyncio.to_thread(launch_seconds, session))
                await bench.thermae.close(session)
                await asyncio.to_thread(await_gone, session)
        tabs = {}
        containers = {}
        for name, pool in pools.items():
            session, _ = await start_cold(bench.thermae, pool)
            containers[name] = container_of(session)
            await asyncio.sleep(2)
            found.memory[name] = charged(containers[name]) / MIB
            tabs[name] = await stack.enter_async_context(bench.thermae.cells(session))
            await tabs[name].run(TURN)
        for _ in range(bench.samples(10, 3)):
            for name, tab in tabs.items():
                found.cells[name] += await tab.run(TURN)
        for _ in range(bench.samples(5, 2)):
            for name, tab in tabs.items():
                await work(found, name, tab, containers[name])
    return list(rows(found))


async def work(found: Measured, name: str, tab: Cells, container: str) -> None:
    for what, code in WORK.items():
        before = spent(container)
        found.work[f"{what}: {name}"].append(await timed(tab, code))
        found.processor[f"{what}: {name}"].append(spent(container) - before)
    before = spent(container)
    found.floods[name].append(SIZE / (await flood(tab))[0] / 1e6)
    found.processor[f"flood: {name}"].append(spent(container) - before)


def rows(found: Measured) -> Iterator[Row]:
    """In pairs. Each names its best sample too: on a busy machine that is nearest to what a quiet one would show."""
    for name in RUNTIMES:
        samples = found.launches[name]
        yield figure(f"launch to ready: {name}, p50", median(samples), "s", best(samples))
    for name in RUNTIMES:
        samples = milliseconds(found.cells[name])
        yield figure(f"cell through Daphne: {name}, p50", median(samples), "ms", best(samples))
    for name in RUNTIMES:
        note = f"best {max(found.floods[name]):.3g}; {processor(found, f'flood: {name}')}"
        yield figure(f"flood of 100 MB: {name}, p50", median(found.floods[name]), "MB/s", note)
    for what in WORK:
        for name in RUNTIMES:
            samples = milliseconds(found.work[f"{what}: {name}"])
            note = f"{best(samples)}; {processor(found, f'{what}: {name}')}"
            yield figure(f"{what}: {name}, p50", median(samples), "ms", note)
    for name in RUNTIMES:
        note = "charged to its control group, without cache"
        yield figure(f"idle warm instance: {name}", found.memory[name], "MiB", note)


def best(samples: list[float]) -> str:
    return f"best {min(samples):.3g}"


def processor(found: Measured, what: str) -> str:
    return f"processor {1e3 * median(found.processor[what]):.0f} ms"


def milliseconds(samples: list[float]) -> list[float]:
    return [1e3 * each for each in samples]


async def timed(tab: Cells, code: str) -> float:
    began = time.perf_counter()
    finished = await tab.execute(code)
    if finished.state != "ok":
        raise RuntimeError(f"It ended as {finished.state}: {code}")
    return time.perf_counter() - began


def charged(container: str) -> int:
    """Bytes of memory that the kernel counts against a container, what it could drop at once left out."""
    for folder in groups("memory", container):
        for name, cache in (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file")):
            if (folder / name).exists():
                statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                return int((folder / name).read_text()) - int(statistics[cache])
    raise LookupError(f"Container {container} has no control group of memory.")


def spent(container: str) -> float:
    """Seconds of processor time of a container so far."""
    for folder in groups("cpuacct", container):
        if (folder / "cpuacct.usage").exists():
            return int((folder / "cpuacct.usage").read_text()) / 1e9
        if (folder / "cpu.stat").exists():
            statistics = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
            if "usage_usec" in statistics:
                return int(statistics["usage_usec"]) / 1e6
    raise LookupError(f"Container {container} has no control group of processor time.")


def groups(controller: str, container: str) -> Iterator[Path]:
    """The control groups of a container, of version 1 and 2."""
    for pattern in (f"/sys/fs/cgroup/{controller}/**/{container}", f"/sys/fs/cgroup/**/*{container}*"):
        yield from map(Path, glob.glob(pattern, recursive=True))
