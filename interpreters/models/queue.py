"""The queue of launches: whose sandbox is made next. What `Session.objects.claim_queued()` and `position` go by.

Who waits comes before what only fills a pool, and in both tenants have their turns (`lifecycle.turns`). What a tenant
has counts in all pools: its sessions, and the ready instances of its own pools. Several workers may claim at a time:
each takes what is next by a conditional UPDATE, and who loses looks anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import Coalesce
from django.utils import timezone

from interpreters.lifecycle import Phase, State, Waiting, in_turn

if TYPE_CHECKING:
    from interpreters.models.session import Session, SessionQuerySet

Lines = tuple[list[Waiting[UUID]], list[Waiting[UUID]]]


def claim() -> "Session | None":
    """The launch whose turn it is, taken up by nobody else."""
    sessions = _sessions()
    while True:
        lines = _lines()
        first = next(_in_turn(lines), None)
        if first is None:
            return None
        session: Session | None = sessions.select_related("pool__image").filter(pk=first.id).first()
        if session is None:
            continue
        # It is made of what its pool is now, whatever that was when it was reserved.
        taken_up = {"phase": Phase.CREATING, "attempted_at": timezone.now(), **session.pool.makes}
        if session.move(State.STARTING, State.STARTING, given={"phase": Phase.QUEUED}, **taken_up):
            _pass_over(next(line for line in lines if first in line), first)
            return session


def in_line() -> Iterator[Waiting[UUID]]:
    """What is queued, in the order in which it is launched if nothing else is asked for."""
    return _in_turn(_lines())


def _in_turn(lines: Lines) -> Iterator[Waiting[UUID]]:
    has = _has() if any(len({one.tenant for one in line}) > 1 for line in lines) else {}
    return chain(*(in_turn(line, has) for line in lines))


def _lines() -> Lines:
    """Who waits, and what fills pools."""
    rows: Iterable[Any] = _sessions().queued().values_list("id", "tenant", "pool__tenant", "created_at", "passed_over")
    people: list[Waiting[UUID]] = []
    refills: list[Waiting[UUID]] = []
    for pk, holder, owner, since, passed_over in rows:
        line, tenant = (refills, owner) if holder is None else (people, holder)
        line.append(Waiting(pk, tenant, since, passed_over))
    return people, refills


def _has() -> dict[int | None, int]:
    """By tenant, the sandboxes that there are or that are being made."""
    taken_up = _sessions().open().exclude(state=State.STARTING, phase=Phase.QUEUED)
    counted = taken_up.annotate(whose=Coalesce("tenant", "pool__tenant")).values("whose").annotate(all=Count("pk"))
    return dict(counted.values_list("whose", "all"))


def _pass_over(line: Sequence[Waiting[UUID]], first: Waiting[UUID]) -> None:
    """Count the turn for those of other tenants; its own begin anew."""
    others = {one.id for one in line if one.tenant != first.tenant}
    ours = {one.id for one in line if one.tenant == first.tenant and one.passed_over}
    if not others and not ours:
        return
    with transaction.atomic():
        # Who holds one of these rows may wait for another: we wait for none, and leave out what is held.
        rows = _sessions().select_for_update(skip_locked=True, no_key=True).filter(pk__in=others | ours)
        free = set(rows.values_list("pk", flat=True))
        _sessions().filter(pk__in=others & free).update(passed_over=F("passed_over") + 1)
        _sessions().filter(pk__in=ours & free).update(passed_over=0)


def _sessions() -> "SessionQuerySet":
    rows: SessionQuerySet = apps.get_model("interpreters", "Session").objects.all()
    return rows
