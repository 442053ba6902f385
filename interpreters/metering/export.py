"""Usage as rows of text, for spreadsheets and bills: a line for each session, of what it used in the period."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from interpreters.models import SessionUsage
from interpreters.models.usage import live
from tenants.audit_export import Line, cell
from tenants.models import Tenant

COLUMNS = (
    *("session", "tenant", "member", "token", "pool", "identifier", "cores", "memory_mib"),
    *("started_at", "ended_at", "session_seconds", "core_seconds", "mib_seconds", "execution_seconds", "executions"),
)
AT_ONCE = 1000  # lines


def as_csv(tenant: Tenant, since: date, until: date, pools: Sequence[str] = ()) -> Iterator[str]:
    """Text, some thousand lines at a time, a header first. Each part is a query of its own: a reader may be slow.

    Seconds are those between `since` and `until`; the two times are the session's own.
    """
    yield _line(COLUMNS)
    running = _running(tenant, since, until)
    after: tuple[datetime, UUID] | None = None
    while rows := list(_sessions(tenant, since, until, pools, after)[:AT_ONCE]):
        yield "".join(_line(_told(tenant, row, running.get(row.pk, (0, 0)))) for row in rows)
        after = (rows[-1].started_at, rows[-1].pk)


def _line(values: Sequence[Any]) -> str:
    return str(csv.writer(Line()).writerow([cell(value) for value in values]))


def _told(tenant: Tenant, row: Any, more: tuple[int, int]) -> list[Any]:
    seconds, ran = ((row.all_leased or 0) + more[0]) / 1000, ((row.all_ran or 0) + more[1]) / 1000
    return [
        str(row.pk), tenant.slug, row.member, row.token, row.pool, row.identifier, row.cpu, row.memory,
        row.started_at.isoformat(), row.ended_at.isoformat() if row.ended_at else "",
        *(round(value, 3) for value in (seconds, seconds * row.cpu, seconds * row.memory, ran)),
        row.all_executions or 0,
    ]  # fmt: skip


def _sessions(
    tenant: Tenant, since: date, until: date, pools: Sequence[str], after: tuple[datetime, UUID] | None
) -> QuerySet[Any]:
    """Those that lived in the period, with the sums of its days, from one on."""
    rows = SessionUsage.objects.filter(tenant=tenant, started_at__lt=_begin_of(until))
    rows = rows.filter(Q(ended_at=None) | Q(ended_at__gte=_begin_of(since)))
    if pools:
        rows = rows.filter(pool__in=pools)
    if after:
        rows = rows.filter(Q(started_at__gt=after[0]) | Q(started_at=after[0], session__gt=after[1]))
    within = Q(days__day__gte=since, days__day__lt=until)
    sums: dict[str, Any] = {
        f"all_{name}": Sum(f"days__{name}", filter=within) for name in ("leased", "ran", "executions")
    }
    return rows.annotate(**sums).order_by("started_at", "session")


def _running(tenant: Tenant, since: date, until: date) -> dict[UUID, tuple[int, int]]:
    sums: dict[UUID, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row, day, leased, ran in live(tenant):
        if since <= day < until:
            sums[row.pk] = (sums[row.pk][0] + leased, sums[row.pk][1] + ran)
    return sums


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
