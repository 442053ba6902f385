"""Reading executions: from their rows, and from their sandbox what the rows do not know yet."""

import asyncio
from uuid import UUID

from interpreters import outputs
from interpreters.client import AgentError, Outputs, get_agent
from interpreters.lifecycle import State
from interpreters.models import Execution
from interpreters.sessions import access, guards, problems, record
from tenants.authentication import Actor
from tenants.models import Scope
from tenants.threads import in_thread

LISTED = 100
# Executions of one list whose state is asked of the agent, because their rows do not know it yet.
ASKED = 20


def look_up(actor: Actor, execution: UUID) -> Execution:
    """The tenant's execution, with its session. For a token of one session there are no others."""
    access.allowed(actor, Scope.SESSIONS_USE, actor.only_session)
    row = Execution.objects.of(actor.tenant, execution)
    reached = row is not None and actor.reaches(row.session_id) and actor.uses(row.session.pool.name)
    if row is None or not reached or not guards.passes(actor, row.session.identifier):
        raise problems.NotFound("There is no such execution: it may never have been, or be another tenant's.")
    return row


find = in_thread(look_up)


async def read(actor: Actor, execution: UUID) -> Execution:
    """The execution with its outputs so far. One that has ended and was not saved yet is saved now."""
    row = await find(actor, execution)
    if row.outputs is not None:
        return row
    answer = await _answer(row)
    if answer is not None and answer.record.final:
        await record.save(row.session_id, execution)
        await row.arefresh_from_db()
    elif answer is not None:
        _show(row, answer)
    if row.outputs is None:
        row.outputs = []
    return row


async def _answer(row: Execution) -> Outputs | None:
    """What the sandbox says of it, if there still is one."""
    if row.session.state != State.LEASED:
        return None
    try:
        return await get_agent(row.session_id).outputs(row.pk)
    except AgentError:
        return None


def _show(row: Execution, answer: Outputs) -> None:
    """Put what is known so far into the row, for a reader; nothing is written."""
    for name, value in outputs.facts(answer.record).items():
        setattr(row, name, value)
    row.outputs, row.outputs_cut = outputs.to_notebook(answer)


async def list_of(actor: Actor, session: UUID) -> list[Execution]:
    """The newest executions of a session, newest first, without outputs."""
    found = await access.get(actor, session)
    rows = await _newest(session)
    unknown = [row for row in rows if row.outputs is None][:ASKED]
    if found.state == State.LEASED and unknown:
        await asyncio.gather(*(_look(row) for row in unknown))
    return rows


@in_thread
def _newest(session: UUID) -> list[Execution]:
    return list(Execution.objects.filter(session=session).order_by("-queued_at")[:LISTED])


async def _look(row: Execution) -> None:
    try:
        facts = outputs.facts(await get_agent(row.session_id).record(row.pk))
    except AgentError:
        return
    for name, value in facts.items():
        setattr(row, name, value)
