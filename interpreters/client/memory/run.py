"""What a scripted execution may do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from interpreters.client.base import ExecuteRequest

if TYPE_CHECKING:
    from interpreters.client.memory.context import MemoryContext

Script = Callable[["Run"], Awaitable[None]]


class CodeError(Exception):
    """The scripted code raised."""

    def __init__(self, ename: str, evalue: str) -> None:
        super().__init__(evalue)
        self.ename, self.evalue = ename, evalue


class Crash(Exception):
    """The scripted code took the kernel down."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.reason, self.exit_code = reason, exit_code


class Run:
    """One execution, as its script sees it."""

    def __init__(self, context: "MemoryContext", request: ExecuteRequest) -> None:
        self._context, self.request = context, request
        self.count = 0

    def say(self, msg_type: str, content: Mapping[str, Any], channel: str = "iopub") -> None:
        self._context.say(channel, msg_type, content, str(self.request.id))

    def write(self, text: str, name: str = "stdout") -> None:
        self.say("stream", {"name": name, "text": text})

    def show(self, data: Mapping[str, Any], *, display_id: str = "", update: bool = False) -> None:
        transient = {"display_id": display_id} if display_id else {}
        content = {"data": data, "metadata": {}, "transient": transient}
        self.say("update_display_data" if update else "display_data", content)

    def result(self, text: str) -> None:
        self.say("execute_result", {"data": {"text/plain": text}, "metadata": {}, "execution_count": self.count})

    def clear(self, *, wait: bool = False) -> None:
        self.say("clear_output", {"wait": wait})

    async def input(self, prompt: str = "") -> str:
        return await self._context.ask(self, prompt)

    async def sleep(self, seconds: float = 3600) -> None:
        await asyncio.sleep(seconds)

    def fail(self, ename: str, evalue: str) -> None:
        raise CodeError(ename, evalue)

    def crash(self, reason: str = "exited", exit_code: int = 1) -> None:
        raise Crash(reason, exit_code)


async def echo(run: Run) -> None:
    """The script of code that has none: it says itself."""
    run.write(run.request.code + "\n")
