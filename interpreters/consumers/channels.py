"""`/ws/sessions/<id>/channels`: the log of a session out, a notebook's verbs in."""

import asyncio
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.db import DatabaseError

from interpreters import sessions
from interpreters.client import Refusal
from interpreters.consumers import messages
from interpreters.consumers.session import SessionSocket
from interpreters.consumers.socket import Receive, Scope, Send
from interpreters.lifecycle import State
from interpreters.models import Execution
from interpreters.outputs import Gathering
from interpreters.sessions import Follower, Problem, access, budget, executing, lingering, problems, record

# Seconds until what waits is offered again to an agent that did not answer.
OFFER_AGAIN = 0.5
# Seconds between two looks at what a session uses.
USAGE_EVERY = 2.0
# Digits: what a browser can count.
LONGEST_SEQ = 15


class Channels(SessionSocket):
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._after = 0
        self._told: dict[str, Any] = {}
        self._follower: Follower | None = None
        self._started = asyncio.Event()
        # The agent has all that was asked for before it was there, or there will be none.
        self._settled = asyncio.Event()
        self._in_line: list[UUID] = []
        self._usage: asyncio.Task[None] | None = None
        self._gatherings: lingering.Gatherings = {}

    def prepare(self) -> None:
        after = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("after", ["0"])[0]
        if len(after) > LONGEST_SEQ or not (after.isascii() and after.isdecimal()):
            raise problems.BadRequest("`after` must be the seq of the last entry that you have, or 0.")
        self._after = int(after)

    # --- out ---

    async def changed(self, state: dict[str, Any]) -> None:
        if state["state"] == State.STARTING:
            state = {**state, "waiting": await executing.in_line(self.session.pk)}
        if state != self._told:
            self._told = state
            await self.send_message({"channel": "session", "type": "state", **state})
        if state["state"] == State.LEASED:
            self._started.set()
        elif state["state"] != State.STARTING:
            self._settled.set()

    async def speak(self) -> None:
        try:
            await self._started.wait()
            if self.session.pool.image.custom:
                return  # there is no log: what is told is the session's own state
            follower = self._follower = Follower(self.session, self._after)
            self._group.create_task(self._hand_over())
            async for message in follower:
                if isinstance(message, Refusal):
                    await self._refused(message)
                else:
                    # First of all: the reader may go while this is sent.
                    lingering.take(self.session.pk, self._gatherings, message)
                    await self.send(message.raw)
        finally:
            after = self._follower.after if self._follower else 0
            lingering.read_on(self.session, after, self._gatherings)

    async def _refused(self, refusal: Refusal) -> None:
        if refusal.op == "execute":
            self._group.create_task(lingering.refused(self.session.pk, self._gatherings, refusal))
        await self.tell(problems.Conflict(refusal.message, refusal.code), refusal.id or None)

    async def tell(self, problem: Problem, about: str | None = None) -> None:
        error = {"id": about, "code": problem.code, "message": problem.message}
        await self.send_message({"channel": "session", "type": "error", **error})

    # --- in ---

    async def heard(self, data: str | bytes) -> None:
        message = messages.parse(data)
        about = str(getattr(message, "id", "")) or None
        try:
            await self._obey(message, about)
        except Problem as problem:
            await self.tell(problem, about)

    async def _obey(self, message: messages.AnyMessage, about: str | None) -> None:
        match message:
            case messages.Execute() as wanted:
                await self._execute(wanted, str(about))
            case messages.Cancel(id=execution) if await self._taken_out(execution):
                self.look()
            case messages.Cancel():
                await self._do({"op": "cancel", "id": about}, about)
            case messages.Interrupt() | messages.Restart() if self._starting:
                await self._stop_waiting("Stopped before there was a sandbox.")
            case messages.Input() if self._starting:
                raise problems.Conflict("Nothing waits for input.", "no_input")
            case messages.Interrupt(context=context):
                await self._do({"op": "interrupt", "context": executing.checked_name(context, "context")})
            case messages.Restart(context=context):
                await self._do({"op": "restart", "context": executing.checked_name(context, "context")})
            case messages.Input(value=value, context=context):
                op = {"op": "input", "value": executing.checked_input(value)}
                await self._do({**op, "context": executing.checked_name(context, "context")})
            case messages.Comm() as comm:
                await self._do(executing.comm_op(comm.id, comm.msg_type, comm.content, comm.context), about)
                sessions.note_use(self.session)
            case messages.Complete() | messages.Inspect() | messages.IsComplete() as question:
                self.spawn(self._answer(question), about)
            case messages.Ask() as question:
                self.spawn(self._answer_about(question), about)
            case messages.KeepAlive():
                self.spawn(self._keep_alive())
            case messages.Close():
                self.spawn(self._end())
            case messages.WatchUsage(on=on):
                self._watch_usage(on)
            case messages.Ping():
                await self.send_message({"channel": "session", "type": "pong"})

    async def _execute(self, wanted: messages.Execute, about: str) -> None:
        request = sessions.request(
            wanted.code, id=wanted.id, context=wanted.context, cell=wanted.cell, stop_on_error=wanted.stop_on_error
        )
        await budget.check(self.actor)
        self._gatherings[about] = Gathering()
        record.gathers(wanted.id)
        try:
            if self._starting and await record.put_in_line(self.actor, self.session, request):
                self._in_line.append(wanted.id)
                self.look()
                return
            await self._do(executing.op(request), about)
        except (Problem, asyncio.CancelledError):
            lingering.forget(self._gatherings, about)
            raise
        # After the agent was told: code never waits for its row.
        record.write_down(self.actor, self.session, request)
        self._group.create_task(self._chore(record.written(wanted.id), about))

    async def _taken_out(self, execution: UUID) -> bool:
        return self._starting and await record.take_out(self.session.pk, Execution.Status.CANCELLED, only=[execution])

    async def _do(self, op: dict[str, Any], about: str | None = None) -> None:
        """Hand an op to the agent, in order, behind all that was asked for before it was there."""
        self._check_not_ended()
        access.needs_kernel(self.session)
        await self._settled.wait()
        self._check_not_ended()
        assert self._follower
        await self._follower.send(op)

    def _check_not_ended(self) -> None:
        if self.session.state in (State.STOPPING, State.GONE):
            raise problems.Ended(self.session.message or "The session has ended: open a new one.")

    async def _hand_over(self) -> None:
        while self.session.state == State.LEASED:
            try:
                await executing.hand_over(self.session)
            except (Problem, DatabaseError):
                await asyncio.sleep(OFFER_AGAIN)
                continue
            break
        self._settled.set()
        for execution, reason in (await executing.not_run(self.session.pk, self._in_line)).items():
            lingering.forget(self._gatherings, str(execution))
            await self.tell(problems.Conflict(reason), str(execution))

    @property
    def _starting(self) -> bool:
        return self.session.state == State.STARTING and not self.session.pool.image.custom

    async def _stop_waiting(self, reason: str) -> None:
        """Nothing runs yet: what would be interrupted is what waits."""
        await record.take_out(self.session.pk, Execution.Status.ABORTED, reason)
        self.look()

    async def _answer(self, question: messages.Question) -> None:
        verb = str(question.__struct_config__.tag)
        content = await sessions.ask_kernel(
            self.session, verb, question.code, question.cursor_pos, question.detail_level, question.context
        )
        await self._reply(question.id, content)

    async def _answer_about(self, question: messages.Ask) -> None:
        content = await sessions.ask_about(self.session, question.about, question.arguments, question.context)
        await self._reply(question.id, content)

    async def _reply(self, about: str, content: dict[str, Any]) -> None:
        await self.send_message({"channel": "session", "type": "reply", "id": about, "content": content})

    async def _keep_alive(self) -> None:
        await sessions.keep_alive(self.actor, self.session.pk)
        self.look()

    async def _end(self) -> None:
        await sessions.close(self.actor, self.session.pk)
        self.look()

    def _watch_usage(self, on: bool) -> None:
        if self._usage is not None:
            self._usage.cancel()
        self._usage = self._group.create_task(self._tell_usage()) if on else None

    async def _tell_usage(self) -> None:
        await self._started.wait()
        while True:
            try:
                usage = await sessions.usage(self.session)
            except Problem:
                usage = {}
            if usage:
                await self.send_message({"channel": "session", "type": "usage", **usage})
            await asyncio.sleep(USAGE_EVERY)
