"""`/ws/sessions/<id>/terminals/<name>`: the bytes of a shell, both ways."""

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

import msgspec

from interpreters.client import AgentError
from interpreters.client.base import Terminal
from interpreters.consumers.session import SessionSocket
from interpreters.consumers.socket import Closed, Receive, Scope, Send
from interpreters.lifecycle import State
from interpreters.sessions import Problem, budget, executing, problems, terminals

# Bytes typed before there is a shell that are kept for it.
MOST_EARLY = 64 * 1024
Size = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Resize(msgspec.Struct):
    resize: tuple[Size, Size]


_resize = msgspec.json.Decoder(Resize)


class Shell(SessionSocket):
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._name = ""
        self._rows, self._cols = 24, 80
        self._started = asyncio.Event()
        self._early = b""
        self._terminal: Terminal | None = None

    def prepare(self) -> None:
        self._name = executing.checked_name(self.scope["url_route"]["kwargs"]["name"], "terminal")
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        self._rows, self._cols = _dimension(query, "rows", 24), _dimension(query, "cols", 80)

    async def changed(self, state: dict[str, object]) -> None:
        if state["state"] != State.STARTING:
            self._started.set()

    async def speak(self) -> None:
        """Everything that the shell says, until it ends."""
        await self._started.wait()
        try:
            await budget.check(self.actor)
            async with terminals.terminal(self.session, self._name, self._rows, self._cols) as terminal:
                await self._hand_over(terminal)
                async for data in terminal:
                    await self.send(data)
        except Problem as problem:
            raise Closed(problem.close, problem.message) from problem
        raise Closed(1000, "The shell has ended.")

    async def _hand_over(self, terminal: Terminal) -> None:
        """What was typed before comes first; a client need not know that its session is still being started."""
        while self._early:
            early, self._early = self._early, b""
            await terminal.send(early)
        self._terminal = terminal

    async def heard(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self._rows, self._cols = _parse_resize(data)
        else:
            terminals.typed(self.session)
        if self._terminal is None:
            if isinstance(data, bytes):
                if len(self._early) + len(data) > MOST_EARLY:
                    raise problems.Unavailable("The session is still being started.", "starting")
                self._early += data
            return
        try:
            if isinstance(data, str):
                await self._terminal.resize(self._rows, self._cols)
            else:
                await self._terminal.send(data)
        except AgentError as silence:
            raise problems.Unavailable("The shell does not answer: connect again.") from silence

    async def tell(self, problem: Problem, about: str | None = None) -> None:
        await self.send_message({"error": problem.code, "message": problem.message})


def _dimension(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [str(default)])[0]
    if len(value) > 4 or not (value.isascii() and value.isdecimal() and 1 <= int(value) <= 1000):
        raise problems.BadRequest(f"`{name}` must be 1 to 1000.")
    return int(value)


def _parse_resize(data: str) -> tuple[int, int]:
    try:
        return _resize.decode(data).resize
    except (msgspec.DecodeError, RecursionError) as error:
        raise problems.BadRequest(f'Send bytes, or {{"resize": [rows, cols]}}: {error}', "bad_message") from error
