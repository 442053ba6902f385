"""Running code: starting it, reading how it goes, and what a person may say to it meanwhile."""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.conf import settings

from interpreters import handover
from interpreters.client import AgentRefused, Entry, ExecuteRequest, Refusal
from interpreters.models import Execution, Session
from interpreters.outputs import Gathering
from interpreters.sessions import access, budget, lingering, problems, record
from interpreters.sessions.reading import find, read
from tenants.authentication import Actor
from tenants.threads import in_thread

NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
COMM_MESSAGE = re.compile(r"[A-Za-z0-9-]{1,63}:[A-Za-z0-9:._-]{1,63}")
LONGEST_CELL = 128
MAX_INPUT = 64 * 1024
MAX_ARGUMENTS = 64 * 1024


def checked_name(name: str, what: str) -> str:
    if not NAME.fullmatch(name):
        raise problems.BadRequest(f"A {what} is named with 1 to 63 letters, digits, or any of _ . -")
    return name


def checked_text(text: str, limit: int, what: str) -> str:
    """Text of at most `limit` bytes that can be written anywhere."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise problems.BadRequest(f"{what} must be whole Unicode text: it holds half of a character.") from error
    if size > limit:
        raise problems.TooLarge(f"{what} may have {limit} bytes: put data into a file and upload that.")
    return text


def request(
    code: str, *, id: UUID | None = None, context: str = "default", cell: str = "", **options: Any
) -> ExecuteRequest:
    """What to run, within our bounds. Raises Problem."""
    checked_text(code, settings.MAX_CODE_BYTES, "Code")
    if len(checked_text(cell, 4 * LONGEST_CELL, "`cell`")) > LONGEST_CELL or "\0" in cell:
        raise problems.BadRequest(f"`cell` may have {LONGEST_CELL} characters, and no NUL.")
    return ExecuteRequest(id or uuid4(), code, checked_name(context, "context"), cell, **options)


async def start(actor: Actor, session: Session, wanted: ExecuteRequest) -> None:
    """Start an execution that nobody waits for. Saved when it ends."""
    await budget.check(actor)
    async with access.agent_of(session) as agent:
        seen = (await agent.health()).seq
        record.write_down(actor, session, wanted)
        try:
            await agent.execute(wanted)
        except AgentRefused:
            await record.forget(session.pk, wanted.id)
            raise
        lingering.read_on(session, seen, {str(wanted.id): Gathering()})
        await record.written(wanted.id)


async def stream(actor: Actor, session: Session, wanted: ExecuteRequest) -> AsyncGenerator[Entry, None]:
    """Start an execution and yield what it says, its end included. Saved when it ends, whoever still listens."""
    await budget.check(actor)
    async with access.agent_of(session) as agent, agent.channel(None) as channel:
        record.write_down(actor, session, wanted)
        gathering, seen = Gathering(), 0
        await channel.send(op(wanted))
        try:
            async for message in channel:
                if isinstance(message, Refusal):
                    await record.forget(session.pk, wanted.id)
                    raise problems.Conflict(message.message, message.code)
                seen = message.seq
                if message.execution == str(wanted.id):
                    gathering.add(message)
                    if message.is_end():
                        record.save_soon(session.pk, wanted.id, gathering.answer(message))
                        seen = 0  # nothing is left to be read
                        yield message
                        return
                    yield message
        except (GeneratorExit, asyncio.CancelledError):
            if seen:
                lingering.read_on(session, seen, {str(wanted.id): gathering})
            raise


async def hand_over(session: Session) -> None:
    """Give a session that runs what was asked for before it did. Raises Problem."""
    async with access.agent_of(session) as agent:
        await handover.hand_over(agent, session.pk)


@in_thread
def in_line(session: UUID) -> list[dict[str, Any]]:
    """What waits for the session to start, in order, for the wire."""
    rows = Execution.objects.filter(session=session).waiting().values("id", "cell", "queued_at")
    return [
        {"id": str(row["id"]), "cell": row["cell"], "position": place, "queued_at": row["queued_at"].timestamp()}
        for place, row in enumerate(rows, start=1)
    ]


@in_thread
def not_run(session: UUID, executions: Collection[UUID]) -> dict[UUID, str]:
    """Those of `executions` that the agent would not take when they were handed over, and why."""
    if not executions:
        return {}
    rows = Execution.objects.filter(pk__in=executions, session=session, status=Execution.Status.ABORTED)
    return dict(rows.filter(started_at=None).values_list("pk", "reason"))


def op(wanted: ExecuteRequest) -> dict[str, Any]:
    """An execution as an op of a channel."""
    return {"op": "execute", **msgspec.to_builtins(wanted)}


async def run(actor: Actor, session: Session, wanted: ExecuteRequest, within: float) -> Execution:
    """Start an execution and wait at most `within` seconds. It goes on when the time is up."""
    try:
        async with asyncio.timeout(within), aclosing(stream(actor, session, wanted)) as entries:
            async for _ in entries:
                pass
    except TimeoutError:
        pass
    await record.settled(wanted.id)
    return await read(actor, wanted.id)


async def replay(actor: Actor, execution: UUID, after: int = 0) -> AsyncGenerator[Entry, None]:
    """What an execution has said past entry `after`, and goes on to say, up to its end, while its sandbox is there."""
    row = await find(actor, execution)
    async with access.agent_of(row.session) as agent:
        ended = (await agent.record(execution)).final
        last = (await agent.health()).seq
        if ended and after >= last:
            return
        async with agent.channel(after) as channel:
            async for message in channel:
                if isinstance(message, Refusal):
                    continue
                if message.execution == str(execution):
                    yield message
                    if message.is_end():
                        record.save_soon(row.session_id, execution)
                        return
                if ended and message.seq >= last:
                    return


# --- Saying something to it ---


def comm_op(message: str, msg_type: str, content: dict[str, Any], context: str) -> dict[str, Any]:
    """A widget's message as an op of a channel. Its id is no execution's: what it prints is not theirs."""
    if message and not COMM_MESSAGE.fullmatch(message):
        raise problems.BadRequest("A comm message's `id` is two names with a colon between, or is left out.")
    header = {
        "msg_id": message or f"comm:{uuid4().hex}",
        "msg_type": msg_type,
        "username": "",
        "session": "",
        "version": "5.3",
    }
    checked_name(context, "context")
    return {"op": "message", "context": context, "channel": "shell", "msg": {"header": header, "content": content}}


async def cancel(actor: Actor, execution: UUID) -> Execution:
    """Take it from the queue, or interrupt it. Nothing happens to one that has ended."""
    row = await find(actor, execution)
    if row.turn is not None and await record.take_out(row.session_id, Execution.Status.CANCELLED, only=[row.pk]):
        return row
    if row.outputs is None:
        async with access.agent_of(row.session) as agent:
            await agent.cancel(execution)
    return row


async def give_input(actor: Actor, execution: UUID, value: str) -> None:
    row = await find(actor, execution)
    async with access.agent_of(row.session) as agent:
        await agent.input(row.context, checked_input(value))


def checked_input(value: str) -> str:
    return checked_text(value, MAX_INPUT, "An input")


async def interrupt(actor: Actor, session: UUID, context: str = "default") -> None:
    async with access.agent_of(await access.get(actor, session)) as agent:
        await agent.interrupt(checked_name(context, "context"))


async def restart(actor: Actor, session: UUID, context: str = "default") -> None:
    """A new kernel: variables are gone, and what waits is aborted."""
    async with access.agent_of(await access.get(actor, session)) as agent:
        await agent.restart(checked_name(context, "context"))


async def ask_kernel(
    session: Session, verb: str, code: str, cursor_pos: int = 0, detail_level: int = 0, context: str = "default"
) -> dict[str, Any]:
    """`complete`, `inspect` or `is_complete`: the content of the kernel's reply. `cursor_pos` in code points."""
    checked_text(code, settings.MAX_CODE_BYTES, "Code")
    if not 0 <= cursor_pos <= len(code):
        raise problems.BadRequest("`cursor_pos` must be within the code, in code points.")
    checked_name(context, "context")
    async with access.agent_of(session) as agent:
        if verb == "complete":
            return await agent.complete(context, code, cursor_pos)
        if verb == "inspect":
            return await agent.inspect(context, code, cursor_pos, 1 if detail_level else 0)
        return await agent.is_complete(context, code)


async def ask_about(
    session: Session, about: str, arguments: dict[str, Any], context: str = "default"
) -> dict[str, Any]:
    """What a kernel holds: its answer, or `error` and `message`, such as `unsupported`."""
    checked_name(about, "question")
    checked_name(context, "context")
    if len(msgspec.json.encode(arguments)) > MAX_ARGUMENTS:
        raise problems.TooLarge(f"The arguments of a question may have {MAX_ARGUMENTS} bytes.")
    async with access.agent_of(session) as agent:
        return await agent.ask(context, about, arguments)


async def usage(session: Session) -> dict[str, float | None]:
    async with access.agent_of(session) as agent:
        return await agent.usage()
