"""Whose turn it is, whatever is asked for and whoever ends: hypothesis plays tenants, and a pool that is full."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from interpreters.lifecycle.turns import PATIENCE, Waiting, in_turn, place_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def asked(*tenants: int, passed_over: dict[int, int] | None = None) -> list[Waiting[int]]:
    """One after the other."""
    return [Waiting(n, tenant, at(n), (passed_over or {}).get(tenant, 0)) for n, tenant in enumerate(tenants)]


def order(waiting: Sequence[Waiting[int]], has: dict[int | None, int] | None = None) -> list[int | None]:
    return [one.tenant for one in in_turn(waiting, has or {})]


def test_one_of_another_tenant_comes_next_after_fifty_of_one() -> None:
    waiting = asked(*[1] * 50, 2)
    assert order(waiting)[:3] == [1, 2, 1], "with nothing yet, the first to ask is first"
    assert order(waiting, {1: 3})[:2] == [2, 1]
    assert place_of(waiting[-1], waiting, {1: 3}) == 1


def test_within_a_tenant_it_is_by_age() -> None:
    assert [one.id for one in in_turn(asked(1, 2, 1, 2, 1), {})] == [0, 1, 2, 3, 4]


def test_who_has_more_waits_until_others_have_as_much() -> None:
    assert order(asked(1, 1, 2, 2, 2), {1: 2}) == [2, 2, 1, 2, 1]


def test_who_was_passed_over_often_goes_next_however_much_it_has() -> None:
    assert order(asked(1, 1, 2, 2, passed_over={1: PATIENCE}), {1: 99}) == [1, 2, 2, 1]
    assert order(asked(1, *[2] * 15), {1: 99}).index(1) == PATIENCE


FEW = settings(max_examples=40, deadline=None)
TENANTS = st.integers(1, 5)
WAITING = st.lists(st.tuples(TENANTS, st.integers(0, 2 * PATIENCE)), max_size=40).map(
    lambda asks: [Waiting(n, tenant, at(n), passed) for n, (tenant, passed) in enumerate(asks)]
)
HAS = st.dictionaries(TENANTS, st.integers(0, 60))


@FEW
@given(WAITING, HAS)
def test_everybody_is_in_it_once_and_within_a_tenant_in_order(waiting: list[Waiting[int]], has: dict[int, int]) -> None:
    got = list(in_turn(waiting, has))
    assert sorted(one.id for one in got) == [one.id for one in waiting]
    for tenant in range(1, 6):
        ids = [one.id for one in got if one.tenant == tenant]
        assert ids == sorted(ids)


@FEW
@given(WAITING, HAS)
def test_the_order_that_is_told_is_the_one_that_comes(waiting: list[Waiting[int]], has: dict[int, int]) -> None:
    told = [one.id for one in in_turn(waiting, has)]
    left, has_now, came = waiting, Counter(has), []
    while left:
        one = next(in_turn(left, has_now))
        came.append(one.id)
        has_now[one.tenant] += 1
        left = served(left, one)
    assert came == told


def served(left: Sequence[Waiting[int]], one: Waiting[int]) -> list[Waiting[int]]:
    """What is written down when one gets its turn."""
    return [
        replace(other, passed_over=0 if other.tenant == one.tenant else other.passed_over + 1)
        for other in left
        if other.id != one.id
    ]


@dataclass
class Full:
    """A pool of so many places. Everybody who waits asks again in each round; a place is given to who asks only."""

    size: int
    line: list[Waiting[int]] = field(default_factory=list)
    has: Counter[int | None] = field(default_factory=Counter)
    asks: int = 0
    turns: dict[int, list[int | None]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, tenant: int) -> int:
        self.asks += 1
        self.line.append(Waiting(self.asks, tenant, at(self.asks)))
        self.round([self.asks])
        return self.asks

    def round(self, ids: Sequence[int]) -> None:
        for mine in [one for one in self.line if one.id in ids]:
            mine = next(one for one in self.line if one.id == mine.id)
            if place_of(mine, self.line, self.has) <= self.size - self.has.total():
                self.has[mine.tenant] += 1
                self.line = served(self.line, mine)
                for other in self.line:
                    self.turns[other.id].append(mine.tenant)

    def everybody_asks(self) -> None:
        self.round([one.id for one in self.line])
        assert not self.line or self.has.total() == self.size, "no place is unused while somebody waits"

    def end(self, tenant: int) -> None:
        self.has[tenant] -= 1
        self.everybody_asks()

    def waits(self, ask: int) -> bool:
        return any(one.id == ask for one in self.line)


@FEW
@given(st.integers(1, 20))
def test_of_fifty_of_one_tenant_and_one_of_another_the_one_waits_for_two_ends_at_most(size: int) -> None:
    pool = Full(size)
    for _ in range(50):
        pool.ask(1)
    late = pool.ask(2)
    assert pool.waits(late)
    pool.end(1)
    assert size == 1 or not pool.waits(late), "where there is one place only, both have none by now, and age counts"
    if size == 1:
        pool.end(1)
    assert not pool.waits(late)


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "end"]), TENANTS), max_size=60)


@FEW
@given(st.integers(1, 6), STEPS)
def test_nobody_waits_for_ever_whatever_the_others_do(size: int, steps: list[tuple[str, int]]) -> None:
    pool = Full(size)
    for step, tenant in steps:
        if step == "ask":
            pool.ask(tenant)
        elif pool.has[tenant]:
            pool.end(tenant)
    pool.everybody_asks()
    # Each tenant's first: between two turns of a tenant that waits all the time there are few of others.
    for one in pool.line:
        longest = gap = 0
        for turn in pool.turns[one.id]:
            gap = 0 if turn == one.tenant else gap + 1
            longest = max(longest, gap)
        assert longest <= PATIENCE + 5
    # And when all end by and by, all have had their turn.
    while pool.line:
        pool.end(next(tenant for tenant in pool.has if tenant and pool.has[tenant]))


@FEW
@given(st.integers(2, 8))
def test_who_holds_all_does_not_get_every_place_that_is_freed(size: int) -> None:
    pool = Full(size)
    for _ in range(3 * size):
        pool.ask(1)
    others = [pool.ask(2) for _ in range(size // 2)]
    for _ in others:
        pool.end(1)
    assert not any(pool.waits(ask) for ask in others)
    assert pool.has == {1: size - len(others), 2: len(others)}
