"""What was asked for before there was a sandbox, to its agent: in order, once, by whoever comes first.

Several may do this at the same time, and each may die between any two steps. Each offers all that waits, in order, on
one line, so that nothing ever arrives before what it comes after; and an agent runs an id once. So the first to arrive
counts, and the second changes nothing.
"""

from uuid import UUID

import msgspec

from interpreters.client import Agent, AgentRefused, ExecuteRequest
from interpreters.models import Execution, waiting
from tenants.threads import in_thread


async def hand_over(agent: Agent, session: UUID) -> None:
    """Raises AgentError; then whoever comes next does the rest."""
    requests = [_request(row) for row in await _waiting(session)]
    if not requests:
        return
    async with agent.channel(None) as channel:
        # All at once: the first that fails finds the others behind it, and they are not run.
        for request in requests:
            await channel.send({"op": "execute", **msgspec.to_builtins(request)})
        for request in requests:
            await _confirm(agent, session, request)


async def _confirm(agent: Agent, session: UUID, request: ExecuteRequest) -> None:
    try:
        await agent.execute(request)
    except AgentRefused as refusal:
        await _refused(request.id, refusal.message)
        return
    if not await _given(session, request.id):
        row = await Execution.objects.filter(pk=request.id).values_list("status", flat=True).afirst()
        if row in (Execution.Status.CANCELLED, Execution.Status.ABORTED):
            await agent.cancel(request.id)  # it was taken out while it was on its way


def _request(row: Execution) -> ExecuteRequest:
    return ExecuteRequest(row.pk, row.code, row.context, row.cell, stop_on_error=row.stop_on_error)


@in_thread
def _waiting(session: UUID) -> list[Execution]:
    return list(Execution.objects.filter(session=session).waiting())


@in_thread
def _refused(execution: UUID, reason: str) -> None:
    Execution.objects.filter(pk=execution).take_out(Execution.Status.ABORTED, reason)


_given = in_thread(waiting.given)
