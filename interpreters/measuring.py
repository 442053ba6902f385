"""How much of their limits sessions use, asked of their agents by a worker's clock and kept in their rows.

An agent tells the mean cores since it was asked last, so who asks once a minute learns more than who asks when a page
is looked at; and a page that shows fifty sessions waits for none of them. A relay beside a custom container knows
nothing of the container's use: those have no figures.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError
from interpreters.lifecycle import State
from interpreters.models import Session

# Seconds for one agent, and for a whole round: what was not asked by then is asked the next time.
PATIENCE, ROUND = 1.0, 30.0
AT_ONCE = 8
# More than any sandbox has: an agent shares its sandbox with hostile code.
MOST_CORES, MOST_BYTES = 10_000.0, 2**53


def measure() -> int:
    """How many answered. Those that were measured longest ago come first."""
    leased = Session.objects.filter(state=State.LEASED, pool__image__kind="code")
    keys = list(leased.order_by(F("measured_at").asc(nulls_first=True)).values_list("pk", flat=True))
    end = time.monotonic() + ROUND

    def ask(key: UUID) -> tuple[float, int] | None:
        return _ask(key) if time.monotonic() < end else None

    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        answers = dict(zip(keys, threads.map(ask, keys), strict=True))
    now = timezone.now()
    measured = [
        Session(pk=key, cpu_used=answer[0], memory_used=answer[1], measured_at=now)
        for key, answer in answers.items()
        if answer
    ]
    return Session.objects.bulk_update(measured, ["cpu_used", "memory_used", "measured_at"], batch_size=100)


def _ask(session: UUID) -> tuple[float, int] | None:
    async def question(agent: Agent) -> Mapping[str, float | None]:
        async with asyncio.timeout(PATIENCE):
            return await agent.usage()

    try:
        return _sensible(client.ask(session, question))
    except (AgentError, TimeoutError):
        return None


def _sensible(usage: Mapping[str, float | None]) -> tuple[float, int] | None:
    cpu, memory = usage.get("cpu"), usage.get("memory")
    if cpu is None or memory is None or not (math.isfinite(cpu) and math.isfinite(memory)):
        return None
    return min(max(cpu, 0.0), MOST_CORES), int(min(max(memory, 0.0), MOST_BYTES))
