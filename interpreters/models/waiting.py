"""Executions that are asked for before there is a sandbox: rows at once, so that no tab need stay open for them.

A row that waits has a `turn`. It loses it when the agent has it, or when it will not run any more. Rows get turns only
while their session is starting, which its lock makes sure of: whoever finds it leased finds all that ever waited. What
was kept elsewhere until there was a session may find it leased already: then whoever puts it in line sees to it that it
is handed over.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from interpreters.lifecycle import State
from interpreters.models.execution import Execution
from interpreters.models.session import Session

# Executions that wait for one session.
MOST = 1000


class LineFull(Exception):
    """As many wait as may."""


def put_in_line(session: UUID, *, leased: bool = False, **fields: Any) -> bool:
    """Let an execution wait for its session; False if that is not starting any more, nor, if that will do, `leased`.

    Raises LineFull, and IntegrityError where the id is taken.
    """
    states = [State.STARTING, State.LEASED] if leased else [State.STARTING]
    with transaction.atomic():
        if not Session.objects.select_for_update().filter(pk=session, state__in=states).exists():
            return False
        line = Execution.objects.filter(session=session).waiting()
        if line.count() >= MOST:
            raise LineFull
        last = line.aggregate(last=Max("turn"))["last"] or 0
        Execution.objects.create(session_id=session, turn=last + 1, **fields)
    return True


def given(session: UUID, execution: UUID) -> bool:
    """The agent has it. False if it was taken out of the line meanwhile."""
    line = Execution.objects.filter(session=session, pk=execution).waiting()
    return line.order_by().update(turn=None) == 1
