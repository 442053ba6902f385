"""Into the database, once: the first who saves wins, by one conditional UPDATE."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError, Outputs, Record
from interpreters.lifecycle import State
from interpreters.models import Execution, Session, usage
from interpreters.outputs.notebook import DISPLAY, Notebook, clean, read, shown_anew
from interpreters.outputs.widgets import VIEW
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

# An execution's start is noted as a use of its session; so is its end, if it is this much later.
NOTED = timedelta(seconds=5)
# Seconds that a session's last outputs may take when it is torn down.
COLLECT = 15.0
# Executions among which the displays are looked for that a later one updates.
MOST_UPDATED = 200
LOST_WITH_SANDBOX = "its sandbox ended first"


def facts(record: Record) -> dict[str, Any]:
    """An agent's record as fields of an Execution."""
    count = record.execution_count
    return {
        "status": record.state,
        "reason": clean(record.reason or "")[:200],
        "execution_count": count if count is not None and 0 <= count < 2**31 else None,
        "started_at": _moment(record.started_at),
        "finished_at": _moment(record.finished_at),
    }


def store(session: UUID, execution: UUID, answer: Outputs) -> bool:
    """Write a finished execution of this session down. False if somebody else did before, or it has no such row.

    The session is asked for, because ids come from callers: one sandbox must never write another's execution.
    """
    notebook = read(answer)
    outputs, cut = notebook.outputs(), notebook.cut_messages > 0
    fields = facts(answer.record)
    now = timezone.now()
    end = fields["finished_at"] = min(fields["finished_at"] or now, now)
    if end - (fields["started_at"] or end) > NOTED:
        leased = Session.objects.filter(pk=session, state=State.LEASED, last_used_at__lt=end)
        leased.update(last_used_at=end)
    unsaved = Execution.objects.filter(pk=execution, session=session, outputs__isnull=True)
    with transaction.atomic():
        if unsaved.update(outputs=outputs, outputs_cut=cut, **fields) != 1:
            return False
        if fields["started_at"]:  # else it was taken from the queue
            usage.ran(session, fields["started_at"], end)
    if notebook.elsewhere or notebook.widgets.concern_others:
        _change_earlier(session, execution, notebook)
    return True


def _change_earlier(session: UUID, execution: UUID, notebook: Notebook) -> None:
    """Show anew what earlier executions displayed and this one has updated or closed: as the open tabs saw it."""
    shows = Q(outputs__icontains=DISPLAY) if notebook.elsewhere else Q()
    if notebook.widgets.concern_others:
        shows |= Q(outputs__icontains=VIEW)
    earlier = Execution.objects.filter(shows, session=session).exclude(pk=execution)
    with transaction.atomic():
        for row in earlier.select_for_update().order_by("-queued_at")[:MOST_UPDATED]:
            if shown_anew(row.outputs or [], notebook):
                row.save(update_fields=["outputs"])


def store_lost(session: UUID, execution: UUID, reason: str) -> bool:
    """Write down that nothing is left of an execution."""
    unsaved = Execution.objects.filter(pk=execution, session=session, outputs__isnull=True)
    now = timezone.now()
    lost = {"status": Execution.Status.LOST, "reason": reason[:200], "finished_at": now}
    with transaction.atomic():
        since = _began(session, execution)
        if unsaved.update(outputs=[], **lost) != 1:
            return False
        if since:
            usage.ran(session, since, now)
    return True


def _began(session: UUID, execution: UUID) -> datetime | None:
    """When one began whose agent tells nothing any more; None if another ran before it to the end."""
    row = Execution.objects.filter(pk=execution, session=session).first()
    if row is None or row.final:
        return None
    of_kernel = Execution.objects.filter(session=session, context=row.context)
    if of_kernel.unfinished().filter(turn=None, queued_at__lt=row.queued_at).exists() or row.turn is not None:
        return None
    return next((since for _, since in of_kernel.busy_since()), None)


async def save(agent: Agent, session: UUID, execution: UUID) -> bool:
    """Save a finished execution's outputs. False if it still runs or was saved before. Raises AgentError."""
    answer = await agent.outputs(execution)
    return answer.record.final and await in_thread(store)(session, execution, answer)


@in_thread
@transaction.atomic
def store_many(session: UUID, answers: Mapping[UUID, Outputs]) -> None:
    """Write many at once."""
    for execution, answer in answers.items():
        store(session, execution, answer)


def collect_sync(session: UUID) -> None:
    """For a worker that tears a session down: save what is finished as it is, the rest as lost with what it said."""
    deadline = time.monotonic() + COLLECT
    for execution in _unsaved(session):
        left = deadline - time.monotonic()
        answer = client.ask(session, lambda agent, e=execution, s=left: _last(agent, e, s))  # type: ignore[misc]
        _store_last(session, execution, answer)


async def _last(agent: Agent, execution: UUID, seconds: float) -> Outputs | None:
    """What the agent still has of it, unless it is gone or takes too long."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await agent.outputs(execution)
    except (AgentError, TimeoutError) as error:
        logger.info("execution %s: nothing to save: %s", execution, error)
        return None


def _unsaved(session: UUID) -> list[UUID]:
    rows = Execution.objects.filter(session=session, outputs__isnull=True)
    return list(rows.order_by("queued_at").values_list("pk", flat=True))


def _store_last(session: UUID, execution: UUID, answer: Outputs | None) -> None:
    if answer is None:
        store_lost(session, execution, LOST_WITH_SANDBOX)
        return
    if not answer.record.final:
        lost = replace(answer.record, state=Execution.Status.LOST.value, reason=LOST_WITH_SANDBOX)
        answer = replace(answer, record=lost)
    store(session, execution, answer)


def _moment(seconds: float | None) -> datetime | None:
    """A time that an agent claims; nonsense is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None
