"""Comparing a pool with what it should be: what `pool.maintain()` does.

Look at the engine and at agents first; then, under a short lock of the pool, read the rows, decide, and write the
decisions down. No engine is called inside the transaction. Everything written may be done twice, or by two workers.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from interpreters.lifecycle import (
    LIVE,
    Activity,
    Ask,
    Observation,
    Phase,
    Plan,
    SandboxView,
    State,
    idle_since,
    plan,
)
from interpreters.runtime.base import Runtime, RuntimeUnavailable, Sandbox

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session

logger = logging.getLogger(__name__)


def maintain(pool: "SessionPool", runtime: Runtime, ask: Ask) -> Plan:
    try:
        seen = _observe(pool, runtime, ask)
    except RuntimeUnavailable as silence:
        pool.engine_failed(str(silence))
        raise
    with transaction.atomic():
        pool.lock()
        pool.refresh_from_db()
        listed = [sandbox.session for sandbox in seen.sandboxes]
        rows = {row.pk: row for row in pool.sessions.filter(Q(state__in=LIVE) | Q(pk__in=listed))}
        todo = plan(pool.spec, [row.view for row in rows.values()], seen, timezone.now())
        _write_down(pool, rows, todo)
        pool.note(maintained_at=seen.at)
    for handle in todo.orphans:
        logger.warning("pool %s: removing sandbox %s, which belongs to no session", pool, handle)
        runtime.remove(handle)
    return todo


def view(sandbox: Sandbox) -> SandboxView:
    return SandboxView(
        handle=sandbox.handle,
        session=sandbox.session,
        running=sandbox.running,
        age=sandbox.age,
        exit_code=sandbox.exit_code,
        out_of_memory=sandbox.out_of_memory,
    )


def _observe(pool: "SessionPool", runtime: Runtime, ask: Ask) -> Observation:
    at = timezone.now()
    sandboxes = [view(sandbox) for sandbox in runtime.list(settings.INSTALLATION, pool.pk)]
    return Observation(at, sandboxes, _activity(_idle(pool), ask))


def _idle(pool: "SessionPool") -> Sequence[UUID]:
    """Leased sessions whose row looks idle. Only their agents are asked."""
    now = timezone.now()
    leased = pool.sessions.filter(state=State.LEASED).values_list("id", "last_used_at")
    return [pk for pk, last_used_at in leased if idle_since(last_used_at, pool.cooldown, now)]


def _activity(idle: Sequence[UUID], ask: Ask) -> dict[UUID, Activity]:
    answers = ask(idle) if idle else {}
    return {pk: Activity(health.busy, _moment(health.last_activity)) for pk, health in answers.items()}


def _moment(seconds: float) -> datetime:
    """A time that an agent claims; nonsense counts as long ago."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _write_down(pool: "SessionPool", rows: dict[UUID, "Session"], todo: Plan) -> None:
    for end in todo.ends:
        # A cell that ran since we looked has moved last_used_at, and wins.
        given = {"last_used_at": end.last_used_at} if end.state == State.LEASED else {}
        if rows[end.session].end(end.reason, end.detail, frm=end.state, given=given):
            logger.info("pool %s: ending %s: %s %s", pool, end.session, end.reason, end.detail)
    now = timezone.now()
    for pk in todo.requeue:
        row = rows[pk]
        lost = {"phase": row.phase, "attempted_at": row.attempted_at}
        row.move(State.STARTING, State.STARTING, given=lost, phase=Phase.QUEUED, attempted_at=now)
    for pk in todo.retry:
        row = rows[pk]
        row.move(State.STOPPING, State.STOPPING, given={"attempted_at": row.attempted_at}, attempted_at=now)
    for pk, used in todo.used.items():
        pool.sessions.filter(pk=pk, state=State.LEASED, last_used_at__lt=used).update(last_used_at=used)
    new = pool.sessions.model
    reserved = [new(pool=pool, pool_revision=pool.revision, phase=Phase.QUEUED) for _ in range(todo.launch)]
    for session in pool.sessions.bulk_create(reserved):
        session.announce(State.STARTING)
    if not pool.failures:
        pool.recovered()
