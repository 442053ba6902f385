"""Launching, ending and tearing down, with an engine and agents that can be told to fail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from interpreters.lifecycle import Phase, Reason, State
from interpreters.models import Execution, Session, SessionPool
from interpreters.runtime import RuntimeUnavailable
from interpreters.runtime.memory import MemoryRuntime

pytestmark = pytest.mark.django_db


@dataclass
class Says:
    """An agent's health."""

    state: str = "ready"
    detail: str = ""
    busy: bool = False
    last_activity: float = 0.0


class Agents:
    """Answers for every agent alike, unless told otherwise; `on_ask` happens while it is asked."""

    def __init__(self) -> None:
        self.health: Says | None = Says()
        self.on_ask: Callable[[], object] = lambda: None

    def __call__(self, sessions: Sequence[UUID]) -> Mapping[UUID, Says]:
        self.on_ask()
        return dict.fromkeys(sessions, self.health) if self.health else {}


@pytest.fixture
def runtime() -> MemoryRuntime:
    return MemoryRuntime()


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture(autouse=True)
def short_start(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.START_TIMEOUT = 0.2
    monkeypatch.setattr("interpreters.models.launch.POLL_INTERVAL", 0.001)


def handles(runtime: MemoryRuntime) -> list[str]:
    from django.conf import settings

    return [sandbox.handle for sandbox in runtime.list(settings.INSTALLATION)]


def claim(pool: SessionPool, **fields: Any) -> Session:
    pool.sessions.create(phase=Phase.QUEUED, pool_revision=pool.revision, **fields)
    session = Session.objects.claim_queued()
    assert session
    return session


def collected_nothing(session: UUID) -> None:
    return None


def test_a_launch_ends_ready(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    session = claim(pool)
    assert (session.state, session.phase) == ("starting", "creating")
    session.launch(runtime, agents)
    session.refresh_from_db()
    assert (session.state, session.phase, [session.handle]) == ("ready", "", handles(runtime))
    assert runtime.specs[session.pk].image == pool.image.reference


def test_a_cold_start_ends_leased(pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    session.refresh_from_db()
    assert session.state == "leased"
    assert session.leased_at == session.last_used_at is not None


def test_who_takes_it_while_it_starts_gets_it(pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any) -> None:
    session = claim(pool)
    agents.on_ask = lambda: pool.lease(acme, None, "a")
    session.launch(runtime, agents)
    session.refresh_from_db()
    assert (session.state, session.identifier) == ("leased", "a")


def test_a_launch_is_claimed_once(pool: Any) -> None:
    claim(pool)
    assert Session.objects.claim_queued() is None


@pytest.mark.parametrize("when", ["before the engine is asked", "while its agent starts"])
def test_a_session_that_ends_while_it_starts_leaves_no_sandbox(
    pool: Any, runtime: MemoryRuntime, agents: Agents, when: str
) -> None:
    session = claim(pool)

    def end() -> None:
        mine = Session.objects.get(pk=session.pk)
        if mine.end(Reason.CLOSED):
            mine.tear_down(runtime, collected_nothing)

    if when == "while its agent starts":
        agents.on_ask = end
    else:
        end()
    session.launch(runtime, agents)
    assert session.state == "gone"
    assert handles(runtime) == []


def test_a_second_launch_of_the_same_session_harms_nothing(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    session = claim(pool)
    twin = Session.objects.get(pk=session.pk)
    session.launch(runtime, agents)
    twin.launch(runtime, agents)
    session.refresh_from_db()
    assert session.state == "ready"
    assert len(handles(runtime)) == 1


@pytest.mark.parametrize(
    ("health", "reason"),
    [(Says("failed", "no kernel"), "start_failed"), (Says("starting"), "start_timeout"), (None, "start_timeout")],
)
def test_an_agent_that_does_not_get_ready_ends_it(
    pool: Any, runtime: MemoryRuntime, agents: Agents, health: Says | None, reason: str
) -> None:
    agents.health = health
    session = claim(pool)
    session.launch(runtime, agents)
    session.refresh_from_db()
    assert (session.state, session.reason) == ("stopping", reason)
    session.tear_down(runtime, collected_nothing)
    assert (session.state, handles(runtime)) == ("gone", [])


def test_failing_launches_back_off(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    waits = []
    for _ in range(3):
        runtime.fail_next_create("no such image")
        session = claim(pool)
        session.launch(runtime, agents)
        pool.refresh_from_db()
        waits.append(round((pool.retry_at - timezone.now()).total_seconds()))
        session.tear_down(runtime, collected_nothing)
    assert waits == [4, 8, 16]
    assert (pool.failures, pool.last_error) == (3, "no such image")
    assert pool.maintain(runtime, agents).launch == 0, "not before retry_at"
    SessionPool.objects.update(retry_at=timezone.now())
    assert pool.maintain(runtime, agents).launch == 1, "one goes ahead"
    session = Session.objects.claim_queued()
    assert session
    session.launch(runtime, agents)
    pool.refresh_from_db()
    assert (pool.failures, pool.last_error, pool.retry_at) == (0, "", None)
    assert pool.maintain(runtime, agents).launch == 1


def test_a_launch_waits_for_an_engine_that_does_not_answer(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    runtime.unavailable = True
    session = claim(pool)
    with pytest.raises(RuntimeUnavailable):
        session.launch(runtime, agents)
    session.refresh_from_db()
    assert (session.state, session.phase) == ("starting", "queued")


def test_nothing_is_decided_while_the_engine_does_not_answer(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any
) -> None:
    session = claim(pool)
    session.launch(runtime, agents)
    long_ago = timezone.now() - timedelta(days=1)
    Session.objects.update(state_since=long_ago)
    runtime.unavailable = True
    with pytest.raises(RuntimeUnavailable):
        pool.maintain(runtime, agents)
    session.refresh_from_db()
    pool.refresh_from_db()
    assert session.state == "ready"
    assert "not to answer" in pool.last_error
    runtime.unavailable = False
    pool.maintain(runtime, agents)
    pool.refresh_from_db()
    assert (pool.last_error, pool.retry_at) == ("", None)


def test_a_cell_that_ran_meanwhile_wins_over_the_cooldown(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any
) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    Session.objects.update(last_used_at=timezone.now() - timedelta(seconds=pool.cooldown + 1))
    agents.on_ask = session.touch
    assert pool.maintain(runtime, agents).ends == ()
    session.refresh_from_db()
    assert session.state == "leased"


def test_an_idle_session_ends_and_a_busy_one_does_not(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any
) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    idle = timezone.now() - timedelta(seconds=pool.cooldown + 1)
    Session.objects.filter(pk=session.pk).update(last_used_at=idle)
    agents.health = Says(busy=True)
    pool.maintain(runtime, agents)
    session.refresh_from_db()
    assert session.state == "leased"
    assert session.last_used_at > idle
    Session.objects.filter(pk=session.pk).update(last_used_at=idle)
    agents.health = Says(last_activity=idle.timestamp())
    pool.maintain(runtime, agents)
    session.refresh_from_db()
    assert (session.state, session.reason) == ("stopping", "cooldown")
    assert "idle" in session.message


@pytest.mark.parametrize("claimed", [float("inf"), float("nan"), -1e300, 1e300])
def test_a_time_that_makes_no_sense_counts_as_long_ago(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any, claimed: float
) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    Session.objects.update(last_used_at=timezone.now() - timedelta(seconds=pool.cooldown + 1))
    agents.health = Says(last_activity=claimed)
    pool.maintain(runtime, agents)
    session.refresh_from_db()
    assert session.state == "stopping"


def test_a_dead_sandbox_ends_its_session_with_the_reason(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any
) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    running = session.executions.create(tenant=acme, code="x", status=Execution.Status.RUNNING)
    runtime.crash(session.handle, out_of_memory=True)
    pool.maintain(runtime, agents)
    session.refresh_from_db()
    session.tear_down(runtime, collected_nothing)
    running.refresh_from_db()
    assert (session.state, session.reason, handles(runtime)) == ("gone", "out_of_memory", [])
    assert running.status == "lost"
    assert "memory" in running.reason


def test_tear_down_collects_outputs_first_and_survives_their_failure(
    pool: Any, runtime: MemoryRuntime, agents: Agents, acme: Any
) -> None:
    session = claim(pool, tenant=acme, identifier="a")
    session.launch(runtime, agents)
    session.executions.create(tenant=acme, code="x")
    session.end(Reason.CLOSED)
    asked = []

    def collect(pk: UUID) -> None:
        asked.append((pk, handles(runtime)))
        raise ValueError("garbage")

    session.tear_down(runtime, collect)
    assert asked == [(session.pk, [session.handle])]
    assert (session.state, handles(runtime)) == ("gone", [])
    session.tear_down(runtime, collect)
    assert len(asked) == 1, "gone is final"


def test_tear_down_finds_a_sandbox_whose_handle_was_never_written_down(pool: Any, runtime: MemoryRuntime) -> None:
    session = claim(pool)
    runtime.create(session.sandbox_spec)
    session.end(Reason.CLOSED)
    session.tear_down(runtime, collected_nothing)
    assert handles(runtime) == []


def test_move_names_the_state_it_leaves(pool: Any) -> None:
    session = claim(pool)
    assert not session.move(State.READY, State.STOPPING)
    assert session.state == "starting"
    assert session.end(Reason.CLOSED)
    assert not session.end(Reason.LOST)
    session.refresh_from_db()
    assert session.reason == "closed"


def test_sandboxes_of_deleted_pools_are_removed(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    session = claim(pool)
    session.launch(runtime, agents)
    pool.delete()
    SessionPool.objects.remove_strays(runtime)
    assert handles(runtime), "young: a database may be being restored"
    runtime.age(handles(runtime)[0], 61)
    SessionPool.objects.remove_strays(runtime)
    assert handles(runtime) == []


def test_a_pool_changes_over_when_its_image_does(pool: Any, runtime: MemoryRuntime, agents: Agents) -> None:
    session = claim(pool)
    session.launch(runtime, agents)
    pool.image.reference = "thermae/python:newer"
    pool.image.save()
    todo = pool.maintain(runtime, agents)
    assert [(end.session, end.reason) for end in todo.ends] == [(session.pk, "outdated")]
    assert todo.launch == 2
