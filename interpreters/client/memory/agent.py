"""The verbs of an agent, on plain data."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from interpreters.client.base import (
    AgentRefused,
    AgentUnavailable,
    Entry,
    ExecuteRequest,
    Health,
    Outputs,
    Record,
    Refusal,
)
from interpreters.client.memory.context import MemoryContext
from interpreters.client.memory.files import MemoryFiles
from interpreters.client.memory.log import MemoryLog
from interpreters.client.memory.ports import MemoryPorts
from interpreters.client.memory.run import Script
from interpreters.client.memory.terminal import Line, MemoryTerminal, attached

MOST_TERMINALS = 8


class MemoryAgent(MemoryPorts, MemoryFiles):
    """`scripts` maps code to what it does; other code echoes itself. `gone` makes nobody answer; `delay` makes every
    answer take so many seconds; `fault`, if set, is raised by every verb."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = {}
        self.gone = False
        self.delay = 0.0
        self.fault: Exception | None = None
        self.log = MemoryLog()
        self.state = "ready"
        self._contexts = {"default": MemoryContext("default", "python3", self.log, self.scripts)}
        self._terminals: dict[str, MemoryTerminal] = {}

    async def close(self) -> None:
        """Nothing to hang up."""

    async def answering(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.gone:
            raise AgentUnavailable("The sandbox does not answer.")
        if self.fault is not None:
            raise self.fault

    async def health(self) -> Health:
        await self.answering()
        busy = any(context.busy for context in self._contexts.values())
        return Health(self.state, "", "", len(self.log.entries), busy, self.log.last_activity)

    # --- executions ---
    async def execute(self, request: ExecuteRequest) -> Record:
        return (await self._in(request.context)).execute(request)

    async def record(self, execution: UUID) -> Record:
        return (await self._of(execution)).records[execution]

    async def outputs(self, execution: UUID) -> Outputs:
        record = await self.record(execution)
        raw = [e.raw.encode() for e in self.log.entries if e.channel == "iopub" and e.execution == str(execution)]
        return Outputs(record, raw, {"messages": 0, "bytes": 0})

    async def cancel(self, execution: UUID) -> None:
        (await self._of(execution)).cancel(execution)

    @asynccontextmanager
    async def channel(self, after: int | None = 0) -> AsyncIterator["MemoryChannel"]:
        await self.answering()
        yield MemoryChannel(self, len(self.log.entries) if after is None else after)

    # --- control ---
    async def interrupt(self, context: str = "default") -> None:
        (await self._in(context)).interrupt()

    async def restart(self, context: str = "default") -> None:
        (await self._in(context)).restart()

    async def complete(self, context: str, code: str, cursor_pos: int) -> dict[str, Any]:
        await self._in(context)
        word = code[:cursor_pos].rpartition(".")[2]
        matches = [name for name in ("path", "print", "property") if name.startswith(word)]
        start = cursor_pos - len(word)
        return {"status": "ok", "matches": matches, "cursor_start": start, "cursor_end": cursor_pos, "metadata": {}}

    async def inspect(self, context: str, code: str, cursor_pos: int, detail_level: int = 0) -> dict[str, Any]:
        await self._in(context)
        return {"status": "ok", "found": True, "data": {"text/plain": f"help on {code}"}, "metadata": {}}

    async def is_complete(self, context: str, code: str) -> dict[str, Any]:
        await self._in(context)
        return {"status": "incomplete", "indent": "    "} if code.rstrip().endswith(":") else {"status": "complete"}

    async def ask(self, context: str, about: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        await self._in(context)
        if about != "variables":
            return {"error": "bad", "message": f"Nothing can be asked about {about}."}
        return {"variables": [{"name": "x", "type": "int", "value": "1", "bytes": 28}], "total": 1, **arguments}

    async def input(self, context: str, value: str) -> None:
        (await self._in(context)).answer(value)

    async def contexts(self) -> list[dict[str, Any]]:
        await self.answering()
        return [
            {"id": c.name, "kernel": c.kernel, "state": "busy" if c.busy else "idle", "execution_count": c.count}
            for c in self._contexts.values()
        ]

    async def open_context(self, kernel: str = "", context: str = "") -> dict[str, Any]:
        await self.answering()
        name = context or uuid4().hex
        self._contexts.setdefault(name, MemoryContext(name, kernel or "python3", self.log, self.scripts))
        return {"id": name, "kernel": self._contexts[name].kernel, "state": "idle", "execution_count": 0}

    async def close_context(self, context: str) -> None:
        await self._in(context)
        del self._contexts[context]

    async def usage(self) -> dict[str, float | None]:
        await self.answering()
        disk = float(sum(map(len, self.contents.values())))
        limits = {"memory_limit": 1e9, "pids_limit": 256.0, "disk_limit": 256e6}
        return {"cpu": 0.1, "memory": 64e6, "pids": 3.0, "disk": disk, **limits}

    async def terminals(self) -> list[str]:
        await self.answering()
        return [name for name, terminal in self._terminals.items() if not terminal.exited]

    async def close_terminal(self, name: str) -> None:
        if name not in await self.terminals():
            raise AgentRefused(404, "no_such_terminal", f"There is no terminal {name!r:.80}.")
        self._terminals.pop(name).hang_up()

    @asynccontextmanager
    async def terminal(self, name: str, rows: int, cols: int) -> AsyncIterator[Line]:
        await self.answering()
        terminal = self._terminals.get(name)
        if terminal is None or terminal.exited:
            if sum(not one.exited for one in self._terminals.values()) >= MOST_TERMINALS:
                raise AgentRefused(409, "too_many", f"{MOST_TERMINALS} terminals are open: close one first.")
            terminal = self._terminals[name] = MemoryTerminal()
        await terminal.resize(rows, cols)
        async with attached(terminal) as line:
            yield line

    async def _in(self, context: str) -> MemoryContext:
        await self.answering()
        if context not in self._contexts:
            raise AgentRefused(404, "no_such_context", "There is no such context: open it first.")
        return self._contexts[context]

    async def _of(self, execution: UUID) -> MemoryContext:
        await self.answering()
        for context in self._contexts.values():
            if execution in context.records:
                return context
        raise AgentRefused(404, "no_such_execution", "There is no such execution in this sandbox.")

    async def echo(self, context: str, message: Mapping[str, Any]) -> None:
        """What a kernel does with a widget's message: tell everybody, and be done."""
        inside, parent = await self._in(context), message["header"]["msg_id"]
        inside.say("iopub", message["header"]["msg_type"], message["content"], parent)
        inside.say("iopub", "status", {"execution_state": "idle"}, parent)

    # --- for tests ---
    def forge(self, entry: Entry) -> None:
        """Put an entry into the log as it is, however wrong."""
        self.log.entries.append(entry)
        self.log.wake()


class MemoryChannel:
    def __init__(self, agent: MemoryAgent, after: int) -> None:
        self._agent, self._after = agent, after
        self._messages: asyncio.Queue[Entry | Refusal] = asyncio.Queue(maxsize=16)

    async def __aiter__(self) -> AsyncIterator[Entry | Refusal]:
        task = asyncio.create_task(self._pump())
        try:
            while True:
                yield await self._messages.get()
        finally:
            task.cancel()

    async def _pump(self) -> None:
        async for entry in self._agent.log.follow(self._after):
            await self._messages.put(entry)

    async def send(self, op: Mapping[str, Any]) -> None:
        fields = dict(op)
        verb = fields.pop("op")
        try:
            await self._do(verb, fields)
        except AgentRefused as error:
            await self._messages.put(Refusal(verb, str(fields.get("id", "")), error.code, error.message))

    async def _do(self, verb: str, fields: dict[str, Any]) -> None:
        context = fields.get("context", "default")
        match verb:
            case "execute":
                await self._agent.execute(ExecuteRequest(**{**fields, "id": UUID(str(fields["id"]))}))
            case "cancel":
                await self._agent.cancel(UUID(str(fields["id"])))
            case "input":
                await self._agent.input(context, fields["value"])
            case "interrupt":
                await self._agent.interrupt(context)
            case "restart":
                await self._agent.restart(context)
            case "message":
                await self._agent.echo(context, fields["msg"])
            case _:
                raise AgentRefused(400, "bad_request", f"There is no op {verb!r}.")
