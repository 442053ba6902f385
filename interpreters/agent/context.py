"""A context: one kernel that keeps variables, and the line of executions in front of it."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from . import cgroup
from .errors import Refusal, conflict, unavailable
from .execution import Execution
from .journal import Journal
from .kernel import Kernel, StartFailed
from .kernelspec import KernelSpec
from .log import Owner
from .messages import Json, Message, new_header

MAX_WAITING = 1000
INTERRUPT_PATIENCE = 3.0  # seconds
SILENCE = 5.0  # seconds without output after a reply: its `idle` was lost inside the kernel
QUESTION_DEADLINE = 10.0  # seconds for completion and inspection

Launch = Callable[[KernelSpec, Callable[[str, Message], None], Callable[[int], None]], Awaitable[Kernel]]


class Context:
    def __init__(
        self, name: str, spec: KernelSpec, journal: Journal, executions: dict[str, Execution], launch: Launch
    ) -> None:
        self.id = name
        self.spec = spec
        self.state = "starting"
        self.execution_count = 0
        self.last_error = ""
        self.kernel: Kernel | None = None
        self._owner = Owner(name, "")
        self._journal, self._executions, self._launch = journal, executions, launch
        self._waiting: deque[Execution] = deque()
        self._running: Execution | None = None
        self._input: Message | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ladder: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_iopub = 0.0
        self._oom_kills = 0

    # What it is

    def describe(self) -> Json:
        return {
            "id": self.id,
            "kernel": self.spec.name,
            "state": self.state,
            "execution_count": self.execution_count,
            "waiting_for_input": self._input is not None,
        }

    @property
    def busy(self) -> bool:
        return self._running is not None or bool(self._waiting)

    def position(self, execution: Execution) -> int:
        return self._waiting.index(execution) + 1 if execution in self._waiting else 0

    # The kernel's life

    async def start(self) -> None:
        """Until the kernel is ready or has failed; a start under way is joined."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def restart(self) -> None:
        """A new kernel in place of the old; what ran or waited is given up."""
        if self._starting is not None:
            await asyncio.shield(self._starting)
        self._give_up("aborted", "restarted")
        self._starting = asyncio.create_task(self._start(again=True))
        await asyncio.shield(self._starting)
        if self.state == "dead":
            raise unavailable("start_failed", self.last_error or "The kernel did not start.")

    async def close(self) -> None:
        self._give_up("aborted", "closed")
        if self._starting is not None:
            self._starting.cancel()
        if self.kernel is not None:
            await self.kernel.stop()

    async def _start(self, again: bool = False) -> None:
        try:
            old, self.kernel = self.kernel, None
            self._enter("restarting" if again else "starting")
            if old is not None:
                await old.stop()
            self.execution_count = 0
            self._oom_kills = cgroup.oom_kills()
            self.kernel = await self._launch(self.spec, self._take, self._died)
            self._enter("idle")
        except (StartFailed, Refusal, OSError) as error:
            self.last_error = str(error)
            self._enter("dead", reason="start_failed", detail=self.last_error)
            self._give_up("lost", "start_failed")
        finally:
            self._starting = None
        self._advance()

    def host_lost(self) -> None:
        if self.kernel is not None:
            self.kernel.host_lost()

    def _died(self, code: int) -> None:
        kernel, self.kernel = self.kernel, None
        self.last_error = kernel.last_words if kernel is not None else ""
        if code == -signal.SIGKILL and cgroup.oom_kills() > self._oom_kills:
            reason = "out_of_memory"
        elif code < 0:
            reason = "killed"
        else:
            reason = "exited"
        words = [signal.strsignal(-code) or f"Signal {-code}"] if code < 0 else []
        self._enter("dead", reason=reason, exit_code=code, detail="\n".join([*words, self.last_error]).strip())
        self._give_up("lost", reason)

    def _give_up(self, state: str, reason: str) -> None:
        """What runs ends in `state`; what waits is aborted."""
        if self._running is not None:
            self._finish(self._running, state, reason)
        self._abort_waiting(reason)

    def _abort_waiting(self, reason: str) -> None:
        while self._waiting:
            self._finish(self._waiting.popleft(), "aborted", reason)

    def _enter(self, state: str, reason: str | None = None, exit_code: int | None = None, detail: str = "") -> None:
        self.state = state
        content = {"state": state, "reason": reason, "exit_code": exit_code, "detail": detail, "kernel": self.spec.name}
        self._journal.say(self._owner, "kernel_state", content)

    # Executions

    def execute(self, execution: Execution) -> None:
        """Put it into the line. A dead kernel is started again for it. Raises Refusal."""
        if len(self._waiting) >= MAX_WAITING:
            raise conflict("queue_full", f"{MAX_WAITING} executions wait already: wait for them, or interrupt.")
        self._executions[execution.id] = execution
        self._waiting.append(execution)
        if self.state == "dead" and self._starting is None:
            self._starting = asyncio.create_task(self._start(again=True))
        self._advance()
        if execution.state == "queued":
            self._tell(execution)

    def cancel(self, execution: Execution) -> None:
        if execution in self._waiting:
            self._waiting.remove(execution)
            self._finish(execution, "cancelled", None)
        elif execution is self._running:
            self.interrupt()

    def _advance(self) -> None:
        if self._running is not None or not self._waiting or self.kernel is None or self._starting is not None:
            return
        execution = self._running = self._waiting.popleft()
        execution.state, execution.started_at = "running", time.time()
        if self.state != "busy":
            self._enter("busy")
        self._tell(execution)
        if execution.request is not None:
            self.forward("shell", execution.request)
        else:
            self.kernel.execute(execution.id, execution.content())
        if execution.timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(execution.timeout, self._time_out, execution)

    def _time_out(self, execution: Execution) -> None:
        if execution is self._running:
            execution.reason = "timeout"
            self.interrupt()

    def _settle(self, execution: Execution) -> None:
        """End the running execution once its reply *and* its idle are here."""
        reply = execution.reply
        if execution is not self._running or reply is None or not execution.idle:
            return
        status = reply.get("status")
        count = reply.get("execution_count")
        if isinstance(count, int):
            execution.execution_count = count
        if status == "ok":
            self._finish(execution, "ok", execution.reason)
        elif status == "error":
            execution.error = {name: str(reply.get(name, ""))[:10_000] for name in ("ename", "evalue")}
            self._finish(execution, "error", execution.reason)
            if execution.stop_on_error:
                self._abort_waiting("error_before")
        else:
            self._finish(execution, "aborted", execution.reason)
        self._advance()
        self._rest()

    def _rest(self) -> None:
        if self.state == "busy" and not self.busy:
            self._enter("idle")

    def _finish(self, execution: Execution, state: str, reason: str | None) -> None:
        execution.state, execution.reason, execution.finished_at = state, reason, time.time()
        if execution is self._running:
            self._running = self._input = None
            for timer in (self._ladder, self._timer):
                if timer is not None:
                    timer.cancel()
            self._ladder = self._timer = None
        self._tell(execution)
        execution.done.set()

    def _tell(self, execution: Execution) -> None:
        content = execution.describe(self.position(execution))
        self._journal.say(Owner(self.id, execution.id), "execution_state", content, last=execution.final)

    # Interrupt, and what a person may say meanwhile

    def interrupt(self) -> None:
        """SIGINT or `interrupt_request`; once more after 3 s; after that, say that it was ignored."""
        if self._running is None or self.kernel is None:
            return
        if self._ladder is not None:
            self._ladder.cancel()
        self._journal.flow.let_go()
        self._climb(self._running, ("sent", "sent_again", "ignored"))

    def _climb(self, execution: Execution, steps: tuple[str, ...]) -> None:
        if execution is not self._running or self.kernel is None:
            return
        step, *rest = steps
        if step != "ignored":
            self.kernel.interrupt()
            loop = asyncio.get_running_loop()
            self._ladder = loop.call_later(INTERRUPT_PATIENCE, self._climb, execution, tuple(rest))
        self._journal.say(Owner(self.id, execution.id), "interrupt", {"state": step})

    def answer(self, value: str) -> None:
        """The pending `input_request`. Raises Refusal(409) if there is none."""
        request = self._input
        if request is None or self.kernel is None:
            raise conflict("no_input", "Nothing waits for input here.")
        self._input = None
        header = new_header("input_reply", "agent")
        parent = {"msg_id": request.msg_id, "msg_type": "input_request"}
        self.kernel.send("stdin", header, {"value": value}, parent)
        shown = "" if request.parsed.get("password") else value
        self._journal.say(self._whose(request), "input_reply", {"value": shown}, channel="stdin")

    async def ask(self, msg_type: str, content: dict[str, Any]) -> Json:
        """Completion, inspection: the content of the kernel's reply. Raises Refusal(503)."""
        if self.kernel is None or self._starting is not None:
            raise unavailable("no_kernel", "The kernel is not running yet: try again.")
        try:
            aside = self._running is not None
            return (await self.kernel.ask("shell", msg_type, content, QUESTION_DEADLINE, aside)).parsed
        except TimeoutError:
            raise unavailable("no_reply", "The kernel is busy and did not answer: try again later.") from None

    def forward(self, channel: str, message: Json) -> None:
        """A Jupyter client's own message, to the kernel as it is. Raises Refusal."""
        if self.kernel is None:
            raise unavailable("no_kernel", "The kernel is not running: run a cell, or restart it.")
        parts = [message.get(part) or {} for part in ("header", "content", "parent_header", "metadata")]
        self.kernel.send(channel, *parts)

    # What the kernel says

    def _take(self, channel: str, message: Message) -> None:
        if message.msg_type == "iopub_welcome":
            return
        execution = self._execution(message)
        if channel == "stdin" and message.msg_type == "input_request":
            self._input = message
        if channel == "iopub":
            self._last_iopub = asyncio.get_running_loop().time()
            self._note(message, execution)
        self._journal.take(self._whose(message), channel, message)
        if channel == "iopub" and self.kernel is not None and self._ladder is None:
            self._journal.flow.check(self.kernel.output)  # not while somebody wants it to stop: its end is behind it
        if execution is None:
            return
        if channel == "shell" and message.msg_type == "execute_reply":
            execution.reply = message.parsed
            asyncio.get_running_loop().call_later(SILENCE, self._stop_waiting, execution)
        self._settle(execution)

    def _note(self, message: Message, execution: Execution | None) -> None:
        if message.msg_type == "status" and execution is not None:
            execution.idle = message.parsed.get("execution_state") == "idle"
        elif message.msg_type == "execute_input":
            count = message.parsed.get("execution_count")
            if isinstance(count, int) and 0 <= count < 1 << 53:
                self.execution_count = count
                if execution is not None:
                    execution.execution_count = count

    def _stop_waiting(self, execution: Execution) -> None:
        """A kernel's own output queue may drop even its `idle`: do not wait for it for ever."""
        if execution is not self._running:
            return
        loop = asyncio.get_running_loop()
        quiet = loop.time() - self._last_iopub
        if quiet < SILENCE:
            loop.call_later(SILENCE - quiet, self._stop_waiting, execution)
            return
        execution.idle = True
        self._settle(execution)

    def _execution(self, message: Message) -> Execution | None:
        execution = self._executions.get(message.parent_id)
        return execution if execution is not None and execution.context == self.id else None

    def _whose(self, message: Message) -> Owner:
        return self._owner if self._execution(message) is None else Owner(self.id, message.parent_id)
