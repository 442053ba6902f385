"""Handing out sessions: the open one, else a ready one, else one on its way, else a cold start, else a clear no."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from interpreters.lifecycle import Phase, Reason, State
from interpreters.models import BadIdentifier, PoolFull, PoolUnavailable, Session, SessionPool

pytestmark = pytest.mark.django_db


def add(pool: SessionPool, state: State, **fields: Any) -> Session:
    phase = Phase.CREATING if state == State.STARTING else ""
    session: Session = pool.sessions.create(
        **{"state": state, "phase": phase, "pool_revision": pool.revision, "handle": "h", **fields}
    )
    return session


def test_a_ready_instance_is_given_for_good(pool: Any, acme: Any, alice: Any) -> None:
    instance = add(pool, State.READY)
    lease = pool.lease(acme, alice, "nb-1")
    assert (lease.session.pk, lease.fresh, lease.cold) == (instance.pk, True, False)
    instance.refresh_from_db()
    assert (instance.state, instance.tenant, instance.user, instance.identifier) == ("leased", acme, alice, "nb-1")
    assert instance.leased_at == instance.last_used_at is not None
    assert instance.expires_at == instance.leased_at + timedelta(seconds=pool.cooldown)


def test_the_same_identifier_gets_the_same_session(pool: Any, acme: Any, alice: Any, bob: Any) -> None:
    add(pool, State.READY)
    add(pool, State.READY)
    first = pool.lease(acme, alice, "nb-1")
    again = pool.lease(acme, bob, "nb-1")
    assert again.session == first.session
    assert not again.fresh


def test_two_tenants_may_use_the_same_identifier(pool: Any, acme: Any, other: Any) -> None:
    add(pool, State.READY)
    add(pool, State.READY)
    assert pool.lease(acme, None, "a").session != pool.lease(other, None, "a").session


def test_the_way_of_a_ready_instance_takes_few_queries(
    pool: Any, acme: Any, alice: Any, django_assert_max_num_queries: Any
) -> None:
    add(pool, State.READY)
    # Four SELECTs, the last of them for webhooks, one UPDATE, a line of the ledger, and the transaction.
    with django_assert_max_num_queries(8):
        pool.lease(acme, alice, "nb-1")


def test_an_outdated_instance_is_not_given(pool: Any, acme: Any) -> None:
    add(pool, State.READY)
    pool.memory += 256
    pool.save()
    assert pool.lease(acme, None, "a").cold


def test_with_none_ready_one_that_is_starting_is_taken(pool: Any, acme: Any) -> None:
    coming = add(pool, State.STARTING)
    lease = pool.lease(acme, None, "a")
    assert lease.session == coming
    assert lease.cold
    coming.refresh_from_db()
    assert (coming.state, coming.tenant, coming.leased_at) == ("starting", acme, None)


def test_with_nothing_there_a_cold_start_is_queued(pool: Any, acme: Any) -> None:
    first, second = pool.lease(acme, None, "a").session, pool.lease(acme, None, "b").session
    assert (first.state, first.phase, first.position, second.position) == ("starting", "queued", 1, 2)


def test_who_waits_comes_before_what_only_fills_the_pool(pool: Any, acme: Any) -> None:
    add(pool, State.STARTING, phase=Phase.QUEUED, pool_revision=0)
    waiting = pool.lease(acme, None, "a").session
    assert waiting.position == 1
    assert Session.objects.claim_queued() == waiting


def test_above_the_maximum_it_says_when_to_come_back(pool: Any, acme: Any) -> None:
    for n in range(pool.max_concurrent):
        add(pool, State.LEASED, tenant=acme, identifier=f"x{n}")
    with pytest.raises(PoolFull, match="All 5 sessions of this pool are in use: you are next") as full:
        pool.lease(acme, None, "a")
    assert (full.value.retry_after, full.value.position) == (2, 1)
    pool.sessions.filter(identifier="x0").update(state=State.STOPPING)
    with pytest.raises(PoolFull):  # its sandbox is still there
        pool.lease(acme, None, "a")
    pool.sessions.filter(identifier="x0").update(state=State.GONE)
    assert pool.lease(acme, None, "a").cold


def test_a_stopping_session_gives_its_identifier_free(pool: Any, acme: Any) -> None:
    old = pool.lease(acme, None, "a").session
    assert old.end(Reason.CLOSED)
    assert pool.lease(acme, None, "a").session != old


def test_losing_the_race_for_an_identifier_gives_the_winners_session(
    pool: Any, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(pool, State.READY)
    winner = add(pool, State.LEASED, tenant=acme, identifier="a")
    look, looks = Session.objects.none().first, []

    def blind_once(queryset: Any) -> Any:
        looks.append(queryset)
        return look() if len(looks) == 1 else queryset.order_by("pk")[:1].get()

    monkeypatch.setattr("interpreters.models.session.SessionQuerySet.first", blind_once)
    lease = pool.lease(acme, None, "a")
    assert lease.session == winner
    assert not lease.fresh


def test_losing_the_race_for_an_instance_takes_the_next(
    pool: Any, acme: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, free = add(pool, State.READY), add(pool, State.READY)
    move = Session.move

    def late(session: Session, *args: Any, **changes: Any) -> bool:
        if session == taken:
            Session.objects.filter(pk=taken.pk).update(state=State.LEASED, tenant=other, identifier="z")
        return move(session, *args, **changes)

    monkeypatch.setattr(Session, "move", late)
    assert pool.lease(acme, None, "a").session == free


@pytest.mark.parametrize("identifier", ["", "a b", "a\0", "ü", "x" * 129, "a\n"])
def test_a_bad_identifier_is_refused(pool: Any, acme: Any, identifier: str) -> None:
    with pytest.raises(BadIdentifier, match="1 to 128"):
        pool.lease(acme, None, identifier)


def test_it_says_so_when_nothing_can_be_launched(pool: Any, acme: Any) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(retry_at=timezone.now() + timedelta(seconds=10))
    pool.refresh_from_db()
    with pytest.raises(PoolUnavailable) as refusal:
        pool.lease(acme, None, "a")
    assert 9 <= refusal.value.retry_after <= 11
    add(pool, State.READY)
    assert not pool.lease(acme, None, "a").cold, "what is there is still given"


def test_a_pool_without_an_image_launches_nothing(pool: Any, acme: Any) -> None:
    pool.image.reference = ""
    with pytest.raises(PoolUnavailable, match="not built"):
        pool.lease(acme, None, "a")


def test_a_pool_that_is_switched_off_opens_nothing_new(pool: Any, acme: Any) -> None:
    add(pool, State.READY)
    mine = add(pool, State.LEASED, tenant=acme, identifier="mine")
    pool.enabled = False
    assert pool.lease(acme, None, "mine").session == mine
    with pytest.raises(PoolUnavailable, match="switched off"):
        pool.lease(acme, None, "new")


def test_a_tenants_own_pool_hides_the_shared_one_of_its_name(
    pool: Any, python_image: Any, acme: Any, other: Any
) -> None:
    own = SessionPool.objects.create(tenant=acme, name="python", image=python_image)
    private = SessionPool.objects.create(tenant=acme, name="private", image=python_image)
    assert set(SessionPool.objects.usable_by(acme)) == {own, private}
    assert set(SessionPool.objects.usable_by(other)) == {pool}


def test_names_of_shared_pools_are_unique(pool: Any, python_image: Any) -> None:
    with pytest.raises(IntegrityError):
        SessionPool.objects.create(name="python", image=python_image)


@pytest.mark.parametrize("fields", [{"tenant": None, "identifier": "a"}, {"identifier": ""}])
def test_the_database_refuses_a_lease_without_a_holder(pool: Any, acme: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        add(pool, State.LEASED, **{"tenant": acme, **fields})


def test_the_database_refuses_a_ready_instance_with_a_holder(pool: Any, acme: Any) -> None:
    with pytest.raises(IntegrityError):
        add(pool, State.READY, tenant=acme)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, set()),
        ({"environment": {"A": "b"}}, set()),
        ({"environment": {"A": 1}}, {"environment"}),
        ({"environment": {"A=B": "c"}}, {"environment"}),
        ({"environment": []}, {"environment"}),
        ({"memory": 256, "disk": 200}, {"disk"}),
        ({"cooldown": 9, "max_alive": 60}, {"cooldown"}),
        ({"cooldown": 300, "max_alive": 60}, {"cooldown"}),
    ],
)
def test_a_pool_that_cannot_work_is_refused_by_its_form(pool: Any, fields: dict[str, Any], wrong: set[str]) -> None:
    from django.core.exceptions import ValidationError

    for name, value in fields.items():
        setattr(pool, name, value)
    try:
        pool.full_clean()
        errors: set[str] = set()
    except ValidationError as error:
        errors = set(error.message_dict)
    assert errors == wrong
