"""What pools did, by the minute and by the hour: what the dashboard draws.

A worker's clock writes a row a minute for each pool and each tenant that has a part in it, and makes hours of them.
Minutes are kept for two days and hours for SAMPLE_DAYS: so a plot of any length reads some thousand rows, and adds them
up in the database. Who leases is in the tenant's own row, so that a shared pool tells each tenant of its own use alone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from interpreters.lifecycle import OPEN, Reason
from interpreters.models.execution import Execution
from interpreters.models.pool import SessionPool
from interpreters.models.session import Session
from tenants.models import Tenant

MINUTE, HOUR = 60, 3600
MINUTES_KEPT = timedelta(days=2)
# Of what happened while no sample was taken, so much is told by the next one.
CATCH_UP = timedelta(hours=1)
# Runs are written down a moment after they have ended.
LATE = timedelta(minutes=1)
# Bounds, in seconds, between which waits for a session are counted: below the first, …, above the last.
WAITS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
# Ends that nobody wanted.
FAILURES = (
    Reason.START_FAILED, Reason.START_TIMEOUT, Reason.OUT_OF_MEMORY, Reason.KILLED, Reason.UNHEALTHY, Reason.LOST,
    Reason.MISBEHAVED,
)  # fmt: skip

GAUGES = tuple(str(state) for state in OPEN)
WAITED = tuple(f"waited_{n}" for n in range(len(WAITS) + 1))
ENDED = tuple(f"ended_{reason}" for reason in FAILURES)
EVENTS = ("leases", "cold", "executions", "failed", *WAITED, *ENDED)

Counts = dict[tuple[int, int | None], dict[str, Any]]
# Whose part in a pool a session is: its holder's, else that of the pool's owner, if it has one.
OWNER = Coalesce("tenant", "pool__tenant")
WAIT = ExpressionWrapper(F("leased_at") - F("asked_at"), DurationField())


class PoolSampleQuerySet(models.QuerySet["PoolSample"]):
    def minutes(self) -> Self:
        return self.filter(seconds=MINUTE)

    def hours(self) -> Self:
        return self.filter(seconds=HOUR)

    def take(self, now: datetime) -> int:
        """Write the rows of the minute that has just begun; how many. Two workers that do so write them once."""
        at = now.replace(second=0, microsecond=0)
        last = PoolSample.objects.minutes().aggregate(last=Max("at"))["last"]
        if last and last >= at:
            return 0
        since = max(last or at - timedelta(seconds=MINUTE), at - CATCH_UP)
        rows = [
            PoolSample(pool_id=pool, tenant_id=tenant, at=at, seconds=MINUTE, **counts)
            for (pool, tenant), counts in _seen(since, at).items()
        ]
        PoolSample.objects.bulk_create(rows, ignore_conflicts=True, batch_size=200)
        return len(rows)

    def make_hours(self, now: datetime) -> None:
        """Of the minutes of each hour that is over and not yet made. May be done twice."""
        newest = now.replace(minute=0, second=0, microsecond=0)
        made = PoolSample.objects.hours().aggregate(last=Max("at"))["last"]
        first = PoolSample.objects.minutes().aggregate(first=Min("at"))["first"]
        if first is None:
            return
        hour = max(made or first, first, newest - MINUTES_KEPT).replace(minute=0, second=0, microsecond=0)
        while hour < newest:
            _make_hour(hour, hour := hour + timedelta(seconds=HOUR))

    def forget_old(self, now: datetime) -> None:
        self.minutes().filter(at__lt=now - MINUTES_KEPT)._raw_delete("default")
        self.hours().filter(at__lt=now - timedelta(days=settings.SAMPLE_DAYS))._raw_delete("default")


class PoolSample(models.Model):
    """A tenant's part in a pool in the `seconds` up to `at`. Without a tenant: what nobody holds of a shared pool."""

    pool = models.ForeignKey(SessionPool, models.CASCADE, related_name="samples", db_index=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, related_name="+", db_index=False)
    at = models.DateTimeField()
    seconds = models.PositiveSmallIntegerField()
    # Sessions at that moment; of an hour, the mean.
    starting = models.FloatField(default=0)
    ready = models.FloatField(default=0)
    leased = models.FloatField(default=0)
    # What happened. `cold`: leases for which nothing was ready.
    leases = models.PositiveIntegerField(default=0)
    cold = models.PositiveIntegerField(default=0)
    executions = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Leases by how long they were waited for (see WAITS).
    waited_0 = models.PositiveIntegerField(default=0)
    waited_1 = models.PositiveIntegerField(default=0)
    waited_2 = models.PositiveIntegerField(default=0)
    waited_3 = models.PositiveIntegerField(default=0)
    waited_4 = models.PositiveIntegerField(default=0)
    waited_5 = models.PositiveIntegerField(default=0)
    waited_6 = models.PositiveIntegerField(default=0)
    waited_7 = models.PositiveIntegerField(default=0)
    waited_8 = models.PositiveIntegerField(default=0)
    waited_9 = models.PositiveIntegerField(default=0)
    # Sessions that failed, by reason.
    ended_start_failed = models.PositiveIntegerField(default=0)
    ended_start_timeout = models.PositiveIntegerField(default=0)
    ended_out_of_memory = models.PositiveIntegerField(default=0)
    ended_killed = models.PositiveIntegerField(default=0)
    ended_unhealthy = models.PositiveIntegerField(default=0)
    ended_lost = models.PositiveIntegerField(default=0)
    ended_misbehaved = models.PositiveIntegerField(default=0)

    objects = PoolSampleQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = "sample of a pool", "dashboard"
        constraints = [
            models.UniqueConstraint(fields=["pool", "tenant", "seconds", "at"], name="one_sample_of_a_tenant"),
            models.UniqueConstraint(
                fields=["pool", "seconds", "at"], condition=Q(tenant=None), name="one_sample_of_nobody"
            ),
        ]
        indexes = [models.Index(fields=["seconds", "at"]), models.Index(fields=["tenant", "seconds", "at"])]

    def __str__(self) -> str:
        return f"{self.pool} at {self.at:%Y-%m-%d %H:%M}"


def _seen(since: datetime, at: datetime) -> Counts:
    """What is at this moment, and what happened from `since` until it. Every pool is told, also where nothing is."""
    counts: Counts = {(pool, tenant): {} for pool, tenant in SessionPool.objects.values_list("pk", "tenant")}

    def add(rows: QuerySet[Any], pool: str = "pool") -> None:
        for row in rows:
            key = (row.pop(pool), row.pop("owner"))
            counts.setdefault(key, {}).update(row)

    sessions = Session.objects.annotate(owner=OWNER, wait=WAIT).order_by()
    states: dict[str, Any] = {state: Count("pk", filter=Q(state=state)) for state in GAUGES}
    add(sessions.open().values("pool", "owner").annotate(**states))
    leases = sessions.filter(leased_at__gte=since, leased_at__lt=at).values("pool", "owner")
    add(leases.annotate(leases=Count("pk"), cold=Count("pk", filter=Q(cold_start=True)), **_waits()))
    ended = sessions.filter(ended_at__gte=since, ended_at__lt=at, reason__in=FAILURES).values("pool", "owner")
    add(ended.annotate(**{f"ended_{reason}": Count("pk", filter=Q(reason=reason)) for reason in FAILURES}))
    runs = Execution.objects.filter(finished_at__gte=since - LATE, finished_at__lt=at - LATE).order_by()
    failed = Count("pk", filter=Q(status__in=(Execution.Status.ERROR, Execution.Status.LOST)))
    runs_by_owner = runs.annotate(owner=F("tenant")).values("session__pool", "owner")
    add(runs_by_owner.annotate(executions=Count("pk"), failed=failed), "session__pool")
    return counts


def _waits() -> dict[str, Any]:
    """How many of the leases waited for how long."""
    bounds = [None, *(timedelta(seconds=seconds) for seconds in WAITS), None]
    counts: dict[str, Any] = {}
    for name, low, high in zip(WAITED, bounds, bounds[1:], strict=False):
        within = Q(wait__isnull=False)
        within &= Q(wait__gt=low) if low else Q()
        within &= Q(wait__lte=high) if high else Q()
        counts[name] = Count("pk", filter=within)
    return counts


def _make_hour(start: datetime, end: datetime) -> None:
    minutes = PoolSample.objects.minutes().filter(at__gt=start, at__lte=end).order_by()
    taken = minutes.aggregate(taken=Count("at", distinct=True))["taken"]
    if not taken:
        return
    sums: dict[str, Any] = {f"sum_{name}": Sum(name) for name in (*GAUGES, *EVENTS)}
    rows = []
    found: Iterable[Any] = minutes.values("pool", "tenant").annotate(**sums)
    for row in found:
        means = {name: row[f"sum_{name}"] / taken for name in GAUGES}
        events = {name: row[f"sum_{name}"] for name in EVENTS}
        key = {"pool_id": row["pool"], "tenant_id": row["tenant"]}
        rows.append(PoolSample(**key, at=end, seconds=HOUR, **means, **events))
    PoolSample.objects.bulk_create(rows, ignore_conflicts=True, batch_size=200)
