"""Processes that outlive us, named so that a reused pid cannot fool us: pid, start time, and which boot."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    start: int  # clock ticks from boot to its start

    @classmethod
    def from_stat(cls, line: str) -> "Process | None":
        """From a line of `/proc/<pid>/stat`; None if it is not one."""
        fields = _fields(line)
        try:
            return cls(int(line.split(" ", 1)[0]), int(fields[19]))
        except (IndexError, ValueError):
            return None

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this pid now."""
        try:
            return cls.from_stat(Path(f"/proc/{pid}/stat").read_text())
        except OSError:
            return None

    @property
    def alive(self) -> bool:
        """Whether it still runs. One that ended and is ours to collect is collected here."""
        with suppress(OSError):
            os.waitpid(self.pid, os.WNOHANG)
        try:
            line = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return Process.from_stat(line) == self and _fields(line)[0] not in ("Z", "X")

    def kill(self) -> None:
        """SIGKILL, to this process and never to a later one of the same pid."""
        with suppress(OSError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, waiting for that at most so long."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True


def boot_id() -> str:
    """Which boot of the machine this is: start times count from it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _fields(line: str) -> list[str]:
    """The fields after the name, which is in parentheses and may hold anything: the first is the state."""
    return line.rpartition(")")[2].split()
