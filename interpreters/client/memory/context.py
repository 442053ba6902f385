"""One scripted kernel with its queue."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from interpreters.client.base import AgentRefused, ExecuteRequest, Record
from interpreters.client.memory.log import MemoryLog
from interpreters.client.memory.run import CodeError, Crash, Run, Script, echo


class MemoryContext:
    def __init__(self, name: str, kernel: str, log: MemoryLog, scripts: Mapping[str, Script]) -> None:
        self.name, self.kernel, self._log, self._scripts = name, kernel, log, scripts
        self.records: dict[UUID, Record] = {}
        self.count = 0
        self.dead = False
        self._queue: list[Run] = []
        self._task: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[str] | None = None

    @property
    def busy(self) -> bool:
        return bool(self._queue)

    def say(self, channel: str, msg_type: str, content: Mapping[str, Any], execution: str = "") -> None:
        self._log.append(channel, msg_type, content, execution, self.name)

    def execute(self, request: ExecuteRequest) -> Record:
        if request.id in self.records:
            return self.records[request.id]
        self._log.last_activity = time.time()
        self._queue.append(Run(self, request))
        record = Record(request.id, self.name, "queued", len(self._queue) - 1, queued_at=time.time(), cell=request.cell)
        self.records[request.id] = record
        self._say_state(record)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return self.records[request.id]

    async def _work(self) -> None:
        while self._queue and not self.dead:
            run = self._queue[0]
            self.count += 1
            run.count = self.count
            self._move(run, state="running", position=0, started_at=time.time(), execution_count=run.count)
            self.say("iopub", "status", {"execution_state": "busy"}, str(run.request.id))
            self.say("iopub", "execute_input", {"code": run.request.code, "execution_count": run.count})
            await self._perform(run)

    async def _perform(self, run: Run) -> None:
        try:
            await (self._scripts.get(run.request.code) or echo)(run)
        except CodeError as error:
            self._end(run, "error", error)
        except asyncio.CancelledError:
            if run not in self._queue:  # a restart, which has told of its end
                raise
            # An interrupt: the context lives on.
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            self._end(run, "error", CodeError("KeyboardInterrupt", ""))
        except Crash as crash:
            self.dead = True
            self._say_kernel("dead", crash.reason, crash.exit_code)
            self._finish(run, "lost", reason=crash.reason)
            self._abort("the kernel died")
        else:
            self._end(run, "ok")

    def _end(self, run: Run, state: str, error: CodeError | None = None) -> None:
        told = None
        if error is not None:
            told = {"ename": error.ename, "evalue": error.evalue}
            run.say("error", {**told, "traceback": [f"{error.ename}: {error.evalue}"]})
        self.say("iopub", "status", {"execution_state": "idle"}, str(run.request.id))
        self._finish(run, state, error=told)
        if error is not None and run.request.stop_on_error:
            self._abort("an earlier execution failed")

    def _finish(self, run: Run, state: str, **changes: Any) -> None:
        self._answer = None
        self._queue.remove(run)
        self._move(run, state=state, position=0, finished_at=time.time(), **changes)

    def _abort(self, reason: str) -> None:
        for run in list(self._queue):
            self._finish(run, "aborted", reason=reason)

    def _move(self, run: Run, **changes: Any) -> None:
        record = self.records[run.request.id] = replace(self.records[run.request.id], **changes)
        self._say_state(record)

    def _say_state(self, record: Record) -> None:
        content = {name: value for name, value in asdict(record).items() if name not in ("id", "context")}
        self.say("agent", "execution_state", content, str(record.id))

    def _say_kernel(self, state: str, reason: str | None = None, exit_code: int | None = None) -> None:
        content = {"state": state, "reason": reason, "exit_code": exit_code, "detail": "", "kernel": self.kernel}
        self.say("agent", "kernel_state", content)

    # --- control ---
    def interrupt(self) -> None:
        if self._task is not None and self._queue and self._runs(self._queue[0]):
            self._task.cancel()
        self.say("agent", "interrupt", {"state": "sent"})

    def _runs(self, run: Run) -> bool:
        return self.records[run.request.id].state == "running"

    def restart(self) -> None:
        task, self._task = self._task, None
        self._abort("the kernel was restarted")
        if task is not None:
            task.cancel()
        self.count, self.dead = 0, False
        for state in ("restarting", "idle"):
            self._say_kernel(state)

    def cancel(self, execution: UUID) -> None:
        for run in self._queue:
            if run.request.id == execution:
                if self._runs(run):
                    self.interrupt()
                else:
                    self._finish(run, "cancelled")
                return

    async def ask(self, run: Run, prompt: str) -> str:
        if not run.request.allow_stdin:
            raise CodeError("StdinNotImplementedError", "input is not possible here")
        self._answer = asyncio.get_running_loop().create_future()
        run.say("input_request", {"prompt": prompt, "password": False}, channel="stdin")
        return await self._answer

    def answer(self, value: str) -> None:
        if self._answer is None or self._answer.done():
            raise AgentRefused(409, "no_input_wanted", "Nothing waits for input.")
        self._answer.get_loop().call_soon_threadsafe(self._answer.set_result, value)
        self._answer = None
