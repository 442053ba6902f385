"""The use of sessions: asked of agents by a worker, kept in rows, and never believed unseen."""

from typing import Any

import pytest

from interpreters import measuring
from interpreters.client import memory_agents
from interpreters.models import InterpreterImage, Session

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_an_agent_says_is_kept(leased: Any, alice: Any) -> None:
    held = leased(alice)
    assert measuring.measure() == 1
    held.refresh_from_db()
    assert (held.cpu_used, held.memory_used) == (0.1, 64_000_000)
    assert held.measured_at
    assert held.state == "leased"


def test_one_that_does_not_answer_keeps_what_was_known_and_holds_up_nobody(
    leased: Any, alice: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(measuring, "PATIENCE", 0.05)
    silent, well = leased(alice, "silent"), leased(alice, "well")
    Session.objects.filter(pk=silent.pk).update(cpu_used=0.7, memory_used=5)
    memory_agents[silent.pk].delay = 60
    assert measuring.measure() == 1
    silent.refresh_from_db()
    well.refresh_from_db()
    assert (silent.cpu_used, silent.measured_at) == (0.7, None)
    assert well.measured_at


def test_a_container_of_a_tenants_own_is_not_asked(leased: Any, alice: Any) -> None:
    leased(alice)
    InterpreterImage.objects.update(kind="custom")
    assert measuring.measure() == 0


def test_what_was_not_asked_in_time_waits_for_the_next_round(leased: Any, alice: Any, monkeypatch: Any) -> None:
    leased(alice)
    monkeypatch.setattr(measuring, "ROUND", 0.0)
    assert measuring.measure() == 0


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"cpu": 0.5, "memory": 10.9}, (0.5, 10)),
        ({"cpu": -3.0, "memory": -1.0}, (0.0, 0)),
        ({"cpu": 1e300, "memory": 1e300}, (10_000.0, 2**53)),
        ({"cpu": float("nan"), "memory": 1.0}, None),
        ({"cpu": 1.0, "memory": float("inf")}, None),
        ({"cpu": None, "memory": 1.0}, None),
        ({}, None),
    ],
)
def test_nonsense_is_bounded_or_left_out(said: Any, kept: Any) -> None:
    assert measuring._sensible(said) == kept
