"""How much of its limits a sandbox uses: from its control group, or, where there is none of its own, from /proc."""

import os
import time

from . import cgroup
from .config import Config
from .messages import Json

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Meter:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._cpu_seconds, self._at = 0.0, 0.0

    def read(self) -> Json:
        """`cpu` is the mean number of cores since the last reading, or since the start."""
        config = self._config
        processes = None if _contained() else _processes()
        memory = cgroup.number("memory", "memory.usage_in_bytes", "memory.current") if processes is None else None
        pids = cgroup.number("pids", "pids.current") if processes is None else None
        if memory is None or pids is None:
            processes = processes or _processes()
        disk = os.statvfs(config.work_dir)
        size = disk.f_blocks * disk.f_frsize
        return {
            "cpu": round(self._cpu(processes), 3),
            "memory": _without_cache(memory) if memory is not None else sum(one[1] for one in processes or []),
            "memory_limit": config.memory_limit
            or cgroup.number("memory", "memory.limit_in_bytes", "memory.max")
            or _total_memory(),
            "pids": pids if pids is not None else sum(one[2] for one in processes or []),
            "pids_limit": config.pids_limit or cgroup.number("pids", "pids.max") or 0,
            "disk": size - disk.f_bfree * disk.f_frsize,
            "disk_limit": config.disk_limit or size,
        }

    def _cpu(self, processes: list[tuple[float, int, int]] | None) -> float:
        seconds = sum(one[0] for one in processes) if processes is not None else _cpu_seconds()
        now = time.monotonic()
        before, since = self._cpu_seconds, self._at
        self._cpu_seconds, self._at = seconds, now
        return max(0.0, seconds - before) / (now - since) if since and now > since else 0.0


def _contained() -> bool:
    """Whether the control group is the sandbox's own: a limit on it says so."""
    return cgroup.number("memory", "memory.limit_in_bytes", "memory.max") is not None


def _without_cache(used: int) -> int:
    """Memory that cannot simply be taken back: what the limit is about."""
    for line in cgroup.read("memory", "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("total_inactive_file", "inactive_file"):
            return max(0, used - int(value))
    return used


def _cpu_seconds() -> float:
    nanoseconds = cgroup.number("cpuacct", "cpuacct.usage")
    if nanoseconds is not None:
        return nanoseconds / 1e9
    for line in cgroup.read("cpu", "cpu.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "usage_usec":
            return int(value) / 1e6
    return sum(one[0] for one in _processes())


def _processes() -> list[tuple[float, int, int]]:
    """CPU seconds, resident bytes and threads of every process that can be seen."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            found.append(((int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * PAGE, int(fields[17])))
    return found


def _total_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * PAGE
