"""What the sandbox's control group says: version 1 and 2."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@cache
def folders(controller: str) -> tuple[Path, ...]:
    """Where this process's group may be: below its own path, or, in a container, at the root of the mount."""
    return tuple(folder for folder in _candidates(controller) if folder.is_dir())


def _candidates(controller: str) -> Iterator[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            yield ROOT / controller / path.lstrip("/")
            yield ROOT / controller
        elif not names and path != "/":
            yield ROOT / path.lstrip("/")
    yield ROOT


def read(controller: str, *names: str) -> str:
    """The first of these files that can be read: say both versions' names. "" if none can."""
    for folder in folders(controller):
        for name in names:
            try:
                return (folder / name).read_text()
            except OSError:
                continue
    return ""


def number(controller: str, *names: str) -> int | None:
    """A file with one number in it; None if there is none, or no limit."""
    text = read(controller, *names).strip()
    return int(text) if text.isdecimal() and int(text) < 1 << 60 else None


def oom_kills() -> int:
    """How often the out-of-memory killer was here."""
    for line in read("memory", "memory.oom_control", "memory.events").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdecimal():
            return int(value)
    return 0
