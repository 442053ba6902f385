"""Samples of pools: whose part in a pool is told to whom, what counts in which minute, and what becomes of old ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interpreters.dashboard import SPANS, by_member, curves, quantile
from interpreters.lifecycle import Health, Reason, State
from interpreters.models import Execution, PoolSample, Session
from interpreters.models.sample import HOUR, MINUTE
from interpreters.plots import draw
from interpreters.runtime import get_runtime

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
MINUTE_AGO = NOW - timedelta(seconds=60)


@pytest.fixture
def session(pool: Any, acme: Any, alice: Any) -> Any:
    def make(state: State, tenant: Any = acme, user: Any = alice, **fields: Any) -> Session:
        held = {"tenant": tenant, "user": user, "identifier": str(Session.objects.count())} if tenant else {}
        return Session.objects.create(pool=pool, state=state, **held, **fields)

    return make


def sample(tenant: Any = None, seconds: int = MINUTE) -> PoolSample:
    return PoolSample.objects.filter(seconds=seconds).order_by("-at").get(tenant=tenant)


def test_a_shared_pool_tells_each_tenant_of_its_own_part(session: Any, acme: Any, other: Any) -> None:
    session(State.READY, None)
    session(State.LEASED)
    session(State.LEASED)
    session(State.LEASED, other, None)
    PoolSample.objects.take(NOW)
    nobody, ours, theirs = (sample(tenant) for tenant in (None, acme, other))
    assert (nobody.ready, nobody.leased) == (1, 0)
    assert (ours.ready, ours.leased) == (0, 2)
    assert (theirs.ready, theirs.leased) == (0, 1)


def test_what_nobody_holds_of_an_own_pool_is_its_tenants(session: Any, pool: Any, acme: Any) -> None:
    pool.tenant = acme
    pool.save()
    session(State.READY, None)
    session(State.STARTING, None)
    PoolSample.objects.take(NOW)
    assert (sample(acme).ready, sample(acme).starting) == (1, 1)
    assert not PoolSample.objects.filter(tenant=None).exists()


def test_a_pool_without_sessions_is_told_too(pool: Any) -> None:
    assert PoolSample.objects.take(NOW) == 1
    assert sample().ready == 0


def test_a_lease_counts_once_by_how_long_it_was_waited_for(session: Any, acme: Any) -> None:
    def leased(waited: float, before: float = 40, **fields: Any) -> None:
        at = NOW - timedelta(seconds=before)
        session(State.LEASED, leased_at=at, asked_at=at - timedelta(seconds=waited), **fields)

    leased(0.004)
    leased(0.03)
    leased(1.7, cold_start=True)
    leased(99, cold_start=True)
    leased(0.004, before=0)
    PoolSample.objects.take(NOW)
    found = sample(acme)
    assert (found.leases, found.cold) == (4, 2)
    assert [found.waited_0, found.waited_1, found.waited_6, found.waited_9] == [1, 1, 1, 1]
    PoolSample.objects.take(NOW + timedelta(seconds=60))
    assert sample_of(acme, 1).leases == 1


def sample_of(tenant: Any, minutes: int) -> PoolSample:
    return PoolSample.objects.get(tenant=tenant, at=NOW.replace(second=0) + timedelta(minutes=minutes))


def test_a_lease_from_before_waits_were_known_is_no_wait(session: Any, acme: Any) -> None:
    session(State.LEASED, leased_at=NOW - timedelta(seconds=40))
    PoolSample.objects.take(NOW)
    assert sample(acme).leases == 1
    assert sum(getattr(sample(acme), f"waited_{n}") for n in range(10)) == 0


def test_failures_count_by_reason_and_ends_that_were_wanted_do_not(session: Any, acme: Any) -> None:
    for reason in (Reason.KILLED, Reason.OUT_OF_MEMORY, Reason.KILLED, Reason.CLOSED, Reason.COOLDOWN):
        session(State.GONE, reason=reason, ended_at=NOW - timedelta(seconds=45))
    PoolSample.objects.take(NOW)
    assert (sample(acme).ended_killed, sample(acme).ended_out_of_memory) == (2, 1)


def test_executions_count_a_minute_later_when_they_are_all_written_down(session: Any, acme: Any) -> None:
    held = session(State.LEASED)
    for status, ago in (("ok", 100), ("error", 100), ("lost", 100), ("ok", 20), ("running", 0)):
        finished = NOW - timedelta(seconds=ago) if ago else None
        Execution.objects.create(session=held, tenant=acme, code="", status=status, finished_at=finished)
    PoolSample.objects.take(NOW)
    assert (sample(acme).executions, sample(acme).failed) == (3, 2)


def test_a_minute_is_sampled_once_whoever_asks(pool: Any, session: Any) -> None:
    assert PoolSample.objects.take(NOW) == 1
    assert PoolSample.objects.take(NOW + timedelta(seconds=20)) == 0
    clone = PoolSample.objects.get()
    clone.pk = None
    PoolSample.objects.bulk_create([clone], ignore_conflicts=True)
    assert PoolSample.objects.count() == 1


def test_what_happened_while_nobody_sampled_is_told_by_the_next(session: Any, acme: Any) -> None:
    PoolSample.objects.take(NOW - timedelta(minutes=30))
    session(State.LEASED, leased_at=NOW - timedelta(minutes=12))
    PoolSample.objects.take(NOW)
    assert sample(acme).leases == 1


def test_hours_have_the_mean_of_what_is_and_the_sum_of_what_happened(pool: Any, acme: Any) -> None:
    hour = NOW.replace(minute=0, second=0)
    for minute, ready in ((-58, 1), (-30, 2), (0, 3)):
        at = hour + timedelta(minutes=minute)
        PoolSample.objects.create(pool=pool, tenant=acme, at=at, seconds=MINUTE, ready=ready, leases=5, ended_lost=1)
    # One who came later has a part in one of the three only.
    PoolSample.objects.create(pool=pool, at=hour, seconds=MINUTE, leased=3)
    PoolSample.objects.make_hours(NOW)
    PoolSample.objects.make_hours(NOW)
    made = sample(acme, HOUR)
    assert (made.at, made.ready, made.leases, made.ended_lost) == (hour, 2, 15, 3)
    assert sample(None, HOUR).leased == 1


def test_an_hour_that_is_not_over_is_not_made(pool: Any) -> None:
    PoolSample.objects.take(NOW)
    PoolSample.objects.create(pool=pool, at=NOW + timedelta(minutes=1), seconds=MINUTE)
    PoolSample.objects.make_hours(NOW)
    assert PoolSample.objects.hours().filter(at__gt=NOW).count() == 0


def test_old_samples_are_forgotten(pool: Any, settings: Any) -> None:
    settings.SAMPLE_DAYS = 7
    for seconds, days in ((MINUTE, 1), (MINUTE, 3), (HOUR, 3), (HOUR, 8)):
        PoolSample.objects.create(pool=pool, at=NOW - timedelta(days=days), seconds=seconds)
    PoolSample.objects.forget_old(NOW)
    assert sorted(PoolSample.objects.values_list("seconds", flat=True)) == [MINUTE, HOUR]


def test_a_pool_remembers_its_last_launches(pool: Any) -> None:
    assert (pool.median_launch, pool.last_launch) == (None, None)
    for seconds in (9, *([1.0] * 20), 2, 2, 2, 3, 0.5):
        pool.note_launch(seconds)
    assert len(pool.launches) == 25
    assert (pool.median_launch, pool.last_launch) == (1.0, 0.5)


class Ready:
    state, detail, busy, last_activity = "ready", "", False, 0.0


def test_a_launch_that_somebody_waited_for_is_a_cold_start(pool: Any, acme: Any, alice: Any) -> None:
    def ask(sessions: Any) -> dict[Any, Health]:
        return dict.fromkeys(sessions, Ready())

    held = pool.lease(acme, alice, "mine").session
    assert held.asked_at
    Session.objects.claim_queued().launch(get_runtime(), ask)
    held.refresh_from_db()
    pool.refresh_from_db()
    assert (held.state, held.cold_start) == (State.LEASED, True)
    assert held.leased_at > held.asked_at
    assert pool.last_launch is not None


def test_who_gets_a_ready_instance_had_no_cold_start(leased: Any, alice: Any) -> None:
    held = leased(alice)
    assert not held.cold_start
    assert timedelta(0) <= held.leased_at - held.asked_at < timedelta(seconds=10)


# --- What is drawn of them ---


@pytest.fixture
def month(pool: Any, acme: Any) -> None:
    """Thirty days by the hour, and a day by the minute."""
    end = NOW.replace(minute=0, second=0)
    hours = [PoolSample(pool=pool, tenant=acme, at=end - timedelta(hours=n), seconds=HOUR) for n in range(720)]
    minutes = [PoolSample(pool=pool, tenant=acme, at=end - timedelta(minutes=n), seconds=MINUTE) for n in range(1440)]
    for n, row in enumerate([*hours, *minutes]):
        row.ready, row.leased, row.leases, row.cold, row.waited_0, row.waited_7 = n % 3, 2, 4, 1, 3, 1
    PoolSample.objects.bulk_create([*hours, *minutes], batch_size=500)


@pytest.mark.parametrize("key", SPANS)
def test_a_time_of_any_length_is_one_query(key: str, month: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        found = curves(PoolSample.objects.all(), SPANS[key], NOW)
    assert len(found.times) <= 120
    assert found.values["leased"][-2] == 2
    assert found.sums["leases"] >= 4 * found.sums["cold"] > 0
    assert found.values["p50"][-2] == pytest.approx(0.01 * 2 / 3)
    assert 2.5 < found.values["p95"][-2] <= 5


def test_where_nothing_was_sampled_there_is_a_gap(pool: Any) -> None:
    PoolSample.objects.create(pool=pool, at=NOW - timedelta(hours=3), seconds=MINUTE, ready=4)
    found = curves(PoolSample.objects.all(), SPANS["6h"], NOW)
    assert [value for value in found.values["ready"] if value is not None] == [4]
    assert found.values["p50"] == [None] * 72
    assert found.quantile(0.5) is None


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ([0] * 10, 0.5, None),
        ([10] + [0] * 9, 0.5, 0.005),
        ([0] * 9 + [3], 0.5, 15.0),
        ([1, 0, 0, 0, 0, 1, 0, 0, 0, 0], 0.5, 0.01),
        ([1, 0, 0, 0, 0, 1, 0, 0, 0, 0], 1.0, 1.0),
    ],
)
def test_a_quantile_is_told_from_counts(counts: list[float], share: float, seconds: float | None) -> None:
    assert quantile(counts, share) == (None if seconds is None else pytest.approx(seconds))


def test_members_are_told_by_what_falls_into_the_time(
    session: Any, acme: Any, bob: Any, django_assert_num_queries: Any
) -> None:
    hours = timedelta(hours=1)
    since = NOW - 10 * hours
    session(State.GONE, leased_at=since - 5 * hours, ended_at=since + hours)
    session(State.GONE, leased_at=since - 5 * hours, ended_at=since - hours)
    session(State.LEASED, leased_at=NOW - 2 * hours)
    held = session(State.GONE, user=bob, leased_at=NOW - 3 * hours, ended_at=NOW - 2.5 * hours)
    Execution.objects.create(session=held, tenant=acme, user=bob, code="", finished_at=NOW - 2.6 * hours)
    with django_assert_num_queries(2):
        used = by_member(Session.objects.all(), Execution.objects.all(), since, NOW)
    assert [(one.member, one.sessions, one.held, one.executions) for one in used] == [
        ("alice", 2, 3 * hours, 0),
        ("bob", 1, 0.5 * hours, 1),
    ]


def test_a_plot_has_gaps_a_scale_and_says_itself_in_words() -> None:
    times = [NOW + timedelta(minutes=n) for n in range(6)]
    plot = draw("k", "T", "things", times, {"a": [None, 0, 130, None, 2, 3], "b": [None] * 6})
    assert plot.lines[0].path.count("M") == 2
    assert plot.lines[1].path == ""
    assert [mark.text for mark in plot.up] == ["0", "100", "200"]
    assert plot.words == "a: 0 to 130, last 3; b: nothing known"
    assert [row[1] for row in plot.rows] == [["0", ""], ["130", ""], ["2", ""], ["3", ""]]
    assert draw("k", "T", "things", times, {"b": [None] * 6}).empty
