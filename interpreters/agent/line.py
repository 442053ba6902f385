"""The line of executions in front of one kernel: one runs, the others wait, and each is told about."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from .errors import conflict
from .execution import Execution
from .journal import Journal
from .ladder import Ladder
from .log import Owner
from .messages import Message

MAX_WAITING = 1000
SILENCE = 5.0  # seconds without output after a reply: its `idle` was lost inside the kernel
LONGEST_SETTLING = 10.0  # seconds
SPEECHLESS = 2.0  # seconds after `idle` without a reply: an interrupt hit the kernel before it ran the code


class Line:
    """`begin(execution)` sends one to the kernel, or returns False if there is none that could take it; `rest()` is
    called when the last one has run."""

    def __init__(
        self,
        context: str,
        journal: Journal,
        begin: Callable[[Execution], bool],
        interrupt: Callable[[], None],
        rest: Callable[[], None],
        settle: float = 0.0,
    ) -> None:
        self.running: Execution | None = None
        self._context, self._journal, self._begin, self._rest = context, journal, begin, rest
        self._quiet = settle
        self._waiting: deque[Execution] = deque()
        self._ladder = Ladder(interrupt, self._say_interrupt)
        self._timeout: asyncio.TimerHandle | None = None
        self._last_heard = 0.0

    @property
    def busy(self) -> bool:
        return self.running is not None or bool(self._waiting)

    @property
    def interrupting(self) -> bool:
        return self._ladder.climbing

    def position(self, execution: Execution) -> int:
        return self._waiting.index(execution) + 1 if execution in self._waiting else 0

    def put(self, execution: Execution) -> None:
        """At the end of the line. Raises Refusal if that is too long."""
        if len(self._waiting) >= MAX_WAITING:
            raise conflict("queue_full", f"{MAX_WAITING} executions wait already: wait for them, or interrupt.")
        self._waiting.append(execution)
        self.advance()
        if execution.state == "queued":
            self._tell(execution)

    def advance(self) -> None:
        """Begin the next one if nothing runs."""
        while self.running is None and self._waiting and self._begin(self._waiting[0]):
            execution = self.running = self._waiting.popleft()
            execution.state, execution.started_at = "running", time.time()
            self._tell(execution)
            if execution.timeout is not None:
                loop = asyncio.get_running_loop()
                self._timeout = loop.call_later(execution.timeout, self._time_out, execution)

    def cancel(self, execution: Execution) -> None:
        if execution in self._waiting:
            self._waiting.remove(execution)
            self._finish(execution, "cancelled", None)
        elif execution is self.running:
            self.interrupt()

    def interrupt(self) -> None:
        if self.running is not None:
            self._ladder.climb(begun=self.running.begun)

    def give_up(self, state: str, reason: str) -> None:
        """What runs ends in `state`; what waits is aborted."""
        if self.running is not None:
            self._finish(self.running, state, reason)
        self._abort_waiting(reason)

    def hear(self, channel: str, message: Message, execution: Execution) -> None:
        """A message of the kernel's that belongs to an execution of this line."""
        loop = asyncio.get_running_loop()
        if channel == "iopub":
            self._last_heard = loop.time()
        match channel, message.msg_type:
            case "iopub", "status":
                execution.idle = message.parsed.get("execution_state") == "idle"
                if execution.idle and execution.reply is None:
                    loop.call_later(SPEECHLESS, self._stop_waiting_for_reply, execution)
                self._settle(execution)
            case "iopub", "stream":
                execution.printed = True
            case "iopub", "execute_input":
                execution.begun = True
                if execution is self.running:
                    self._ladder.begun()
            case "shell", "execute_reply":
                execution.reply = message.parsed
                loop.call_later(SILENCE, self._stop_waiting_for_idle, execution)
                self._settle(execution)

    def _settle(self, execution: Execution) -> None:
        """End the running execution once its reply *and* its idle are here."""
        reply = execution.reply
        if execution is not self.running or reply is None or not execution.idle:
            return
        if self._quiet and execution.printed and self._must_wait(execution):
            return
        count = reply.get("execution_count")
        if isinstance(count, int) and 0 <= count < 1 << 53:
            execution.execution_count = count
        match reply.get("status"):
            case "ok":
                self._finish(execution, "ok", execution.reason)
            case "error":
                execution.error = {name: str(reply.get(name, ""))[:10_000] for name in ("ename", "evalue")}
                self._finish(execution, "error", execution.reason)
                if execution.stop_on_error:
                    self._abort_waiting("error_before")
            case _:
                self._finish(execution, "aborted", execution.reason)
        self._next()

    def _must_wait(self, execution: Execution) -> bool:
        """For a kernel whose output may come behind its `idle`: until it has been silent for a moment."""
        loop = asyncio.get_running_loop()
        if execution.settling is None:
            execution.settling = loop.time()
        left = self._last_heard + self._quiet - loop.time()
        if left <= 0 or loop.time() - execution.settling > LONGEST_SETTLING:
            return False
        loop.call_later(left, self._settle, execution)
        return True

    def _next(self) -> None:
        self.advance()
        if self.running is None:
            self._rest()

    def _stop_waiting_for_idle(self, execution: Execution) -> None:
        """A kernel's own output queue may drop even its `idle`: do not wait for it for ever."""
        if execution is not self.running:
            return
        loop = asyncio.get_running_loop()
        quiet = loop.time() - self._last_heard
        if quiet < SILENCE:
            loop.call_later(SILENCE - quiet, self._stop_waiting_for_idle, execution)
            return
        execution.idle = True
        self._settle(execution)

    def _stop_waiting_for_reply(self, execution: Execution) -> None:
        if execution is self.running and execution.reply is None and execution.idle:
            self._finish(execution, "aborted", "interrupted" if self.interrupting else "no_reply")
            self._next()

    def _abort_waiting(self, reason: str) -> None:
        while self._waiting:
            self._finish(self._waiting.popleft(), "aborted", reason)

    def _time_out(self, execution: Execution) -> None:
        execution.reason = "timeout"
        self.interrupt()

    def _finish(self, execution: Execution, state: str, reason: str | None) -> None:
        execution.state, execution.reason, execution.finished_at = state, reason, time.time()
        if execution is self.running:
            self.running = None
            self._ladder.stop()
            if self._timeout is not None:
                self._timeout.cancel()
                self._timeout = None
        self._tell(execution)

    def _tell(self, execution: Execution) -> None:
        content = execution.describe(self.position(execution))
        self._journal.say(Owner(self._context, execution.id), "execution_state", content, last=execution.final)

    def _say_interrupt(self, step: str) -> None:
        if self.running is not None:
            self._journal.say(Owner(self._context, self.running.id), "interrupt", {"state": step})
