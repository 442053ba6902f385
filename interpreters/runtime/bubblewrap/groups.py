"""Control groups for sandboxes without an engine: real limits where we may make them; `missing()` says where not."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from interpreters.runtime.base import SandboxSpec

ROOT = Path("/sys/fs/cgroup")
PARENT = "thermae"
CONTROLLERS = ("memory", "pids", "cpu")
MIB = 1024 * 1024


def is_version_2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def missing() -> Sequence[str]:
    """The controllers of which we may not make groups."""
    if is_version_2():
        try:
            given = (ROOT / "cgroup.controllers").read_text().split()
        except OSError:
            given = []
        writable = os.access(ROOT / "cgroup.procs", os.W_OK) and os.access(ROOT, os.W_OK)
        return [name for name in CONTROLLERS if name not in given or not writable]
    return [name for name in CONTROLLERS if not os.access(ROOT / name / "cgroup.procs", os.W_OK)]


def make(spec: SandboxSpec) -> list[Path]:
    """Make a sandbox's groups with its limits; returns their folders, none where groups cannot be made."""
    if missing():
        return []
    folders = list(_folders(spec.session))
    if is_version_2():
        for above in (ROOT, ROOT / PARENT):
            above.mkdir(exist_ok=True)
            (above / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS))
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in _limits(spec).items():
            if (folder / name).exists():
                (folder / name).write_text(value)
    return folders


def shown(session: UUID) -> list[tuple[Path, str]]:
    """Which folder to show at which path inside a sandbox, so that its agent can read usage and limits."""
    folders = [folder for folder in _folders(session) if folder.is_dir()]
    if is_version_2():
        return [(folder, str(ROOT)) for folder in folders]
    return [(folder, str(ROOT / folder.relative_to(ROOT).parts[0])) for folder in folders]


def oom_kills(session: UUID) -> int:
    """How many processes of a sandbox the kernel has killed for memory."""
    for folder in _folders(session):
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                lines = (folder / name).read_text().splitlines()
                return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def remove(session: UUID, patience: float = 2.0) -> None:
    """Remove a sandbox's groups. The kernel refuses until the last dead process is gone, so for a moment we insist."""
    deadline = time.monotonic() + patience
    for folder in _folders(session):
        while folder.is_dir():
            with suppress(OSError):
                folder.rmdir()
                break
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def _folders(session: UUID) -> Sequence[Path]:
    if is_version_2():
        return [ROOT / PARENT / str(session)]
    hierarchies = {(ROOT / name).resolve() for name in (*CONTROLLERS, "cpuacct")}
    return [hierarchy / PARENT / str(session) for hierarchy in sorted(hierarchies) if hierarchy.is_dir()]


def _limits(spec: SandboxSpec) -> Mapping[str, str]:
    """Files of both versions, in the order in which they must be written: those that exist are used."""
    memory = str(spec.memory * MIB)
    period = 100_000
    quota = int(spec.cpu * period)
    return {
        "memory.max": memory,
        "memory.swap.max": "0",
        "memory.limit_in_bytes": memory,
        "memory.memsw.limit_in_bytes": memory,
        "pids.max": str(spec.pids),
        "cpu.max": f"{quota} {period}",
        "cpu.cfs_period_us": str(period),
        "cpu.cfs_quota_us": str(quota),
    }
