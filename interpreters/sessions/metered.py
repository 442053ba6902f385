"""What the tenant has used, and what is left of its quotas, for programs."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

from django.utils import timezone

from interpreters import metering
from interpreters.metering import Figures
from interpreters.models.usage import month_of
from interpreters.sessions import access, problems
from tenants import quotas
from tenants.authentication import Actor
from tenants.models import Scope
from tenants.threads import in_parts, in_thread

MOST_DAYS = 3660
Period = tuple[date, date]


def period(since: date | None, until: date | None) -> Period:
    """Days from `since` up to but without `until`; this month where neither is said. Raises Problem."""
    first, following = month_of(timezone.now())
    since = since or (first if until is None or until > first else until.replace(day=1))
    until = until or max(following, since.replace(day=1))
    if not since < until:
        raise problems.BadRequest("`until` is the day after the last one: it must be later than `since`.")
    if (until - since).days > MOST_DAYS:
        raise problems.BadRequest(f"Ask for at most {MOST_DAYS} days at a time.")
    return since, until


@in_thread
def report(actor: Actor, days: Period, by: str) -> dict[str, Any]:
    access.allowed(actor, Scope.USAGE_READ)
    rows = metering.report(actor.tenant, *days, by, actor.only_pools)
    return {
        "since": days[0],
        "until": days[1],
        "by": by,
        "rows": [_told(each) for each in rows],
        "total": _told(metering.total(actor.tenant, *days, actor.only_pools)),
        "quotas": [standing.told() for standing in quotas.standings(actor.tenant)],
    }


@in_thread
def own(actor: Actor, days: Period) -> dict[str, Any]:
    """What the caller's own sessions used."""
    access.allowed(actor, Scope.POOLS_READ)
    return {"since": days[0], "until": days[1], **_told(metering.of_member(actor.tenant, actor.user, *days))}


def export(actor: Actor, days: Period) -> AsyncIterator[str]:
    """CSV, as it is read. Raises Problem before the first of it."""
    access.allowed(actor, Scope.USAGE_READ)
    return in_parts(metering.as_csv(actor.tenant, *days, actor.only_pools))


def _told(figures: Figures) -> dict[str, Any]:
    return {
        "name": figures.name,
        "sessions": figures.sessions,
        "session_seconds": figures.session_seconds,
        "core_seconds": round(figures.core_seconds, 3),
        "mib_seconds": round(figures.memory_seconds, 3),
        "execution_seconds": figures.execution_seconds,
        "executions": figures.executions,
    }
