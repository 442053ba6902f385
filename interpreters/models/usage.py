"""The ledger of usage: what each session used, from the moment it is somebody's until it begins to end.

A table of its own, not sums over sessions and executions: those go with their pool, and old ones may be pruned. It is
written in the transaction that moves the session, or saves the execution, and by a conditional UPDATE that happens
once: so whoever dies in between, and however often it is tried again, nothing is lost and nothing counts twice.

What is over is kept by UTC days, in whole milliseconds: days nest in months, so the pieces of a session that goes over
midnight add up exactly. What still runs is counted when somebody asks.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Sum
from django.utils import timezone

from interpreters.lifecycle import State
from tenants.models import Tenant
from tenants.prepared import Given, Prepared

if TYPE_CHECKING:
    from interpreters.models.session import Session

DAY = timedelta(days=1)


class SessionUsage(models.Model):
    """One session that somebody had. People, tokens and pools are told by name too: they may be gone."""

    session = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    member = models.CharField(max_length=200, blank=True)
    token = models.CharField(max_length=16, blank=True, help_text="The first characters of the token that opened it.")
    pool = models.CharField(max_length=63)
    identifier = models.CharField(max_length=128)
    cpu = models.FloatField(help_text="Cores of the pool when it was leased.")
    memory = models.PositiveIntegerField(help_text="MiB.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "usage of a session"
        verbose_name_plural = "usage of sessions"
        indexes = [models.Index(fields=["tenant", "-started_at"]), models.Index(fields=["tenant", "ended_at"])]

    def __str__(self) -> str:
        return f"{self.pool}/{self.identifier}"


class DayUsage(models.Model):
    """What one session used on one UTC day: `leased` once it has ended, `ran` as executions end."""

    usage = models.ForeignKey(SessionUsage, models.CASCADE, related_name="days")
    # The usage's own, beside the day, so that a month of one tenant is found at once.
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    day = models.DateField()
    leased = models.PositiveBigIntegerField(default=0, help_text="Milliseconds.")
    ran = models.PositiveBigIntegerField(default=0, help_text="Milliseconds in which its code ran.")
    executions = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["usage", "day"], name="one_usage_of_a_day")]
        indexes = [models.Index(fields=["tenant", "day"])]

    def __str__(self) -> str:
        return f"{self.usage_id} on {self.day}"


# --- Writing ---

_of: Prepared[SessionUsage] = Prepared(lambda: SessionUsage.objects.filter(pk=Given("session", models.UUIDField())))


def follow(session: "Session", frm: State, to: State) -> None:
    """Called in the transaction in which a session is moved."""
    if to == State.LEASED and frm != State.LEASED:
        _begin(session)
    elif frm == State.LEASED and to == State.STOPPING:
        _begin(session)  # one that was leased before there was a ledger
        _end(session.pk, session.state_since)


def ran(session: UUID, started_at: datetime, ended_at: datetime) -> None:
    """Count an execution of a session. Call it once for each, in the transaction that knows so.

    Its times are an agent's, and count within those of its session.
    """
    row = _of.first(session=session)
    if row is not None:
        end = min(ended_at, row.ended_at or timezone.now())
        start = min(max(started_at, row.started_at), end)
        for first, (day, length) in enumerate(pieces(start, end)):
            _add(row.pk, row.tenant_id, day, ran=length, executions=0 if first else 1)


def _begin(session: "Session") -> None:
    user, tenant = session.user, session.tenant_id
    assert tenant is not None  # the database has no leased session without one
    row = SessionUsage(
        session=session.pk, tenant_id=tenant, user=user, member=user.get_username() if user else "",
        token=session.token, pool=session.pool.name, identifier=session.identifier, cpu=session.pool.cpu,
        memory=session.pool.memory, started_at=session.leased_at or session.state_since,
    )  # fmt: skip
    SessionUsage.objects.bulk_create([row], ignore_conflicts=True)


def _end(session: UUID, ended_at: datetime) -> None:
    row = SessionUsage.objects.get(pk=session)
    end = max(row.started_at, ended_at)  # clocks of two machines may differ
    if SessionUsage.objects.filter(pk=session, ended_at=None).update(ended_at=end):
        for day, length in pieces(row.started_at, end):
            _add(session, row.tenant_id, day, leased=length)


def _add(session: UUID, tenant: int, day: date, **more: int) -> None:
    row = DayUsage.objects.filter(usage=session, day=day)
    added = {name: F(name) + value for name, value in more.items()}
    if not row.update(**added):
        DayUsage.objects.bulk_create([DayUsage(usage_id=session, tenant_id=tenant, day=day)], ignore_conflicts=True)
        row.update(**added)


def forget(user: Any) -> int:
    """Leave out whose usage it was; what was used stays the tenant's. How many sessions there were."""
    return SessionUsage.objects.filter(user=user).update(user=None, member="", identifier="", token="")


def prune() -> int:
    """Delete what was kept for as long as USAGE_DAYS says, of sessions that are over. 0 days: nothing."""
    if not settings.USAGE_DAYS:
        return 0
    old = SessionUsage.objects.filter(ended_at__lt=timezone.now() - timedelta(days=settings.USAGE_DAYS))
    with transaction.atomic():
        return old.delete()[1].get("interpreters.SessionUsage", 0)


# --- Reading ---


def pieces(start: datetime, end: datetime) -> Iterator[tuple[date, int]]:
    """A span of time as UTC days, each with its milliseconds, which add up to the whole. At least one."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    day = start.date()
    while True:
        midnight = _midnight(day + DAY)
        yield day, _milliseconds(min(end, midnight)) - _milliseconds(max(start, _midnight(day)))
        day += DAY
        if end <= midnight:
            return


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _milliseconds(moment: datetime) -> int:
    """Since 1970, without a float in between."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def live(tenant: Tenant) -> Iterable[tuple[SessionUsage, date, int, int]]:
    """What runs now and is in no DayUsage yet: of each session and day, milliseconds leased, and of running code."""
    from interpreters.models.execution import Execution

    now = timezone.now()
    running = {row.pk: row for row in SessionUsage.objects.filter(tenant=tenant, ended_at=None)}
    for row in running.values():
        for day, length in pieces(row.started_at, max(now, row.started_at)):
            yield row, day, length, 0
    for session, since in Execution.objects.filter(session__in=list(running)).busy_since():
        row = running[session]
        for day, length in pieces(min(max(since, row.started_at), now), now):
            yield row, day, 0, length


def month_of(now: datetime) -> tuple[date, date]:
    """The first day of its UTC month, and of the next."""
    first = now.astimezone(UTC).date().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def used_in_month(tenant: Tenant, now: datetime) -> tuple[int, int]:
    """Milliseconds that were leased in this month by all its sessions, and in which their code ran."""
    first, following = month_of(now)
    rows = DayUsage.objects.filter(tenant=tenant, day__gte=first, day__lt=following)
    sums = rows.aggregate(leased=Sum("leased"), ran=Sum("ran"))
    leased, code = sums["leased"] or 0, sums["ran"] or 0
    for _, day, more_leased, more_ran in live(tenant):
        if first <= day < following:
            leased, code = leased + more_leased, code + more_ran
    return leased, code
