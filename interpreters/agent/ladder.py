"""The steps of an interrupt: ask, ask again, and then say that it was ignored, so that a restart can be offered."""

import asyncio
from collections.abc import Callable

PATIENCE = 3.0  # seconds between steps
HESITATION = 1.0  # seconds that an execution is given to begin
STEPS = ("sent", "sent_again", "ignored")


class Ladder:
    """`interrupt()` does it, `say(step)` tells it."""

    def __init__(self, interrupt: Callable[[], None], say: Callable[[str], None]) -> None:
        self._interrupt, self._say = interrupt, say
        self._timer: asyncio.TimerHandle | None = None
        self._hesitates = False

    @property
    def climbing(self) -> bool:
        return self._timer is not None

    def climb(self, begun: bool) -> None:
        """Begin at the lowest step. Before the kernel has taken up the code, a signal would hit the kernel itself, or
        nothing: then this waits for `begun()`."""
        self.stop()
        self._hesitates = not begun
        if begun:
            self._step(0)
        else:
            self._timer = asyncio.get_running_loop().call_later(HESITATION, self._step, 0)

    def begun(self) -> None:
        if self._hesitates:
            self.climb(begun=True)

    def stop(self) -> None:
        """The execution has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._hesitates = None, False

    def _step(self, number: int) -> None:
        self._hesitates = False
        self._timer = None
        if STEPS[number] != "ignored":
            self._interrupt()
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._step, number + 1)
        self._say(STEPS[number])
