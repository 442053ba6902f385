"""What a tenant and its members have at the same time is bounded, also when many ask at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient
from django.utils import timezone

from interpreters.lifecycle import Reason, State
from interpreters.models import PoolFull, QuotaReached, SessionPool
from interpreters.runtime.memory import MemoryRuntime
from tenants.models import Tenant
from tests.edges import bearer

pytestmark = pytest.mark.django_db(transaction=True)
ASKING, QUOTA = 100, 7


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


@pytest.fixture
def bounded(acme: Any) -> Callable[..., Tenant]:
    def bound(**quotas: Any) -> Tenant:
        Tenant.objects.filter(pk=acme.pk).update(**quotas)
        return Tenant.objects.get(pk=acme.pk)

    return bound


@pytest.mark.parametrize("ready", [0, 3, ASKING], ids=["all cold", "some ready", "all ready"])
def test_of_many_who_ask_at_once_as_many_get_one_as_the_quota_says(pool: Any, bounded: Any, ready: int) -> None:
    tenant = bounded(max_sessions=QUOTA)
    SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=2 * ASKING)
    for _ in range(ready):
        pool.sessions.create(state=State.READY, pool_revision=pool.revision)

    def lease(n: int) -> bool:
        try:
            SessionPool.objects.select_related("image").get(pk=pool.pk).lease(tenant, None, f"id-{n}")
        except QuotaReached:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(lease, range(ASKING))) == QUOTA
    assert pool.sessions.filter(tenant=tenant).count() == QUOTA


def test_who_has_a_session_gets_it_again_and_one_that_ends_makes_room(pool: Any, bounded: Any) -> None:
    tenant = bounded(max_sessions=1)
    held = pool.lease(tenant, None, "a").session
    assert pool.lease(tenant, None, "a").session == held
    with pytest.raises(QuotaReached, match="Acme has at most 1 sessions at a time"):
        pool.lease(tenant, None, "b")
    held.end(Reason.CLOSED)
    assert pool.lease(tenant, None, "b").fresh


def test_a_member_and_another(pool: Any, bounded: Any, alice: Any, bob: Any) -> None:
    tenant = bounded(max_member_sessions=1)
    pool.lease(tenant, alice, "a")
    with pytest.raises(QuotaReached, match="A member of Acme"):
        pool.lease(tenant, alice, "b")
    assert pool.lease(tenant, bob, "c").fresh


@pytest.mark.parametrize(("quota", "told"), [({"max_cpu": 2.5}, "2.5 cores"), ({"max_memory": 2500}, "2500 MiB")])
def test_what_all_sessions_use_together_in_all_pools(
    pool: Any, python_image: Any, bounded: Any, quota: dict[str, Any], told: str
) -> None:
    tenant = bounded(**quota)
    second = SessionPool.objects.create(name="second", image=python_image)
    pool.lease(tenant, None, "a")
    second.lease(tenant, None, "b")
    with pytest.raises(QuotaReached, match=told) as refused:
        pool.lease(tenant, None, "c")
    assert "this session needs" in refused.value.message


def test_nobody_elses_sessions_count(pool: Any, bounded: Any, other: Any) -> None:
    tenant = bounded(max_sessions=1)
    pool.lease(other, None, "a")
    assert pool.lease(tenant, None, "a").fresh


def test_the_answer_says_when_it_frees(pool: Any, bounded: Any) -> None:
    tenant = bounded(max_sessions=1)
    now = timezone.now()
    leased = {"state": State.LEASED, "tenant": tenant, "identifier": "a", "leased_at": now, "last_used_at": now}
    session = pool.sessions.create(pool_revision=pool.revision, **leased)
    with pytest.raises(QuotaReached, match=f"at {session.expires_at:%H:%M:%S} UTC") as refused:
        pool.lease(tenant, None, "b")
    assert refused.value.retry_after == 60  # it may be closed earlier


async def test_by_rest_it_is_429_with_the_quota_in_words(alice: Any, pool: Any, bounded: Any, token: Any) -> None:
    await sync_to_async(bounded)(max_sessions=0)
    secret = await sync_to_async(token)(alice)
    options: dict[str, Any] = {"content_type": "application/json", "headers": bearer(secret)}
    answer = await AsyncClient().post("/api/v1/sessions", {"pool": "python", "identifier": "a"}, **options)
    assert (answer.status_code, answer.json()["error"]) == (429, "quota_reached")
    assert "at most 0 sessions" in answer.json()["message"]
    assert int(answer["Retry-After"]) > 0


# --- Ready instances and disk ---


@pytest.fixture
def own(python_image: Any, acme: Any) -> SessionPool:
    return SessionPool.objects.create(tenant=acme, name="own", image=python_image, ready_instances=4, disk=100)


def kept_ready(pool: SessionPool) -> int:
    SessionPool.objects.get(pk=pool.pk).maintain(MemoryRuntime(), lambda _: {})
    return pool.sessions.filter(tenant=None).count()


@pytest.mark.parametrize(
    ("quotas", "kept"), [({}, 4), ({"max_ready": 3}, 3), ({"max_ready": 0}, 0), ({"max_disk": 250}, 2)]
)
def test_of_ready_instances_as_many_are_kept_as_the_quotas_say(
    own: SessionPool, bounded: Any, quotas: Any, kept: int
) -> None:
    bounded(**quotas)
    assert kept_ready(own) == kept


def test_ready_instances_of_all_own_pools_count_and_of_no_others(
    own: SessionPool, pool: Any, python_image: Any, bounded: Any, other: Any
) -> None:
    bounded(max_ready=5)
    second = SessionPool.objects.create(tenant=own.tenant, name="second", image=python_image, ready_instances=4)
    theirs = SessionPool.objects.create(tenant=other, name="own", image=python_image, ready_instances=4)
    assert [kept_ready(each) for each in (own, second, theirs, pool)] == [4, 1, 4, 2]


def test_workers_that_fill_two_pools_at_once_keep_to_the_quota(
    own: SessionPool, python_image: Any, bounded: Any
) -> None:
    bounded(max_ready=5)
    second = SessionPool.objects.create(tenant=own.tenant, name="second", image=python_image, ready_instances=4)

    def maintain(n: int) -> None:
        try:
            kept_ready((own, second)[n % 2])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(maintain, range(8)))
    assert own.sessions.count() + second.sessions.count() == 5


def test_disk_in_use_is_of_sessions_and_of_what_ones_own_pools_keep_ready(
    own: SessionPool, pool: Any, bounded: Any
) -> None:
    tenant = bounded(max_disk=500)
    ready = own.reserve(2)
    pool.lease(tenant, None, "a")  # 256 MiB, and the ready ones have 200
    assert own.lease(tenant, None, "b").session in ready, "it has its disk already"
    with pytest.raises(QuotaReached, match="Acme has at most 500 MiB of disk, and would have 712 in use: close one"):
        pool.lease(tenant, None, "c")
    assert not pool.sessions.filter(identifier="c").exists(), "what was leased for it is not"
    own.sessions.filter(identifier="b").get().end(Reason.CLOSED)
    own.sessions.filter(tenant=None).get().end(Reason.CLOSED)
    with pytest.raises(QuotaReached, match="would have 512"):
        pool.lease(tenant, None, "c")
    assert own.lease(tenant, None, "d").cold


def test_a_session_counts_with_what_it_has_though_its_pool_was_changed(pool: Any, bounded: Any) -> None:
    tenant = bounded(max_memory=3000, max_disk=700)
    pool.lease(tenant, None, "a")
    SessionPool.objects.filter(pk=pool.pk).update(memory=128, disk=8)
    pool.refresh_from_db()
    for n in range(5):
        SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=50)
        pool.refresh_from_db()
        assert pool.lease(tenant, None, f"small-{n}").fresh
    SessionPool.objects.filter(pk=pool.pk).update(memory=2048)
    pool.refresh_from_db()
    with pytest.raises(QuotaReached, match="1664 are in use and this session needs 2048"):
        pool.lease(tenant, None, "big")


def test_who_meets_a_quota_gets_no_place_in_the_line(pool: Any, bounded: Any, other: Any) -> None:
    tenant = bounded(max_sessions=0)
    for n in range(pool.max_concurrent):
        pool.lease(other, None, f"a{n}")
    with pytest.raises(QuotaReached):
        pool.lease(tenant, None, "x")
    assert not pool.places.exists()
    with pytest.raises(PoolFull):
        pool.lease(bounded(max_sessions=1), None, "x")
    assert pool.places.count() == 1
