"""What has ended while nobody listened is saved by a worker's clock: a run asked for without a reader, or one whose
reader went down with its web server. Whoever listens is quicker, and has what an agent may have cut from its log.
"""

import asyncio
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError, AgentRefused, Outputs
from interpreters.lifecycle import State
from interpreters.models import Execution
from interpreters.outputs.saving import store

# Seconds for one agent, and for a whole round: what was not asked by then is asked the next time.
PATIENCE, ROUND = 5.0, 20.0
AT_ONCE = 4
# Seconds in which whoever listens saves it.
LISTENERS = 3.0
# Of one session, in one round.
MOST = 50
# Each with its context.
Given = list[tuple[UUID, str]]


def save_ended() -> int:
    """How many were saved."""
    end = time.monotonic() + ROUND

    def ask(session: UUID, executions: Given) -> list[tuple[UUID, Outputs]]:
        return _ended(session, executions) if time.monotonic() < end else []

    unsaved = _unsaved()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        answers = threads.map(ask, unsaved.keys(), unsaved.values())
        saved = [store(session, *one) for session, ended in zip(unsaved, answers, strict=True) for one in ended]
    return sum(saved)


def _unsaved() -> dict[UUID, Given]:
    """By session: what its agent was given and nobody has saved, the oldest first."""
    given = Execution.objects.filter(outputs__isnull=True, turn=None, session__state=State.LEASED)
    given = given.filter(queued_at__lt=timezone.now() - timedelta(seconds=LISTENERS))
    found: defaultdict[UUID, Given] = defaultdict(list)
    for session, execution, context in given.order_by("queued_at").values_list("session", "pk", "context").iterator():
        if len(found[session]) < MOST:
            found[session].append((execution, context))
    return dict(found)


def _ended(session: UUID, executions: Given) -> list[tuple[UUID, Outputs]]:
    ended: list[tuple[UUID, Outputs]] = []
    busy: set[str] = set()  # contexts: a kernel runs in order, so what comes later has not ended either

    async def question(agent: Agent) -> None:
        async with asyncio.timeout(PATIENCE):
            for execution, context in executions:
                if context in busy:
                    continue
                with suppress(AgentRefused):  # it was never given this one
                    record = await agent.record(execution)
                    if not record.final:
                        busy.add(context)
                    elif (record.finished_at or 0) < time.time() - LISTENERS:
                        ended.append((execution, await agent.outputs(execution)))

    with suppress(AgentError, TimeoutError):  # what it has told until then is good
        client.ask(session, question)
    return ended
