"""Sums of the ledger."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from interpreters.models import DayUsage, SessionUsage
from interpreters.models.usage import live
from tenants.models import Tenant


class Piece(NamedTuple):
    """What one session used on one day. Times in milliseconds."""

    session: UUID
    day: date
    user: int | None
    member: str
    pool: str
    cpu: float
    memory: int
    leased: int
    ran: int
    executions: int


@dataclass(slots=True)
class Figures:
    """A sum. `name`: of a member or a pool, a day as 2026-11-30, a month as 2026-11."""

    name: str
    user: int | None = None  # of a member who is still there
    leased: int = 0  # milliseconds, as `ran`
    ran: int = 0
    core_seconds: float = 0.0
    memory_seconds: float = 0.0  # MiB times seconds
    executions: int = 0
    _sessions: set[UUID] = field(default_factory=set)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    @property
    def session_seconds(self) -> float:
        return self.leased / 1000

    @property
    def execution_seconds(self) -> float:
        return self.ran / 1000

    def add(self, piece: Piece) -> None:
        self._sessions.add(piece.session)
        self.leased += piece.leased
        self.ran += piece.ran
        self.core_seconds += piece.cpu * piece.leased / 1000
        self.memory_seconds += piece.memory * piece.leased / 1000
        self.executions += piece.executions


Key = Callable[[Piece], Any]
KEYS: dict[str, Key] = {
    "month": lambda piece: f"{piece.day:%Y-%m}",
    "day": lambda piece: piece.day.isoformat(),
    "member": lambda piece: piece.user or piece.member,
    "pool": lambda piece: piece.pool,
}
BY = tuple(KEYS)


def by_member(tenant: Tenant, since: date, until: date) -> list[Figures]:
    """What each member's sessions used from the day `since` until the day before `until`, who used most first.

    A member is who opened the session; `name` is their user name now, or what it was where they are gone (`user` is
    None then); "" stands for sessions that nobody in particular opened. Days are UTC. What still runs is counted up to
    now. Of each: `sessions`, `session_seconds`, `core_seconds`, `memory_seconds` (MiB times seconds),
    `execution_seconds`, `executions`.
    """
    return sorted(report(tenant, since, until, "member"), key=lambda figures: -figures.leased)


def by_pool(tenant: Tenant, since: date, until: date) -> list[Figures]:
    return sorted(report(tenant, since, until, "pool"), key=lambda figures: -figures.leased)


def by_day(tenant: Tenant, since: date, until: date) -> list[Figures]:
    return report(tenant, since, until, "day")


def by_month(tenant: Tenant, since: date, until: date) -> list[Figures]:
    return report(tenant, since, until, "month")


def report(tenant: Tenant, since: date, until: date, by: str, pools: Sequence[str] = ()) -> list[Figures]:
    """Sums by one of BY, in order of their names; of these `pools` only, if any are named."""
    key, found = KEYS[by], dict[Any, Figures]()
    for piece in _pieces(tenant, since, until, pools=pools):
        told = key(piece)
        if told not in found:
            name = piece.member if by == "member" else told
            found[told] = Figures(name, user=piece.user if by == "member" else None)
        found[told].add(piece)
    if by == "member":
        users = get_user_model()._default_manager.filter(pk__in=[key for key in found if isinstance(key, int)])
        for user in users:
            found[user.pk].name = user.get_username()
    return sorted(found.values(), key=lambda figures: figures.name)


def total(tenant: Tenant, since: date, until: date, pools: Sequence[str] = ()) -> Figures:
    return _sum("", _pieces(tenant, since, until, pools=pools))


def of_member(tenant: Tenant, user: Any, since: date, until: date) -> Figures:
    """What one person's sessions used."""
    return _sum(user.get_username(), _pieces(tenant, since, until, user=user.pk), user.pk)


def _sum(name: str, pieces: Iterator[Piece], user: int | None = None) -> Figures:
    figures = Figures(name, user)
    for piece in pieces:
        figures.add(piece)
    return figures


def _pieces(
    tenant: Tenant, since: date, until: date, *, pools: Sequence[str] = (), user: int | None = None
) -> Iterator[Piece]:
    rows: QuerySet[Any] = DayUsage.objects.filter(tenant=tenant, day__gte=since, day__lt=until)
    if pools:
        rows = rows.filter(usage__pool__in=pools)
    if user is not None:
        rows = rows.filter(usage__user=user)
    of_usage = ("user", "member", "pool", "cpu", "memory")
    told = rows.values_list("usage", "day", *(f"usage__{name}" for name in of_usage), "leased", "ran", "executions")
    yield from map(Piece._make, told.iterator(2000))
    for row, day, leased, ran in live(tenant):
        if since <= day < until and (not pools or row.pool in pools) and user in (None, row.user_id):
            yield _live_piece(row, day, leased, ran)


def _live_piece(row: SessionUsage, day: date, leased: int, ran: int) -> Piece:
    return Piece(row.pk, day, row.user_id, row.member, row.pool, row.cpu, row.memory, leased, ran, 0)
