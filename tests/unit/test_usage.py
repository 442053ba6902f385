"""What sessions use is metered to the millisecond, once, and outlives what was used."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from interpreters import metering
from interpreters.client import Outputs, Record
from interpreters.lifecycle import Reason, State
from interpreters.models import DayUsage, Execution, Session, SessionPool, SessionUsage, usage
from interpreters.outputs.saving import store, store_lost
from interpreters.runtime.memory import MemoryRuntime
from tenants.audit import Who, acting
from tenants.models import Tenant
from tests.clock import Clock

pytestmark = pytest.mark.django_db
SINCE, UNTIL = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def lease(pool: Any, acme: Any) -> Callable[..., Session]:
    def take(user: Any, identifier: str = "a", of: Any = None) -> Session:
        found = of or pool
        found.sessions.create(state=State.READY, pool_revision=found.revision)
        session: Session = found.lease(acme, user, identifier).session
        return session

    return take


def figures(tenant: Tenant, since: date = SINCE, until: date = UNTIL) -> metering.Figures:
    return metering.total(tenant, since, until)


def told(state: str = "ok", began: float | None = None, ended: float | None = None) -> Outputs:
    record = Record(uuid4(), "default", state, started_at=began, finished_at=ended)
    return Outputs(record, [], {"messages": 0, "bytes": 0})


# --- Sessions ---


def test_a_session_counts_from_its_lease_to_its_end(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    clock.shift(90.5)
    assert session.end(Reason.CLOSED)
    clock.shift(1000)  # its teardown is not the tenant's
    found = figures(acme)
    assert (found.sessions, found.session_seconds) == (1, 90.5)
    assert (found.core_seconds, found.memory_seconds) == (90.5 * session.pool.cpu, 90.5 * session.pool.memory)


def test_one_that_runs_counts_up_to_now(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    lease(alice)
    clock.shift(30)
    assert figures(acme).session_seconds == 30
    clock.shift(30)
    assert (figures(acme).session_seconds, DayUsage.objects.count()) == (60, 0)


def test_what_waits_for_its_start_costs_nothing(clock: Any, pool: Any, acme: Any, alice: Any) -> None:
    session = pool.lease(acme, alice, "a").session
    assert session.state == State.STARTING
    clock.shift(500)
    session.end(Reason.CLOSED)
    assert (figures(acme).sessions, SessionUsage.objects.count()) == (0, 0)


def test_a_cold_start_counts_from_when_it_is_there(clock: Any, pool: Any, acme: Any, alice: Any) -> None:
    with acting(Who(alice, "thm_abcdefgh")):
        session = pool.lease(acme, alice, "a").session
    clock.shift(20)
    now = timezone.now()
    assert session.move(State.STARTING, State.LEASED, phase="", leased_at=now, last_used_at=now)
    clock.shift(5)
    assert figures(acme).session_seconds == 5
    row = SessionUsage.objects.get()
    assert (row.member, row.token, row.pool, row.identifier) == ("alice", "thm_abcdefgh", "python", "a")


def test_a_session_over_midnight_of_the_month_counts_in_both(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    clock.move_to(datetime(2026, 11, 30, 23, 59, 59, 250_000, tzinfo=UTC))
    session = lease(alice)
    clock.shift(2)
    for _ in ("while it runs", "and after"):
        months = metering.by_month(acme, date(2026, 10, 1), date(2027, 1, 1))
        assert [(each.name, each.leased, each.sessions) for each in months] == [
            ("2026-11", 750, 1),
            ("2026-12", 1250, 1),
        ]
        session.end(Reason.CLOSED)
    days = metering.by_day(acme, date(2026, 11, 30), date(2026, 12, 2))
    assert [(each.name, each.leased) for each in days] == [("2026-11-30", 750), ("2026-12-01", 1250)]


def test_days_of_a_long_session_add_up_exactly() -> None:
    start = datetime(2026, 10, 30, 7, 11, 13, 1_999, tzinfo=UTC)
    end = start + timedelta(days=40, seconds=1, microseconds=700)
    cut = list(usage.pieces(start, end))
    assert sum(length for _, length in cut) in (40 * 86_400_000 + 1000, 40 * 86_400_000 + 1001)
    assert (len(cut), len({day for day, _ in cut})) == (41, 41)
    assert all(length == 86_400_000 for _, length in cut[1:-1])


@pytest.mark.parametrize("seconds", [0, 86_400])
def test_an_end_at_midnight_belongs_to_the_day_before(seconds: int) -> None:
    midnight = datetime(2026, 11, 30, tzinfo=UTC)
    cut = list(usage.pieces(midnight, midnight + timedelta(seconds=seconds)))
    assert cut == [(date(2026, 11, 30), seconds * 1000)]


def test_an_end_that_is_said_twice_counts_once(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    again = Session.objects.get(pk=session.pk)
    clock.shift(10)
    assert session.end(Reason.CLOSED)
    clock.shift(10)
    assert not again.end(Reason.COOLDOWN)
    session.tear_down(MemoryRuntime(), lambda _: None)
    session.tear_down(MemoryRuntime(), lambda _: None)
    assert figures(acme).session_seconds == 10


def test_a_move_that_is_rolled_back_is_not_metered(lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    with transaction.atomic():  # a worker that dies in between
        session.end(Reason.CLOSED)
        transaction.set_rollback(True)
    assert SessionUsage.objects.get().ended_at is None
    assert Session.objects.get(pk=session.pk).state == State.LEASED


def test_one_from_before_the_ledger_is_written_when_it_ends(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    SessionUsage.objects.all().delete()
    clock.shift(7)
    session.end(Reason.CLOSED)
    assert figures(acme).session_seconds == 7


def test_it_survives_its_pool_its_person_and_its_row(clock: Any, lease: Any, acme: Any, alice: Any, pool: Any) -> None:
    session = lease(alice)
    clock.shift(10)
    session.end(Reason.CLOSED)
    Session.objects.all().delete()
    SessionPool.objects.all().delete()
    alice.delete()
    by = metering.by_member(acme, SINCE, UNTIL)
    assert [(each.name, each.user, each.session_seconds) for each in by] == [("alice", None, 10)]
    assert [each.name for each in metering.by_pool(acme, SINCE, UNTIL)] == ["python"]


def test_by_member_is_by_who_opened_it_under_the_name_of_today(
    clock: Any, lease: Any, acme: Any, alice: Any, bob: Any
) -> None:
    lease(alice, "a")
    clock.shift(10)
    lease(bob, "b")
    clock.shift(10)
    lease(None, "c")
    type(alice).objects.filter(pk=alice.pk).update(username="alicia")
    by = metering.by_member(acme, SINCE, UNTIL)
    assert [(each.name, each.user, each.session_seconds) for each in by] == [
        ("alicia", alice.pk, 20), ("bob", bob.pk, 10), ("", None, 0),
    ]  # fmt: skip
    assert metering.of_member(acme, bob, SINCE, UNTIL).session_seconds == 10


def test_nothing_of_another_tenant_is_in_it(clock: Any, lease: Any, acme: Any, other: Any, alice: Any) -> None:
    lease(alice)
    clock.shift(10)
    assert (figures(other).sessions, metering.by_member(other, SINCE, UNTIL)) == (0, [])
    assert len("".join(metering.as_csv(other, SINCE, UNTIL)).splitlines()) == 1


# --- Executions ---


def test_time_in_which_code_ran_is_counted_once(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    began = timezone.now().timestamp()
    clock.shift(100)
    execution = session.executions.create(tenant=acme, user=alice, code="x")
    answer = told(began=began + 10, ended=began + 12.5)
    assert store(session.pk, execution.pk, answer)
    assert not store(session.pk, execution.pk, answer)
    found = figures(acme)
    assert (found.execution_seconds, found.executions) == (2.5, 1)


def test_an_agent_cannot_claim_more_than_its_session_lasted(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    execution = session.executions.create(tenant=acme, user=alice, code="x")
    clock.shift(5)
    assert store(session.pk, execution.pk, told(began=1.0, ended=4e9))
    assert figures(acme).execution_seconds == 5


def test_what_was_taken_from_the_queue_did_not_run(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    execution = session.executions.create(tenant=acme, user=alice, code="x")
    clock.shift(5)
    assert store(session.pk, execution.pk, told("cancelled"))
    assert (figures(acme).executions, figures(acme).execution_seconds) == (0, 0)


def test_an_execution_over_midnight_counts_in_both_months(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    clock.move_to(datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC))
    session = lease(alice)
    began = timezone.now().timestamp()
    execution = session.executions.create(tenant=acme, user=alice, code="x")
    clock.shift(30)
    running = metering.by_month(acme, SINCE, date(2027, 1, 1))
    assert [each.execution_seconds for each in running] == [10, 20]
    store(session.pk, execution.pk, told(began=began, ended=began + 30))
    months = metering.by_month(acme, SINCE, date(2027, 1, 1))
    assert [(each.execution_seconds, each.executions) for each in months] == [(10, 1), (20, 0)]


def test_of_runs_that_stand_in_line_only_the_first_runs(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    session = lease(alice)
    for context in ("default", "default", "other"):
        session.executions.create(tenant=acme, user=alice, code="x", context=context)
    session.executions.create(tenant=acme, user=alice, code="x", context="third", turn=1)
    clock.shift(10)
    assert figures(acme).execution_seconds == 20


def test_a_run_that_is_lost_with_its_sandbox_counts_as_long_as_it_ran(
    clock: Any, lease: Any, acme: Any, alice: Any
) -> None:
    session = lease(alice)
    first, second = (session.executions.create(tenant=acme, user=alice, code="x") for _ in range(2))
    Execution.objects.filter(pk=second.pk).update(queued_at=first.queued_at + timedelta(seconds=1))
    clock.shift(60)
    session.end(Reason.OUT_OF_MEMORY)
    clock.shift(15)  # the agent is asked in vain
    assert store_lost(session.pk, first.pk, "gone")
    assert store_lost(session.pk, second.pk, "gone")
    assert not store_lost(session.pk, first.pk, "gone")
    assert (figures(acme).execution_seconds, figures(acme).executions) == (60, 2)


# --- Keeping, forgetting ---


def test_old_usage_goes_when_the_operator_says_so(clock: Any, lease: Any, alice: Any, settings: Any) -> None:
    lease(alice, "old").end(Reason.CLOSED)
    running = lease(alice, "runs")
    clock.shift(timedelta(days=70))
    lease(alice, "young").end(Reason.CLOSED)
    assert usage.prune() == 0
    settings.USAGE_DAYS = 62
    assert usage.prune() == 1
    assert set(SessionUsage.objects.values_list("identifier", flat=True)) == {running.identifier, "young"}


def test_a_persons_name_is_forgotten_and_the_figures_stay(clock: Any, lease: Any, acme: Any, alice: Any) -> None:
    lease(alice)
    clock.shift(3)
    assert usage.forget(alice) == 1
    assert [(each.name, each.session_seconds) for each in metering.by_member(acme, SINCE, UNTIL)] == [("", 3)]


# --- CSV ---


def test_a_line_of_csv_for_each_session_with_what_it_used_in_the_period(
    clock: Any, lease: Any, acme: Any, alice: Any
) -> None:
    clock.move_to(datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC))
    session = lease(alice, "=evil")
    clock.shift(30)
    session.end(Reason.CLOSED)
    lease(alice, "later")
    clock.shift(5)
    november, december = (
        list(csv.DictReader("".join(metering.as_csv(acme, since, until)).splitlines()))
        for since, until in ((SINCE, UNTIL), (UNTIL, date(2027, 1, 1)))
    )
    assert [(row["identifier"], row["session_seconds"]) for row in november] == [("'=evil", "10.0")]
    assert [(row["session_seconds"], bool(row["ended_at"])) for row in december] == [("20.0", True), ("5.0", False)]
    assert {(row["tenant"], row["member"], row["pool"]) for row in december} == {("acme", "alice", "python")}
