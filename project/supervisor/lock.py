"""One supervisor to a state folder, and what a killed one left behind is ended by the next."""

import contextlib
import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import TextIO


class AlreadyRunning(Exception):
    """Another supervisor holds this state folder."""


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot: with its pid it names a process for good."""
    try:
        # The name of the program, in parentheses, may hold anything.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None


class RunLock:
    """A locked file that lists the processes of this run. The kernel frees the lock however we end."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            raise AlreadyRunning(_supervisor_pid(self._file.read())) from None
        self._file.seek(0)
        self._stale = self._file.read()
        self.record({})

    def record(self, children: dict[str, int]) -> None:
        """Write down the pids of the children, and ours."""
        rows = {name: [pid, start_time(pid)] for name, pid in {"supervisor": os.getpid(), **children}.items()}
        self._file.seek(0)
        self._file.truncate()
        json.dump(rows, self._file)
        self._file.flush()

    def end_stale(self) -> list[str]:
        """End the children of a run that was killed, and return their names."""
        try:
            rows: dict[str, list[int]] = json.loads(self._stale or "{}")
        except ValueError:
            rows = {}
        left = {name: pid for name, (pid, began) in rows.items() if name != "supervisor" and start_time(pid) == began}
        for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
            for pid in left.values():
                _kill_group(pid, number)
            deadline = time.monotonic() + patience
            while any(start_time(pid) == rows[name][1] for name, pid in left.items()) and time.monotonic() < deadline:
                time.sleep(0.05)
        return list(left)

    def release(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.close()


def _supervisor_pid(content: str) -> str:
    try:
        return str(json.loads(content)["supervisor"][0])
    except (ValueError, LookupError):
        return "unknown"


def _kill_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
