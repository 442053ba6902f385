"""What the dashboard tells: samples of pools added up in the database, then folded into the steps of a plot.

However long the time and however many the pools, it is one query for all curves, and two for what members used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from interpreters.lifecycle import LIVE
from interpreters.models import Execution, PoolSample, Session
from interpreters.models.sample import ENDED, EVENTS, FAILURES, GAUGES, HOUR, MINUTE, WAITED, WAITS

# Members that are named; the others are in nobody's row.
MOST_MEMBERS = 25


@dataclass(frozen=True, slots=True)
class Span:
    """How much is looked at, by which samples, and how much of it is one step of a plot."""

    name: str
    length: timedelta
    seconds: int
    step: timedelta


SPANS: Mapping[str, Span] = {
    "6h": Span("6 hours", timedelta(hours=6), MINUTE, timedelta(minutes=5)),
    "1d": Span("a day", timedelta(days=1), MINUTE, timedelta(minutes=15)),
    "7d": Span("7 days", timedelta(days=7), HOUR, timedelta(hours=2)),
    "30d": Span("30 days", timedelta(days=30), HOUR, timedelta(hours=6)),
}


@dataclass(frozen=True, slots=True)
class Curves:
    """Of each name a value for each step; None where nothing was sampled."""

    times: Sequence[datetime]  # when each step ends
    values: Mapping[str, Sequence[float | None]]
    sums: Mapping[str, int]

    def quantile(self, share: float) -> float | None:
        """Of all waits of the whole time."""
        return quantile([self.sums[name] for name in WAITED], share)

    @property
    def failures(self) -> list[tuple[str, int]]:
        """Sessions that failed, by the reason in words, most frequent first."""
        found = [(reason.sentence, self.sums[name]) for reason, name in zip(FAILURES, ENDED, strict=True)]
        return sorted((pair for pair in found if pair[1]), key=lambda pair: -pair[1])


def curves(samples: QuerySet[PoolSample], span: Span, now: datetime) -> Curves:
    end = _rounded_up(now, span.step)
    start = end - span.length
    sums: dict[str, Any] = {f"sum_{name}": Sum(name) for name in (*GAUGES, *EVENTS)}
    within = samples.filter(seconds=span.seconds, at__gt=start, at__lte=end)
    rows: Iterable[Any] = within.order_by("at").values("at").annotate(**sums)
    times = [start + span.step * (n + 1) for n in range(span.length // span.step)]
    steps: list[list[Any]] = [[] for _ in times]
    for row in rows:
        steps[-((start - row["at"]) // span.step) - 1].append(row)  # a step has its end, and not its beginning
    values: dict[str, list[float | None]] = {}
    for name in GAUGES:
        values[name] = [_mean([row[f"sum_{name}"] for row in step]) for step in steps]
    for name in EVENTS:
        values[name] = [sum(row[f"sum_{name}"] for row in step) if step else None for step in steps]
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        waited = [[values[bucket][n] or 0 for bucket in WAITED] for n in range(len(times))]
        values[name] = [quantile(counts, share) for counts in waited]
    totals = {name: int(sum(value or 0 for value in values[name])) for name in EVENTS}
    return Curves(times, values, totals)


def quantile(counts: Sequence[float], share: float) -> float | None:
    """The wait that this share of all leases stayed below, from how many fell between which bounds."""
    whole = sum(counts)
    if not whole:
        return None
    below, low = 0.0, 0.0
    for number, high in zip(counts, WAITS, strict=False):
        if number and below + number >= share * whole:
            return low + (high - low) * (share * whole - below) / number
        below, low = below + number, high
    return WAITS[-1]


@dataclass(frozen=True, slots=True)
class Used:
    """What a member used of a tenant's sessions."""

    member: str
    tenant: str
    sessions: int
    held: timedelta
    executions: int


def by_member(sessions: QuerySet[Session], runs: QuerySet[Execution], since: datetime, now: datetime) -> list[Used]:
    """Who used most comes first."""
    held = ExpressionWrapper(
        Least(Coalesce("ended_at", Value(now)), Value(now)) - Greatest("leased_at", Value(since)), DurationField()
    )
    in_time = sessions.filter(Q(state__in=LIVE) | Q(ended_at__gt=since), leased_at__lt=now)
    names = ("tenant", "user", "tenant__name", "user__username")
    rows = in_time.order_by().values(*names).annotate(number=Count("pk"), held=Sum(held)).order_by("-held", "user")
    counted = runs.filter(finished_at__gt=since).order_by().values("tenant", "user").annotate(number=Count("pk"))
    executions = {(row["tenant"], row["user"]): row["number"] for row in counted}
    return [
        Used(
            row["user__username"] or "(no member any more)",
            row["tenant__name"],
            row["number"],
            row["held"],
            executions.get((row["tenant"], row["user"]), 0),
        )
        for row in rows[:MOST_MEMBERS]
    ]


def _rounded_up(moment: datetime, step: timedelta) -> datetime:
    since = timedelta(seconds=moment.timestamp())
    return moment + (-since % step)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
