"""What was decided is counted, folded, bounded, and written down once."""

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from interpreters.egress.journal import ALLOWANCE, EVERY, MOST_WAITING, OTHERS, WHILE, Journal, Subject
from interpreters.egress.storing import store
from interpreters.models import EgressDecision, EgressTotal
from interpreters.upkeep_tasks import forget_egress_decisions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(clock: Clock) -> Journal:
    return Journal(clock)


ME = Subject(uuid4(), 1, 1)


def test_the_same_is_one_record_for_a_while(journal: Journal, clock: Clock) -> None:
    for _ in range(1000):
        journal.note(ME, "evil.example", 443, "private", "10.0.0.5")
    (entry,) = journal.take()
    assert (entry.new, entry.numbers, entry.more) == (True, (1000, 0, 0), (1000, 0, 0))
    journal.note(ME, "evil.example", 443, "private", "10.0.0.5")
    (entry,) = journal.take()
    assert (entry.new, entry.numbers, entry.more) == (False, (1001, 0, 0), (1, 0, 0))
    assert journal.take() == []
    clock.now += WHILE + 1
    assert journal.take() == []
    journal.note(ME, "evil.example", 443, "private", "10.0.0.5")
    (entry,) = journal.take()
    assert (entry.new, entry.numbers) == (True, (1, 0, 0))


def test_whoever_differs_in_anything_is_another_record(journal: Journal) -> None:
    journal.note(ME, "a.example", 443, "")
    journal.note(ME, "a.example", 80, "")
    journal.note(ME, "b.example", 443, "")
    journal.note(ME, "a.example", 443, "private")
    journal.note(Subject(uuid4(), 1, 1), "a.example", 443, "")
    assert len(journal.take()) == 5


def test_a_tenant_that_asks_for_ever_new_things_has_its_allowance_and_then_a_count(
    journal: Journal, clock: Clock
) -> None:
    for n in range(10_000):
        journal.note(Subject(uuid4(), 1, 1), f"{n}.example", 443, "not listed")
    journal.note(Subject(uuid4(), 2, 2), "example.org", 443, "")  # another tenant has its own
    entries = journal.take()
    assert len(entries) == ALLOWANCE + 2
    (others,) = [entry for entry in entries if entry.record.host == OTHERS]
    assert others.numbers[0] == 10_000 - ALLOWANCE
    clock.now += WHILE + 20
    for n in range(1000):
        journal.note(ME, f"x{n}.example", 443, "not listed")
    assert len(journal.take()) == 50 + 1  # what was refilled, and the count


def test_an_open_connection_is_written_now_and_then_and_at_its_end(journal: Journal, clock: Clock) -> None:
    record = journal.note(ME, "example.org", 443, "", "203.0.113.10")
    record.live += 1
    assert len(journal.take()) == 1
    record.sent(100)
    record.received(7)
    assert journal.take() == []
    clock.now += EVERY + 1
    (entry,) = journal.take()
    assert entry.numbers == (1, 100, 7)
    clock.now += WHILE
    record.received(3)
    record.live -= 1
    (entry,) = journal.take()
    assert (entry.new, entry.numbers, entry.more) == (False, (1, 100, 10), (0, 0, 3))
    assert journal.take() == []


def test_what_could_not_be_stored_is_taken_again_and_counted_once(journal: Journal, clock: Clock) -> None:
    record = journal.note(ME, "example.org", 443, "")
    journal.give_back(journal.take())
    record.sent(5)
    clock.now += WHILE + 1
    (entry,) = journal.take()
    assert (entry.new, entry.numbers, entry.more) == (True, (1, 5, 0), (1, 5, 0))
    journal.give_back([entry])
    (entry,) = journal.take()
    assert (entry.new, entry.more) == (True, (1, 5, 0))


def test_while_the_database_is_away_memory_is_bounded(journal: Journal, clock: Clock) -> None:
    for tenant in range(50):
        for n in range(int(ALLOWANCE)):
            journal.note(Subject(ME.session, 1, tenant), f"{n}.example", 443, "not listed")
    clock.now += WHILE + 1
    journal.give_back(journal.take())
    assert len(journal.take()) == MOST_WAITING
    assert journal.lost == 50 * ALLOWANCE - MOST_WAITING


@pytest.mark.django_db
def test_records_become_rows_sums_and_lines(
    journal: Journal, pool: Any, acme: Any, caplog: pytest.LogCaptureFixture
) -> None:
    subject = Subject(uuid4(), pool.pk, acme.pk)
    record = journal.note(subject, "example.org", 443, "", "203.0.113.10")
    journal.note(subject, "evil.example", 80, "metadata", "169.254.169.254")
    with caplog.at_level(logging.INFO, "thermae.egress"):
        store(journal.take())
    record.sent(10)
    record.received(20)
    journal.note(subject, "example.org", 443, "", "203.0.113.10")
    store(journal.take())
    allowed, refused = EgressDecision.objects.order_by("-allowed")
    assert (allowed.tenant, allowed.pool, allowed.session) == (acme, pool, subject.session)
    assert (allowed.count, allowed.bytes_out, allowed.bytes_in, allowed.address) == (2, 10, 20, "203.0.113.10")
    assert (refused.allowed, refused.reason, refused.host, refused.port) == (False, "metadata", "evil.example", 80)
    sums = {total.allowed: (total.decisions, total.bytes_out, total.bytes_in) for total in EgressTotal.objects.all()}
    assert sums == {True: (2, 10, 20), False: (1, 0, 0)}
    (line,) = [row for row in caplog.records if "evil.example" in row.getMessage()]
    assert (line.tenant, line.pool, line.decision) == (acme.pk, pool.pk, "metadata")  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_what_belonged_to_a_deleted_pool_or_tenant_is_dropped(journal: Journal, pool: Any) -> None:
    journal.note(Subject(uuid4(), pool.pk + 1, None), "a.example", 443, "")
    journal.note(Subject(uuid4(), pool.pk, 4711), "b.example", 443, "")
    journal.note(Subject(uuid4(), pool.pk, None), "c.example", 443, "")
    store(journal.take())
    assert EgressDecision.objects.get().host == "c.example"


@pytest.mark.django_db
def test_old_decisions_are_forgotten_and_their_sums_stay(pool: Any, settings: Any) -> None:
    settings.EGRESS_LOG_DAYS = 7
    for days in (1, 6, 8, 30):
        at = timezone.now() - timedelta(days=days)
        EgressDecision.objects.create(pool=pool, session=uuid4(), host=f"{days}", allowed=True, at=at)
    forget_egress_decisions()
    assert set(EgressDecision.objects.values_list("host", flat=True)) == {"1", "6"}
