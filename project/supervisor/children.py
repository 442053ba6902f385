"""The processes of one installation: started in order, watched, restarted, stopped in the opposite order."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from project.supervisor.console import say

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
# So many deaths of one child within so many seconds are not an accident: the whole stops.
MAX_DEATHS, DEATHS_WITHIN = 3, 60.0


class ChildFailed(Exception):
    """A process ended again and again, or did not come up. The message carries its last words."""


def _die_with_parent() -> None:
    # kill -9 of the supervisor must not leave a web server behind.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 10.0  # seconds from the stop signal to SIGKILL
    stdin: str = ""
    deaths: list[float] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if self.stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **self.environment},
                # Of its own group: Ctrl-C at the terminal reaches only the supervisor, which stops all in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        if self.stdin and self.process.stdin:
            self.process.stdin.write(self.stdin)
            self.process.stdin.close()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End it and everything that it started."""
        if self.process is None:
            return
        _signal_group(self.process.pid, self.stop_signal)
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            say(f"    {self.name} is still busy after {self.patience:.0f} s: ending it")
        _signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, lines: int = 15) -> str:
        try:
            tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            tail = []
        return "\n".join(f"      {line}" for line in tail)

    def revive(self) -> None:
        """Report its death and start it again. Raises ChildFailed when it has died too often."""
        status = self.process.returncode if self.process else None
        say(f"  ! {self.name} ended with status {status}; its last lines, of {self.log}:\n{self.last_words()}")
        now = time.monotonic()
        self.deaths = [*(death for death in self.deaths if now - death < DEATHS_WITHIN), now]
        if len(self.deaths) >= MAX_DEATHS:
            raise ChildFailed(f"{self.name} ended {MAX_DEATHS} times within {DEATHS_WITHIN:.0f} s.")
        if self.process:
            _signal_group(self.process.pid, signal.SIGKILL)  # what it left behind
        self.start()
        say(f"  ✓ {self.name} is started again")

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Poll for what shows that it is up. Raises ChildFailed if it ends before, or takes too long."""
        deadline = time.monotonic() + seconds
        while not condition():
            if not self.alive:
                raise ChildFailed(
                    f"{self.name} ended before it was up; its last lines, of {self.log}:\n{self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} is not up after {seconds:.0f} s; its last lines:\n{self.last_words()}")
            time.sleep(0.05)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)
