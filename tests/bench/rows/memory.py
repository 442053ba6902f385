"""What one ready instance keeps resident."""

import asyncio

from tests.bench.bench import Bench
from tests.bench.processes import MIB, descendants, proportional, resident
from tests.bench.report import Row, at_most, figure
from tests.bench.sandbox import container_of, processes_of


async def measure_idle_instance(bench: Bench) -> list[Row]:
    """All processes of a lone Python sandbox whose image imports nothing before it is ready.

    The sum of proportional set sizes of a container that shares its files with no other counts every resident page
    once: it is what the instance keeps in memory. The sum of resident set sizes counts shared pages again and again.
    """
    async with bench.pool(1, 1, warm=False) as pool, bench.thermae.session(pool) as session:
        await asyncio.sleep(2)
        processes = processes_of(container_of(session))
        rows = [
            at_most(
                "idle Python instance before warm-up imports",
                sum(map(proportional, processes)) / MIB, "MiB", 110, f"PSS of all its {len(processes)} processes",
            ),
            figure("… sum of RSS", sum(map(resident, processes)) / MIB, "MiB", "shared pages counted repeatedly"),
        ]  # fmt: skip
        for pid, line in sorted(processes.items()):
            rows.append(figure(f"… {short(line)}", proportional(pid) / MIB, "MiB", "PSS"))
    async with bench.jupyter.kernel():
        pids = descendants(bench.jupyter.pid)
        size = sum(map(proportional, pids)) / MIB
    return [*rows, figure("peer: Jupyter Server with one kernel", size, "MiB", f"PSS of {len(pids)} processes")]


def short(line: str) -> str:
    """A command line in a few words: the program, and the module it runs."""
    words = line.split()
    program = words[0].rpartition("/")[2] if words else "?"
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return f"{program} {module}".strip()
