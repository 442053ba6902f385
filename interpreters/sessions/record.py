"""Executions into the database, beside the path of running code: nobody who waits for output waits for a row."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from contextvars import Context
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, transaction

from interpreters import outputs
from interpreters.auditing import record_code
from interpreters.client import AgentError, ExecuteRequest, Outputs, get_agent
from interpreters.models import Execution, Session, waiting
from interpreters.notices import session_changed
from interpreters.sessions import keeping, problems
from tenants.authentication import Actor
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

# What this process is just writing, and saving, by execution.
_writing: dict[UUID, asyncio.Task[None]] = {}
_saving: dict[UUID, asyncio.Task[None]] = {}
# By session: uses that are just being written down.
_noting: dict[UUID, asyncio.Task[None]] = {}
# Executions whose outputs are gathered by who started them.
_gathered: set[UUID] = set()
# By session: ends that readers came across, with what was gathered, and who saves them.
_ended: dict[UUID, dict[UUID, Outputs | None]] = {}
_savers: dict[UUID, asyncio.Task[None]] = {}
BATCH = 200
# When this process last noted a use of a session, seconds between two notes, and sessions that are remembered.
_noted: dict[UUID, float] = {}
NOTE_EVERY, MOST_NOTED = 2.0, 10_000
# Seconds that an end waits: whoever runs cell after cell is not slowed by the saving of the last.
PAUSE = 0.25


def write_down(actor: Actor, session: Session, request: ExecuteRequest) -> asyncio.Task[None]:
    """Begin to write an execution's row. The task raises Problem if there can be none."""
    return _keep(_writing, request.id, _write(actor, session, request))


async def written(execution: UUID) -> None:
    """Wait until the row is there, if this process is writing it. Raises Problem if it could not."""
    task = _writing.get(execution)
    if task is not None:
        await asyncio.shield(task)


@in_thread
def _delete(session: UUID, execution: UUID) -> None:
    Execution.objects.unfinished().filter(pk=execution, session=session, outputs__isnull=True).delete()


async def forget(session: UUID, execution: UUID) -> None:
    """Take back the row of an execution that the session's agent refused."""
    try:
        await written(execution)
    except problems.Problem:
        return  # it is not ours
    await _delete(session, execution)


def save_soon(session: UUID, execution: UUID, answer: Outputs | None = None) -> asyncio.Task[None]:
    """Begin to save an execution that has ended, by `answer` or by asking, unless this process is at it already."""
    keeping.soon(session)
    return _saving.get(execution) or _keep(_saving, execution, _save(session, execution, answer))


async def save(session: UUID, execution: UUID) -> None:
    await asyncio.shield(save_soon(session, execution))


async def settled(execution: UUID) -> None:
    """Wait for what this process is writing of it. Raises Problem if there is no row."""
    await written(execution)
    if execution in _saving:
        await asyncio.shield(_saving[execution])


def gathers(execution: UUID) -> None:
    """The reader that starts an execution gathers its outputs: it is to tell its end, or to `leave()` it."""
    _gathered.add(execution)


def leave(executions: Iterable[UUID]) -> None:
    """They are gathered no more: whoever comes across their ends saves them."""
    _gathered.difference_update(executions)


def ended(session: UUID, execution: UUID, answer: Outputs | None = None) -> None:
    """A reader of the log came across an end. Saved soon, whether or not the reader stays, unless it was before.

    Ends are taken many at a time: a new tab is told of all ends of the past, and a quick one ends many cells a second.
    """
    if answer is None and execution in _gathered:
        return
    keeping.soon(session)
    ends = _ended.setdefault(session, {})
    ends[execution] = answer
    if session not in _savers:
        _keep(_savers, session, _save_ended(session, ends))


async def _save_ended(session: UUID, ends: dict[UUID, Outputs | None]) -> None:
    while ends:
        await asyncio.sleep(PAUSE)
        batch = {execution: ends.pop(execution) for execution in list(ends)[:BATCH]}
        writing = [_writing[execution] for execution in batch if execution in _writing]
        if writing:
            await asyncio.wait(writing)
        await outputs.store_many(session, {e: answer for e, answer in batch.items() if answer is not None})
        for execution in await _unsaved(session, [e for e, answer in batch.items() if answer is None]):
            await save(session, execution)
    del _ended[session]


@in_thread
def _unsaved(session: UUID, executions: list[UUID]) -> list[UUID]:
    if not executions:
        return []
    rows = Execution.objects.filter(pk__in=executions, session=session, outputs__isnull=True)
    return list(rows.values_list("pk", flat=True))


def _fields(actor: Actor, request: ExecuteRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "tenant_id": actor.tenant.pk,
        "user_id": actor.user.pk,
        "context": request.context,
        "cell": request.cell,
        "code": _code(request),
        "stop_on_error": request.stop_on_error,
    }


def line_up(actor: Actor, session: Session, request: ExecuteRequest, *, leased: bool = False) -> bool:
    """Let it wait for its session; False if that is not starting any more, nor `leased`. Raises Problem."""
    try:
        put = waiting.put_in_line(session.pk, leased=leased, **_fields(actor, request))
    except waiting.LineFull as full:
        message = f"{waiting.MOST} runs wait for this session already: wait for them, or stop them."
        raise problems.Unavailable(message, "busy", retry_after=1) from full
    except IntegrityError:
        put = _known(session, request)
    except DatabaseError as error:
        logger.exception("execution %s was not written down", request.id)
        raise problems.Unavailable("The database does not answer: run it again in a moment.", "not_kept") from error
    if put:
        if actor.tenant.record_code:
            record_code(actor, session, request.code)
        session_changed(session.pk)
    return put


put_in_line = in_thread(line_up)


async def _write(actor: Actor, session: Session, request: ExecuteRequest) -> None:
    try:
        await in_thread(_insert)(actor, session, request)
    except Strange:
        # The agent was told before this was found out. It must not run without a row.
        with suppress(AgentError):
            await get_agent(session.pk).cancel(request.id)
        raise


class Strange(problems.Conflict):
    """The agent was never given the execution that the id names, and so runs this code under it."""


def _known(session: Session, request: ExecuteRequest) -> bool:
    """Sent again after a broken line, it is there already. Somebody else's is never touched."""
    row = Execution.objects.filter(pk=request.id, session=session.pk).first()
    same = row is not None and row.code == _code(request)
    given = row is not None and (row.started_at is not None or not row.final)
    if same and given:
        return True
    message = "It was taken out before it ran" if same else "This id names another execution"
    raise (problems.Conflict if given else Strange)(f"{message}: take a new random id.", "id_taken")


def _code(request: ExecuteRequest) -> str:
    return request.code.replace("\0", "\ufffd")


@in_thread
def take_out(session: UUID, status: str, reason: str = "", only: Iterable[UUID] | None = None) -> bool:
    """Take what waits for a sandbox out of the line: all of it, or `only` these. False if none did wait."""
    rows = Execution.objects.filter(session=session)
    if only is not None:
        rows = rows.filter(pk__in=list(only))
    taken = rows.take_out(status, reason) > 0
    if taken:
        session_changed(session)
    return taken


def _insert(actor: Actor, session: Session, request: ExecuteRequest) -> None:
    try:
        with transaction.atomic():
            Execution.objects.create(session_id=session.pk, **_fields(actor, request))
            if actor.tenant.record_code:
                record_code(actor, session, request.code)
            if _worth_noting(session.pk):
                session.touch()
    except IntegrityError:
        try:
            _known(session, request)
        except Strange:
            if actor.tenant.record_code:
                record_code(actor, session, request.code)
            raise
    except DatabaseError as error:
        logger.exception("execution %s was not written down", request.id)
        raise problems.Unavailable("The code runs, but its outputs will not be kept.", "not_kept") from error


def _worth_noting(session: UUID) -> bool:
    """Whether a use of a session should be written down: this process did not just do so."""
    now = time.monotonic()
    if now - _noted.get(session, -NOTE_EVERY) < NOTE_EVERY:
        return False
    if len(_noted) > MOST_NOTED:
        _noted.clear()
    _noted[session] = now
    return True


def note_use(session: Session) -> None:
    """Count it as used now, beside whatever is going on. Many uses at a time are written down as one."""
    if _worth_noting(session.pk):
        _keep(_noting, session.pk, _touch(session))


async def _touch(session: Session) -> None:
    try:
        await in_thread(session.touch)()
    except DatabaseError as error:
        logger.warning("a use of session %s was not noted: %s", session.pk, error)


async def _save(session: UUID, execution: UUID, answer: Outputs | None = None) -> None:
    """Errors are only logged: whoever reads the execution next tries again."""
    try:
        await written(execution)
        if answer is None:
            await outputs.save(get_agent(session), session, execution)
        else:
            await outputs.store_many(session, {execution: answer})
    except (AgentError, DatabaseError, problems.Problem) as error:
        logger.warning("execution %s was not saved: %s", execution, error)


def _keep(tasks: dict[UUID, asyncio.Task[None]], name: UUID, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    # In a context of its own: that of a page's request would make it a thread, and a connection, of its own.
    task = tasks[name] = asyncio.create_task(work, context=Context())

    def done(task: asyncio.Task[None]) -> None:
        if tasks.get(name) is task:
            del tasks[name]
        if not task.cancelled() and (error := task.exception()):
            logger.warning("execution %s: %s", name, error)

    task.add_done_callback(done)
    return task
