"""Progress lines that a person likes: one line a step, with its time; on a terminal it is updated in place."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator

_NEWS_EVERY = 5.0  # seconds between lines of detail where they cannot replace each other


class Step:
    def __init__(self, text: str) -> None:
        self.text = text
        self._terminal = sys.stdout.isatty()
        self._started = self._told = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def begin(self) -> None:
        self._show(f"  … {self.text}")

    def detail(self, line: str) -> None:
        """What is going on inside a long step."""
        if self._terminal:
            self._show(f"  … {self.text}: {line}")
        elif time.monotonic() - self._told > _NEWS_EVERY:
            self._told = time.monotonic()
            say(f"      {line}")

    def end(self, mark: str = "✓") -> None:
        self._show(f"  {mark} {self.text} ({duration(self.seconds)})", last=True)

    def _show(self, line: str, last: bool = False) -> None:
        if not self._terminal:
            say(line)
            return
        width = shutil.get_terminal_size().columns
        print(f"\r\x1b[K{line[: width - 1]}", end="\n" if last else "", flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[Step]:
    one = Step(text)
    one.begin()
    try:
        yield one
    except BaseException:
        one.end("✗")
        raise
    one.end()


def say(line: str = "") -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone while we stop
        print(line, flush=True)


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
