"""A cell that prints faster than its fastest reader takes waits for it, so that who keeps up misses nothing.

While too much lies unread, nothing more is read from the kernel's output, which by then waits in the kernel. Nobody
can stop a cell by it: a hold ends after PATIENCE, and where it was in vain, as for a reader that has stalled, there is
no other before somebody reads again. The log then cuts as it always does.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from .log import Log

MOST_AHEAD = 2 << 20  # bytes of the log that the fastest reader has not taken
PATIENCE = 0.2  # seconds; with what one read brings, a reader that takes less than about 1 MB/s is not waited for


class Source(Protocol):
    """Where output comes from."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Flow:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._readers = 0
        self._taken = 0  # up to here, in bytes, somebody has read
        self._in_vain = -1  # where `_taken` stood when a hold did not help
        self._held: dict[Source, asyncio.TimerHandle] = {}

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Somebody follows the log."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self.let_go()

    def took(self, seq: int) -> None:
        """A reader has taken everything up to `seq`."""
        self._taken = max(self._taken, self._log.offset(seq))
        if self._held and self._ahead <= MOST_AHEAD // 2:
            self.let_go()

    def check(self, source: Source) -> None:
        """Hold the source if its readers are too far behind, and if that can help."""
        if self._readers and self._ahead > MOST_AHEAD and self._taken != self._in_vain and source not in self._held:
            source.pause()
            loop = asyncio.get_running_loop()
            self._held[source] = loop.call_later(PATIENCE, self._despair, source, self._taken)

    def let_go(self) -> None:
        """Hold nothing any more."""
        for source, timer in self._held.items():
            timer.cancel()
            source.resume()
        self._held.clear()

    @property
    def _ahead(self) -> int:
        return self._log.end - self._taken

    def _despair(self, source: Source, taken: int) -> None:
        del self._held[source]
        if self._taken == taken:
            self._in_vain = taken
        source.resume()
