"""A context: one kernel that keeps variables, started again when it has died and somebody wants to run something."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from . import cgroup, questions
from .errors import Refusal, conflict, unavailable
from .execution import Execution
from .journal import Journal
from .kernel import SUBSHELLS, Kernel, StartFailed
from .kernelspec import KernelSpec
from .line import Line
from .log import Owner
from .messages import Json, Message, new_header

CALLBACK = b'"comm_'  # how the type of a widget's message begins
SHORT = 0.5  # seconds of a widget's callback that nobody needs to see
QUESTION_DEADLINE = 8.0  # seconds for completion, inspection and questions of ours: less than the web waits

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
        self.line = Line(name, journal, self._begin, self._interrupt, self._rest, spec.settle)
        self._owner = Owner(name, "")
        self._journal, self._executions, self._launch = journal, executions, launch
        self._asked: Message | None = None
        self._starting: asyncio.Task[None] | None = None
        self._oom_kills = 0
        self._callback = ""  # the widget's message that the kernel is at, while no execution runs

    @property
    def busy(self) -> bool:
        return self.line.busy or bool(self._callback)

    def describe(self) -> Json:
        return {
            "id": self.id,
            "kernel": self.spec.name,
            "state": self.state,
            "execution_count": self.execution_count,
            "waiting_for_input": self._question is not None,
        }

    @property
    def _question(self) -> Message | None:
        """The `input_request` that the running execution waits for."""
        asked, running = self._asked, self.line.running
        return asked if asked is not None and running is not None and asked.parent_id == running.id else None

    # The kernel's life

    async def start(self) -> None:
        """Until the kernel is ready or has failed; a start under way is joined."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    def restart(self) -> Coroutine[Any, Any, None]:
        """A new kernel in place of the old. What runs or waits is given up now, and what comes behind this call is for
        the new kernel; await the result for its being ready. Raises Refusal if it does not start."""
        self.line.give_up("aborted", "restarted")
        if self._starting is None:  # or else a new one is on its way already
            self._starting = asyncio.create_task(self._start(again=True))
        return self._restarted(self._starting)

    async def _restarted(self, starting: asyncio.Task[None]) -> None:
        await asyncio.shield(starting)
        if self.state == "dead":
            raise unavailable("start_failed", self.last_error or "The kernel did not start.")

    async def close(self) -> None:
        self.line.give_up("aborted", "closed")
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self.kernel is not None:
            await self.kernel.stop()

    async def _start(self, again: bool = False) -> None:
        try:
            old, self.kernel = self.kernel, None
            self._callback = ""
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
            self.line.give_up("lost", "start_failed")
        finally:
            self._starting = None
        self.line.advance()

    def host_lost(self) -> None:
        if self.kernel is not None:
            self.kernel.host_lost()

    def _died(self, code: int) -> None:
        kernel, self.kernel = self.kernel, None
        self._callback = ""
        self.last_error = kernel.last_words if kernel is not None else ""
        if code == -signal.SIGKILL and cgroup.oom_kills() > self._oom_kills:
            reason = "out_of_memory"
        elif code < 0:
            reason = "killed"
        else:
            reason = "exited"
        words = [signal.strsignal(-code) or f"Signal {-code}"] if code < 0 else []
        self._enter("dead", reason=reason, exit_code=code, detail="\n".join([*words, self.last_error]).strip())
        self.line.give_up("lost", reason)

    def _enter(self, state: str, reason: str | None = None, exit_code: int | None = None, detail: str = "") -> None:
        self.state = state
        content = {"state": state, "reason": reason, "exit_code": exit_code, "detail": detail, "kernel": self.spec.name}
        self._journal.say(self._owner, "kernel_state", content)

    # What is asked of it

    def execute(self, execution: Execution) -> None:
        """Put it into the line. A dead kernel is started again for it. Raises Refusal."""
        self.line.put(execution)
        self._executions[execution.id] = execution
        if self.state == "dead" and self._starting is None:
            self._starting = asyncio.create_task(self._start(again=True))

    def interrupt(self) -> None:
        """SIGINT or `interrupt_request`; once more after 3 s; after that, say that it was ignored."""
        self._journal.flow.let_go()
        if self._callback and self.line.running is None:
            self._interrupt()
        else:
            self.line.interrupt()

    def answer(self, value: str) -> None:
        """The pending `input_request`. Raises Refusal(409) if there is none."""
        request = self._question
        if request is None or self.kernel is None:
            raise conflict("no_input", "Nothing waits for input here.")
        self._asked = None
        parent = {"msg_id": request.msg_id, "msg_type": "input_request"}
        self.kernel.send("stdin", new_header("input_reply", "agent"), {"value": value}, parent)
        shown = "" if request.parsed.get("password") else value
        self._journal.say(self._whose(request), "input_reply", {"value": shown}, channel="stdin")

    async def ask(self, msg_type: str, content: dict[str, Any]) -> Json:
        """Completion, inspection: the content of the kernel's reply. Raises Refusal(503)."""
        return (await self._question_to(self._ready_kernel(), msg_type, content)).parsed

    async def ask_about(self, about: str, arguments: Json) -> Json:
        """A question of ours, for kernels that take them: what is in it now. Raises Refusal(503)."""
        kernel = self._ready_kernel()
        if not kernel.has(questions.FEATURE):
            return questions.unsupported(self.spec.display_name)
        try:
            content = {"about": about, "arguments": arguments}
            reply = await self._question_to(kernel, questions.REQUEST, content, kernel.has(SUBSHELLS))
        except Refusal as refusal:
            if refusal.code != "busy":
                raise
            return questions.failed("busy", refusal.message)
        return questions.content_of(reply)

    def _ready_kernel(self) -> Kernel:
        if self.kernel is None or self._starting is not None:
            raise unavailable("no_kernel", "The kernel is not running yet: try again.")
        return self.kernel

    async def _question_to(self, kernel: Kernel, msg_type: str, content: Json, aside: bool = False) -> Message:
        """`aside`: even where no cell runs, so that the next one does not wait for the answer."""
        aside = aside or self.line.running is not None
        if aside and not kernel.has(SUBSHELLS):
            raise unavailable("busy", "This kernel answers once its cell has ended.")
        try:
            return await kernel.ask("shell", msg_type, content, QUESTION_DEADLINE, aside)
        except TimeoutError:
            raise unavailable("busy", "The kernel is busy and did not answer: try again later.") from None

    def forward(self, channel: str, message: Json) -> None:
        """A Jupyter client's own message, to the kernel as it is. Raises Refusal."""
        if self.kernel is None:
            raise unavailable("no_kernel", "The kernel is not running: run a cell, or restart it.")
        parts = [message.get(part) or {} for part in ("header", "content", "parent_header", "metadata")]
        self.kernel.send(channel, *parts)

    def _begin(self, execution: Execution) -> bool:
        if self.kernel is None or self._starting is not None:
            return False
        if self.state != "busy":
            self._enter("busy")
        try:
            if execution.request is not None:
                self.forward("shell", execution.request)
            else:
                self.kernel.execute(execution.id, execution.content())
        except Refusal:
            return False  # it has just ended, and `_died` is on its way
        return True

    def _interrupt(self) -> None:
        if self.kernel is not None:
            self.kernel.interrupt()

    # What the kernel says

    def _take(self, channel: str, message: Message) -> None:
        if message.msg_type == "iopub_welcome":
            return
        execution = self._execution(message)
        if channel == "stdin" and message.msg_type == "input_request":
            self._asked = message
        self._journal.take(self._whose(message), channel, message)
        if channel == "iopub" and self.kernel is not None and not self.line.interrupting:
            self._journal.flow.check(self.kernel.output)  # not while somebody wants it to stop: its end is behind it
        if message.msg_type == "execute_input":
            count = message.parsed.get("execution_count")
            if isinstance(count, int) and 0 <= count < 1 << 53:
                self.execution_count = count
        if execution is not None:
            if message.msg_type == "status":
                self._callback = ""  # it has ended, though nobody heard of it
            self.line.hear(channel, message, execution)
        elif channel == "iopub" and message.msg_type == "status" and CALLBACK in message.parent_header:
            self._hear_callback(message)

    def _hear_callback(self, message: Message) -> None:
        """Code runs also where a widget was moved: a sandbox at that is not idle, and it can be interrupted."""
        begins = message.parsed.get("execution_state") == "busy"
        self._callback = message.parent_id if begins else ""
        if begins:
            asyncio.get_running_loop().call_later(SHORT, self._show_callback, message.parent_id)
        elif self.line.running is None:
            self._rest()

    def _show_callback(self, callback: str) -> None:
        if self._callback == callback and self.state == "idle":
            self._enter("busy")

    def _rest(self) -> None:
        if self.state == "busy" and not self._callback:
            self._enter("idle")

    def _execution(self, message: Message) -> Execution | None:
        execution = self._executions.get(message.parent_id)
        return execution if execution is not None and execution.context == self.id else None

    def _whose(self, message: Message) -> Owner:
        return self._owner if self._execution(message) is None else Owner(self.id, message.parent_id)
