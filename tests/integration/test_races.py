"""Many callers and workers on one pool at the same time. `test_workers_postgres.py` runs this on PostgreSQL too."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from interpreters.lifecycle import LIVE, State
from interpreters.models import NoInstance, PoolFull, Session, SessionPool
from interpreters.runtime.memory import MemoryRuntime
from tenants.models import Tenant

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, IDENTIFIERS, MAXIMUM = 40, 8, 5
T = TypeVar("T")


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    def one(n: int) -> T:
        try:
            return do(n)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def well(sessions: Sequence[UUID]) -> Mapping[UUID, Any]:
    return dict.fromkeys(sessions, SimpleNamespace(state="ready", detail="", busy=True, last_activity=0.0))


def no_two_share(pool: SessionPool, got: Sequence[tuple[str, UUID | None]]) -> None:
    """Each session has one identifier and each identifier one session, in the answers and in the rows."""
    pairs = {(name, session) for name, session in got if session}
    assert max(Counter(name for name, _ in pairs).values()) == 1
    assert max(Counter(session for _, session in pairs).values()) == 1
    assert len(pairs) == MAXIMUM, "every session found somebody"
    assert pool.sessions.filter(state__in=LIVE).count() == MAXIMUM
    for name, session in pairs:
        assert Session.objects.get(pk=session).identifier == name


@pytest.mark.parametrize("ready", [0, 2, MAXIMUM], ids=["all cold", "some ready", "all ready"])
def test_each_session_gets_one_holder_and_each_identifier_one_session(pool: Any, acme: Tenant, ready: int) -> None:
    for _ in range(ready):
        pool.sessions.create(state=State.READY, pool_revision=pool.revision)

    def lease(n: int) -> tuple[str, UUID | None]:
        name = f"id-{n % IDENTIFIERS}"
        mine = SessionPool.objects.select_related("image").get(pk=pool.pk)
        try:
            return name, mine.lease(acme, None, name).session.pk
        except NoInstance:
            return name, None

    no_two_share(pool, at_once(THREADS, lease))


def test_workers_that_maintain_and_launch_one_pool_at_the_same_time_make_what_is_needed_once(pool: Any) -> None:
    runtime = MemoryRuntime()

    def work(_: int) -> None:
        SessionPool.objects.get(pk=pool.pk).maintain(runtime, well)
        while session := Session.objects.claim_queued():
            session.launch(runtime, well)

    at_once(8, work)
    assert pool.sessions.filter(state=State.READY).count() == pool.ready_instances
    assert pool.sessions.count() == len(runtime.list(settings.INSTALLATION)) == pool.ready_instances


def test_workers_that_tear_down_the_same_session_leave_nothing(pool: Any) -> None:
    runtime = MemoryRuntime()
    pool.maintain(runtime, well)
    while session := Session.objects.claim_queued():
        session.launch(runtime, well)
    victims = list(pool.sessions.values_list("pk", flat=True))

    def work(n: int) -> bool:
        session = Session.objects.get(pk=victims[n % len(victims)])
        ended = session.end("closed")
        session.tear_down(runtime, lambda _: None)
        return ended

    assert sum(at_once(8, work)) == len(victims), "each was ended by one"
    assert set(pool.sessions.values_list("state", flat=True)) == {"gone"}
    assert runtime.list(settings.INSTALLATION) == []


def test_leasing_while_the_pool_is_refilled_never_exceeds_the_maximum(pool: Any, acme: Tenant) -> None:
    runtime = MemoryRuntime()

    def work(n: int) -> int:
        mine = SessionPool.objects.select_related("image").get(pk=pool.pk)
        if n % 3 == 0:
            mine.maintain(runtime, well)
            while session := Session.objects.claim_queued():
                session.launch(runtime, well)
        else:
            with contextlib.suppress(NoInstance):
                mine.lease(acme, None, f"id-{n}")
        return Session.objects.live().count()

    assert max(at_once(24, work)) <= MAXIMUM


def test_callers_of_two_tenants_on_a_full_pool_get_freed_places_in_turn(pool: Any, acme: Tenant, other: Tenant) -> None:
    """One tenant has all and forty callers more; the other has four. They ask all at once, again and again."""
    for n in range(MAXIMUM):
        pool.lease(acme, None, f"held-{n}")
    asks = [(acme, f"a{n}") for n in range(20)] + [(other, f"b{n}") for n in range(2)]

    def ask(n: int) -> str:
        tenant, name = asks[n]
        mine = SessionPool.objects.select_related("image").get(pk=pool.pk)
        with contextlib.suppress(PoolFull):
            mine.lease(tenant, None, name)
        return name

    at_once(len(asks), ask)
    assert pool.places.count() == len(asks), "each has one place"
    for held in list(pool.sessions.filter(tenant=acme).order_by("created_at")[:3]):
        held.end("closed")
        Session.objects.filter(pk=held.pk).update(state=State.GONE)
        at_once(len(asks), ask)
        assert pool.sessions.filter(state__in=LIVE).count() == MAXIMUM, "no place is unused, and none is given twice"
    got = list(pool.sessions.open().exclude(identifier__startswith="held").values_list("tenant__slug", flat=True))
    assert sorted(got) == ["acme", "other", "other"]


def test_workers_that_claim_at_the_same_time_take_turns_between_tenants(pool: Any, acme: Tenant, other: Tenant) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=100)
    pool.refresh_from_db()
    for n in range(24):
        pool.lease(acme, None, f"a{n}")
    for n in range(4):
        pool.lease(other, None, f"b{n}")
    claimed = [session for session in at_once(8, lambda _: Session.objects.claim_queued()) if session]
    assert len({session.pk for session in claimed}) == 8, "each by one"
    turns = Counter(session.tenant.slug for session in claimed if session.tenant)
    assert min(turns["acme"], turns["other"]) >= 3, "who looks while another claims may be one turn off"
