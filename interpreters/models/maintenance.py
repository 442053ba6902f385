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
    End,
    Observation,
    Phase,
    Plan,
    SandboxView,
    State,
    idle_since,
    plan,
)
from interpreters.models import tenant_quotas
from interpreters.models.last_words import last_words
from interpreters.models.retirement import finish
from interpreters.runtime.base import Runtime, RuntimeUnavailable, Sandbox

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session

logger = logging.getLogger(__name__)

# Dead sandboxes whose last words are read in one look.
MOST_HEARD = 4


def maintain(pool: "SessionPool", runtime: Runtime, ask: Ask) -> Plan:
    try:
        seen = _observe(pool, runtime, ask)
    except RuntimeUnavailable as silence:
        pool.engine_failed(str(silence))
        raise
    with transaction.atomic():
        tenant_quotas.hold_owner(pool)
        pool.lock()  # raises DoesNotExist where another maintenance has finished the pool's deletion
        pool.refresh_from_db()
        listed = [sandbox.session for sandbox in seen.sandboxes]
        rows = {row.pk: row for row in pool.sessions.filter(Q(state__in=LIVE) | Q(pk__in=listed))}
        todo = plan(pool.spec, [row.view for row in rows.values()], seen, timezone.now())
        _write_down(pool, rows, todo)
        pool.note(maintained_at=seen.at)
        pool.places.forget_left()
        finish(pool, seen)
    for handle in todo.orphans:
        logger.warning("pool %s: removing sandbox %s, which belongs to no session", pool, handle)
        runtime.remove(handle)
    return todo


def view(sandbox: Sandbox, last_words: str = "") -> SandboxView:
    return SandboxView(
        handle=sandbox.handle,
        session=sandbox.session,
        running=sandbox.running,
        age=sandbox.age,
        exit_code=sandbox.exit_code,
        out_of_memory=sandbox.out_of_memory,
        relay_exit=sandbox.relay_exit,
        last_words=last_words,
    )


def _observe(pool: "SessionPool", runtime: Runtime, ask: Ask) -> Observation:
    at = timezone.now()
    sandboxes = runtime.list(settings.INSTALLATION, pool.pk)
    words = _last_words(pool, runtime, sandboxes)
    views = [view(sandbox, words.get(sandbox.session, "")) for sandbox in sandboxes]
    return Observation(at, views, _activity(_idle(pool), ask))


def _last_words(pool: "SessionPool", runtime: Runtime, sandboxes: Sequence[Sandbox]) -> dict[UUID, str]:
    """What those said last whose end nobody has looked at yet; a few are enough to learn what is wrong."""
    ended = {sandbox.session: sandbox for sandbox in sandboxes if view(sandbox).ended}
    unseen = pool.sessions.open().filter(pk__in=ended).values_list("pk", flat=True)[:MOST_HEARD]
    return {pk: last_words(pool, runtime, ended[pk].handle) for pk in unseen} if ended else {}


def _idle(pool: "SessionPool") -> Sequence[UUID]:
    """Leased sessions whose row looks idle. Only their agents are asked."""
    if pool.until_exit:
        return []
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
    failures: list[End] = []
    for end in todo.ends:
        # A cell that ran since we looked has moved last_used_at, and wins.
        given = {"last_used_at": end.last_used_at} if end.state == State.LEASED else {}
        if rows[end.session].end(end.reason, end.detail, frm=end.state, given=given):
            told = end.detail.partition("\n")[0]
            logger.info("pool %s: ending %s: %s %s", pool, end.session, end.reason, told)
            failures += [end] if end.failure else []
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
    pool.reserve(tenant_quotas.ready_that_fit(pool, todo.launch))
    _judge(pool, failures, todo)


def _judge(pool: "SessionPool", failures: Sequence[End], todo: Plan) -> None:
    """Back off, once for all that died at the same time, or forget what is past."""
    if failures:
        last = failures[-1]
        failed = pool.launch_failed if last.state == State.STARTING else pool.instance_crashed
        failed(f"{last.reason.sentence}\n{last.detail}" if last.state == State.READY else last.detail)
    elif todo.steady or not pool.failures_in_a_row:
        pool.recovered()
