"""Full pools and busy machines are shared fairly: the line in front of a pool, and the queue of launches."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from interpreters.lifecycle import PATIENCE, Phase, Reason, State
from interpreters.models import Place, PoolFull, PoolUnavailable, Session, SessionPool, places
from interpreters.models.places import MOST_PLACES, SOON
from interpreters.runtime.memory import MemoryRuntime
from tenants.models import Tenant
from tests.edges import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    monkeypatch.setattr(places, "LATE", 1000)  # this machine may be slow


def ready(pool: SessionPool) -> Session:
    made: Session = pool.sessions.create(state=State.READY, pool_revision=pool.revision)
    return made


def place(pool: SessionPool, tenant: Tenant, name: str) -> int:
    """The place in the line; 0 once there is a session."""
    try:
        pool.lease(tenant, None, name)
    except PoolFull as full:
        return full.position
    return 0


def end(session: Session) -> None:
    session.end(Reason.CLOSED)
    Session.objects.filter(pk=session.pk).update(state=State.GONE)


@pytest.fixture
def full(pool: Any, acme: Any) -> Any:
    """A pool of five, all of them acme's, for which ten more of acme's wait."""
    for n in range(5):
        pool.lease(acme, None, f"held-{n}")
    for n in range(10):
        assert place(pool, acme, f"more-{n}") == n + 1
    return pool


def held(pool: SessionPool, tenant: Tenant) -> list[Session]:
    return list(pool.sessions.open().filter(tenant=tenant).order_by("created_at"))


def test_who_asks_again_keeps_the_place(full: Any, acme: Any) -> None:
    assert [place(full, acme, f"more-{n}") for n in (3, 0, 3)] == [4, 1, 4]
    assert full.places.count() == 10


def test_one_of_a_tenant_that_has_none_is_before_all_of_one_that_has_many(full: Any, acme: Any, other: Any) -> None:
    assert place(full, other, "one") == 1
    assert place(full, acme, "more-0") == 2
    end(held(full, acme)[0])
    assert place(full, acme, "more-0") == 2, "the place that is free is not for who asks first"
    assert place(full, other, "one") == 0
    assert place(full, acme, "more-0") == 1


def test_a_ready_instance_is_for_who_is_next_too(full: Any, acme: Any, other: Any) -> None:
    assert place(full, other, "one") == 1
    end(held(full, acme)[0])
    instance = ready(full)
    assert place(full, acme, "quick") > 1
    assert full.lease(other, None, "one").session == instance


def test_the_best_of_several_is_for_who_is_first(full: Any, acme: Any, other: Any) -> None:
    assert place(full, other, "one") == 1
    for session in held(full, acme)[:2]:
        end(session)
    instance = ready(full)
    assert full.lease(acme, None, "more-0").cold
    assert full.lease(other, None, "one").session == instance


def test_who_was_passed_over_often_gets_a_place_though_it_has_most(pool: Any, acme: Any, other: Any) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=100)
    pool.refresh_from_db()
    for n in range(100):
        pool.lease(acme, None, f"held-{n}")
    assert place(pool, acme, "more") == 1
    for n in range(PATIENCE + 2):
        place(pool, other, f"one-{n}")
    sessions = iter(held(pool, acme))
    got = []
    for _ in range(PATIENCE + 2):
        end(next(sessions))
        asks = [(other, f"one-{n}") for n in range(PATIENCE + 2)] + [(acme, "more")]
        waiting = [ask for ask in asks if not pool.sessions.open().filter(tenant=ask[0], identifier=ask[1]).exists()]
        got += [ask[0].slug for ask in waiting if place(pool, *ask) == 0]
    assert got == ["other"] * PATIENCE + ["acme", "other"]
    assert Place.objects.get().passed_over == 0 or Place.objects.get().tenant == other


def test_a_place_of_who_does_not_come_again_is_given_up(full: Any, acme: Any, other: Any) -> None:
    assert place(full, other, "one") == 1
    end(held(full, acme)[0])
    kept = full.places.get(tenant=other)
    assert kept.expires_at - timezone.now() <= timedelta(seconds=2 * SOON + 1000)
    full.places.filter(tenant=other).update(expires_at=timezone.now())
    assert place(full, acme, "more-0") == 0
    assert not full.places.filter(tenant=other).exists()


def test_where_all_have_left_nothing_hinders_a_newcomer(full: Any, acme: Any, other: Any) -> None:
    full.places.update(expires_at=timezone.now())
    end(held(full, acme)[0])
    instance = ready(full)
    assert full.lease(other, None, "new").session == instance
    full.maintain(MemoryRuntime(), lambda _: {})
    assert not full.places.exists(), "a tick forgets them"


def test_one_tenants_line_has_an_end(full: Any, acme: Any, other: Any) -> None:
    later = timezone.now() + timedelta(seconds=60)
    full.places.bulk_create(
        Place(pool=full, tenant=acme, identifier=f"x{n}", expires_at=later) for n in range(MOST_PLACES - 10)
    )
    with pytest.raises(PoolFull, match=f"{MOST_PLACES} of your tenant's wait for one already") as refused:
        full.lease(acme, None, "one-too-many")
    assert (refused.value.position, refused.value.retry_after) == (0, 30)
    assert place(full, acme, "more-0") == 1
    assert place(full, other, "one") == 1


def test_who_is_far_behind_asks_less_often(full: Any, acme: Any) -> None:
    later = timezone.now() + timedelta(seconds=60)
    full.places.bulk_create(Place(pool=full, tenant=acme, identifier=f"x{n}", expires_at=later) for n in range(80))
    with pytest.raises(PoolFull, match="90 before you in the line") as far:
        full.lease(acme, None, "last")
    assert far.value.retry_after == 10


def test_a_pool_that_launches_nothing_has_no_line(pool: Any, acme: Any) -> None:
    pool.image.reference = ""
    with pytest.raises(PoolUnavailable):
        pool.lease(acme, None, "a")
    assert not pool.places.exists()


def test_who_was_given_a_session_meanwhile_leaves_no_place_behind(
    full: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = held(full, Tenant.objects.get(slug="acme"))[0]
    from interpreters.models import lease

    look, looks = lease._open_session, []

    def late(*args: Any) -> Any:
        looks.append(args)
        return None if len(looks) == 1 else look(*args)

    monkeypatch.setattr(lease, "_open_session", late)
    again = full.lease(mine.tenant, None, mine.identifier)
    assert (again.session, again.fresh) == (mine, False)
    assert full.places.count() == 10


@pytest.mark.django_db(transaction=True)
async def test_by_rest_a_full_pool_tells_the_place(full: Any, charlie: Any, token: Any) -> None:
    call = Caller(await sync_to_async(token)(charlie))
    answer = await call("POST", "/sessions", {"pool": "python", "identifier": "a"})
    assert (answer.status_code, answer.json()["error"], answer.json()["position"]) == (429, "pool_full", 1)
    assert answer["Retry-After"] == "2"
    assert await full.places.filter(tenant__slug="other").acount() == 1


# --- The queue of launches ---


def claimed() -> str:
    session = Session.objects.claim_queued()
    assert session
    return session.tenant.slug if session.tenant else "nobody"


@pytest.fixture
def roomy(pool: Any) -> Any:
    SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=100)
    pool.refresh_from_db()
    return pool


def test_of_fifty_launches_of_one_tenant_and_one_of_another_that_comes_second(
    roomy: Any, acme: Any, other: Any
) -> None:
    for n in range(50):
        roomy.lease(acme, None, f"a{n}")
    one = roomy.lease(other, None, "one").session
    assert one.position == 2
    assert [claimed() for _ in range(3)] == ["acme", "other", "acme"]


def test_the_places_that_are_told_are_the_order_that_comes(roomy: Any, acme: Any, other: Any) -> None:
    for n in range(15):
        roomy.lease(acme, None, f"a{n}")
    for n in range(12):
        roomy.lease(other, None, f"b{n}")
    roomy.reserve(3)
    told = {session.position: session.pk for session in Session.objects.queued()}
    came = []
    while session := Session.objects.claim_queued():
        came.append(session.pk)
    assert [told[place] for place in sorted(told)] == came


def test_ready_instances_of_ones_own_pools_count_and_take_turns(
    roomy: Any, python_image: Any, acme: Any, other: Any
) -> None:
    own, theirs = (SessionPool.objects.create(tenant=t, name="own", image=python_image) for t in (acme, other))
    for _ in range(3):
        ready(own)
    roomy.lease(acme, None, "a")
    roomy.lease(other, None, "b")
    assert claimed() == "other", "acme has three, though it holds none"
    own.reserve(3)
    theirs.reserve(2)
    order = []
    while session := Session.objects.claim_queued():
        order.append(session.pool.tenant.slug if not session.tenant_id else f"person of {session.tenant}")
    assert order == ["person of Acme", "other", "other", "acme", "acme", "acme"]


def test_who_is_passed_over_often_is_launched_though_it_has_most(roomy: Any, acme: Any, other: Any) -> None:
    for n in range(30):
        roomy.sessions.create(state=State.LEASED, tenant=acme, identifier=f"h{n}")
    roomy.lease(acme, None, "a")
    for n in range(PATIENCE + 3):
        roomy.lease(other, None, f"b{n}")
    assert [claimed() for _ in range(PATIENCE + 2)] == ["other"] * PATIENCE + ["acme", "other"]


def test_a_launch_is_of_what_its_pool_is_when_it_is_taken_up(roomy: Any, acme: Any) -> None:
    waiting = roomy.lease(acme, None, "a").session
    roomy.memory = 2048
    roomy.save()
    session = Session.objects.claim_queued()
    assert session == waiting
    assert (session.memory, session.pool_revision) == (2048, roomy.revision)
    assert session.sandbox_spec.memory == 2048
    roomy.maintain(MemoryRuntime(), lambda _: {})
    session.refresh_from_db()
    assert (session.state, session.phase) == (State.STARTING, Phase.CREATING)
