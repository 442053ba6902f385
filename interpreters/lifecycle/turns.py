"""Whose turn it is where there is not enough for all: fair between tenants, by age within one.

Whoever has least goes first (max-min fairness), so fifty of one tenant do not keep out one of another. That alone would
let a tenant that has much wait for ever behind others who come and go: who was passed over `PATIENCE` times goes next,
however much it has. So a tenant's first is reached after at most `PATIENCE` turns and one for each other tenant.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

K = TypeVar("K", int, UUID)
PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Waiting(Generic[K]):
    """`tenant`: whose it is; None for what is nobody's. `passed_over`: turns of others since its tenant had one."""

    id: K
    tenant: int | None
    since: datetime
    passed_over: int = 0


def in_turn(waiting: Iterable[Waiting[K]], has: Mapping[int | None, int]) -> Iterator[Waiting[K]]:
    """All who wait, in the order in which they get something if nobody else comes. `has`: what each tenant has."""
    lines: dict[int | None, deque[Waiting[K]]] = {}
    for one in sorted(waiting, key=lambda one: (one.since, one.id)):
        lines.setdefault(one.tenant, deque()).append(one)
    passed_over = {tenant: max(one.passed_over for one in line) for tenant, line in lines.items()}
    given = Counter(has)

    def rank(tenant: int | None) -> tuple[int, int, datetime, K]:
        first, passed = lines[tenant][0], passed_over[tenant]
        return -1 if passed >= PATIENCE else given[tenant], -passed, first.since, first.id

    while lines:
        tenant = min(lines, key=rank)
        yield lines[tenant].popleft()
        given[tenant] += 1
        passed_over = {other: 0 if other == tenant else passed + 1 for other, passed in passed_over.items()}
        if not lines[tenant]:
            del lines[tenant]


def place_of(mine: Waiting[K], waiting: Iterable[Waiting[K]], has: Mapping[int | None, int]) -> int:
    """1 for the next."""
    return next(place for place, one in enumerate(in_turn(waiting, has), start=1) if one.id == mine.id)
