"""Resident memory of processes, read from /proc of this machine."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 once it has ended."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def proportional(pid: int) -> int:
    """Resident bytes of a process, each shared page divided by the number of its sharers; 0 once it has ended."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _kilobytes(path: Path, key: str) -> int:
    try:
        for line in path.read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The command name, in brackets, may hold spaces.
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


@dataclass(slots=True)
class Growth:
    """The highest resident size of each named process above where it began, in bytes."""

    begin: dict[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.peak[name] - self.begin[name]


@asynccontextmanager
async def watch_growth(pids: Mapping[str, Sequence[int]], every: float = 0.05) -> AsyncIterator[Growth]:
    """Sample the named groups of processes until the block ends."""

    def sample() -> dict[str, int]:
        return {name: sum(map(resident, group)) for name, group in pids.items()}

    growth = Growth(begin=sample())
    growth.peak = dict(growth.begin)

    async def keep_sampling() -> None:
        while True:
            for name, size in sample().items():
                growth.peak[name] = max(growth.peak[name], size)
            await asyncio.sleep(every)

    task = asyncio.create_task(keep_sampling())
    try:
        yield growth
    finally:
        task.cancel()
