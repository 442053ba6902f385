"""What a pool does next: one line a situation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from interpreters.lifecycle import (
    LATE,
    ORPHAN_GRACE,
    SENTENCES,
    SILENCE,
    STEADY,
    UNHEALTHY_EXIT,
    Activity,
    Observation,
    Plan,
    PoolSpec,
    Reason,
    SandboxView,
    SessionView,
    State,
    plan,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = PoolSpec(
    ready_instances=2, max_concurrent=5, cooldown=300, max_alive=3600, revision=7, start_timeout=60, stop_timeout=30
)
A, B, C, D, E = (UUID(int=n) for n in range(1, 6))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def session(pk: UUID, state: State, *, age: float = 20, used: float | None = None, **fields: Any) -> SessionView:
    since = ago(age)
    view = SessionView(pk, state, False, SPEC.revision, "", since, since, since)
    if state == State.LEASED:
        view = replace(view, held=True, leased_at=since, last_used_at=ago(age if used is None else used))
    return replace(view, **fields)


def starting(pk: UUID, age: float = 1, phase: str = "creating", **fields: Any) -> SessionView:
    return session(pk, State.STARTING, age=age, phase=phase, **fields)


def ready(pk: UUID, age: float = 20, **fields: Any) -> SessionView:
    return session(pk, State.READY, age=age, **fields)


def leased(pk: UUID, age: float = 20, used: float | None = None, **fields: Any) -> SessionView:
    return session(pk, State.LEASED, age=age, used=used, **fields)


def stopping(pk: UUID, age: float = 1) -> SessionView:
    return session(pk, State.STOPPING, age=age)


def box(pk: UUID, **fields: Any) -> SandboxView:
    return replace(SandboxView(f"box-{pk.int}", pk, running=True, age=100), **fields)


def decide(
    sessions: list[SessionView],
    spec: PoolSpec = SPEC,
    boxes: list[SandboxView] | None = None,
    activity: dict[UUID, Activity] | None = None,
) -> Plan:
    if boxes is None:  # every session that should have a sandbox has one
        boxes = [box(s.id) for s in sessions if s.state not in (State.STARTING, State.GONE)]
    return plan(spec, sessions, Observation(NOW, boxes, activity or {}), NOW)


def ended(todo: Plan) -> dict[int, str]:
    return {end.session.int: end.reason.value for end in todo.ends}


@pytest.mark.parametrize(
    ("sessions", "changes", "launches"),
    [
        pytest.param([], {}, 2, id="an empty pool is filled"),
        pytest.param([ready(A)], {}, 1, id="one is missing"),
        pytest.param([ready(A), ready(B)], {}, 0, id="full as it should be"),
        pytest.param([starting(A), starting(B)], {}, 0, id="both are on their way"),
        pytest.param([starting(A, held=True)], {}, 2, id="a cold start is not for the pool"),
        pytest.param([leased(A), leased(B)], {}, 2, id="what is leased is replaced"),
        pytest.param([leased(A), leased(B), leased(C), leased(D)], {}, 1, id="never above the maximum"),
        pytest.param([leased(A), leased(B), leased(C), leased(D), stopping(E)], {}, 0, id="stopping ones are alive"),
        pytest.param([], {"launchable": False}, 0, id="no image"),
        pytest.param([], {"enabled": False}, 0, id="switched off"),
        pytest.param([], {"retry_at": NOW + timedelta(seconds=1)}, 0, id="backing off"),
        pytest.param([], {"retry_at": ago(1), "failures": 3}, 1, id="after failures one goes ahead"),
        pytest.param([starting(A)], {"retry_at": ago(1), "failures": 3}, 0, id="and the others wait for it"),
        pytest.param([ready(A, revision=1), ready(B)], {"max_concurrent": 2}, 0, id="an outdated one is alive still"),
        pytest.param([ready(A, revision=1), ready(B)], {}, 1, id="an outdated one is replaced"),
    ],
)
def test_it_launches_what_is_missing(sessions: list[SessionView], changes: dict[str, Any], launches: int) -> None:
    assert decide(sessions, replace(SPEC, **changes)).launch == launches


@pytest.mark.parametrize(
    ("sessions", "changes", "ends"),
    [
        pytest.param([ready(A, age=50), ready(B, age=9), ready(C, age=30)], {}, {1: "surplus"}, id="the oldest first"),
        pytest.param(
            [ready(A), starting(B), leased(C)], {"enabled": False}, {1: "surplus", 2: "surplus"}, id="drained"
        ),
        pytest.param([ready(A)], {"launchable": False}, {}, id="a missing image ends nothing"),
        pytest.param([ready(A, revision=1), leased(B, revision=1)], {}, {1: "outdated"}, id="who holds one keeps it"),
        pytest.param([starting(A, revision=1)], {}, {1: "outdated"}, id="outdated before it is ready"),
        pytest.param([starting(A, revision=1, held=True)], {}, {}, id="somebody waits for it"),
        pytest.param([starting(A, age=179)], {}, {}, id="a launch may be tried again"),
        pytest.param([starting(A, age=180)], {}, {1: "start_timeout"}, id="and is given up at last"),
        pytest.param([leased(A, age=3599, used=1)], {}, {}, id="in its last second"),
        pytest.param([leased(A, age=3600, used=1)], {}, {1: "max_alive"}, id="reached its hard end"),
        pytest.param([leased(A, age=400, used=299)], {}, {}, id="not idle yet"),
    ],
)
def test_it_ends_what_had_its_time(sessions: list[SessionView], changes: dict[str, Any], ends: dict[int, str]) -> None:
    assert ended(decide(sessions, replace(SPEC, **changes))) == ends


@pytest.mark.parametrize(
    ("used", "activity", "ends", "moved_to"),
    [
        pytest.param(300, Activity(False, ago(300)), {1: "cooldown"}, None, id="idle by both accounts"),
        pytest.param(300, Activity(False, ago(900)), {1: "cooldown"}, None, id="the agent heard less than we"),
        pytest.param(300, Activity(True, ago(900)), {}, NOW, id="busy is never idle"),
        pytest.param(300, Activity(False, ago(10)), {}, ago(10), id="used since"),
        pytest.param(300, Activity(False, NOW + timedelta(days=9)), {}, NOW, id="a claim from the future is cut"),
        pytest.param(301, None, {}, None, id="a silent agent may be a busy one"),
        pytest.param(300 + SILENCE.seconds, None, {1: "cooldown"}, None, id="but not for ever"),
    ],
)
def test_the_agent_is_the_truth_of_activity(
    used: float, activity: Activity | None, ends: dict[int, str], moved_to: datetime | None
) -> None:
    todo = decide([leased(A, age=1000, used=used)], activity={A: activity} if activity else {})
    assert ended(todo) == ends
    assert todo.used.get(A) == (moved_to if not ends else None)
    assert all(end.last_used_at == ago(used) for end in todo.ends)


def test_max_alive_ends_a_session_that_claims_to_be_busy() -> None:
    todo = decide([leased(A, age=3600, used=400)], activity={A: Activity(True, NOW)})
    assert ended(todo) == {1: "max_alive"}


@pytest.mark.parametrize(
    ("view", "sandbox", "ends"),
    [
        pytest.param(ready(A), None, {1: "lost"}, id="a ready instance vanished"),
        pytest.param(leased(A), None, {1: "lost"}, id="a leased one vanished"),
        pytest.param(ready(A, age=1), None, {}, id="ready after the list was taken"),
        pytest.param(starting(A), None, {}, id="not made yet"),
        pytest.param(stopping(A), None, {}, id="removed already"),
        pytest.param(leased(A), {"running": False, "exit_code": 137}, {1: "killed"}, id="killed"),
        pytest.param(
            leased(A), {"running": False, "exit_code": 137, "out_of_memory": True}, {1: "out_of_memory"}, id="memory"
        ),
        pytest.param(starting(A), {"running": False, "exit_code": 1}, {1: "start_failed"}, id="died on start"),
        pytest.param(starting(A), {"running": False}, {}, id="made, and not started yet"),
        pytest.param(stopping(A), {"running": False, "exit_code": 0}, {}, id="stopping anyway"),
    ],
)
def test_it_notices_sandboxes_that_died(
    view: SessionView, sandbox: dict[str, Any] | None, ends: dict[int, str]
) -> None:
    boxes = [] if sandbox is None else [box(A, **sandbox)]
    assert ended(decide([view], boxes=boxes)) == ends


@pytest.mark.parametrize(
    ("view", "age", "orphans"),
    [
        pytest.param(None, ORPHAN_GRACE - 1, (), id="unknown and young: a database may be being restored"),
        pytest.param(None, ORPHAN_GRACE, ("box-1",), id="unknown and old"),
        pytest.param(session(A, State.GONE), 0, ("box-1",), id="its session is gone"),
        pytest.param(stopping(A), 999, (), id="its teardown removes it"),
        pytest.param(starting(A), 999, (), id="its launch owns it"),
        pytest.param(ready(A), 999, (), id="in use"),
    ],
)
def test_it_removes_only_sandboxes_of_nobody(view: SessionView | None, age: float, orphans: tuple[str, ...]) -> None:
    assert decide([view] if view else [], boxes=[box(A, age=age)]).orphans == orphans


@pytest.mark.parametrize(
    ("since", "taken_up", "again"),
    [
        pytest.param(4, 4, False, id="just asked for"),
        pytest.param(5, 5, True, id="nobody heard"),
        pytest.param(99, 29, False, id="somebody is at it"),
        pytest.param(99, 30, True, id="who was at it is dead"),
    ],
)
def test_a_teardown_is_asked_for_until_it_is_done(since: float, taken_up: float, again: bool) -> None:
    todo = decide([replace(stopping(A, since), attempted_at=ago(taken_up))])
    assert todo.retry == ((A,) if again else ())


def test_lost_launches_are_taken_up_again() -> None:
    late = 60 + LATE.seconds
    assert decide([starting(A, late), starting(B, late - 1), starting(C, late, "queued")]).requeue == (A,)


def test_every_reason_has_a_sentence_for_people() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(reason.sentence.endswith(".") for reason in Reason)


# --- Custom containers ---

CUSTOM = replace(SPEC, custom=True)


def dead(pk: UUID, **fields: Any) -> SandboxView:
    return box(pk, running=False, **fields)


@pytest.mark.parametrize(
    ("one", "sandbox", "reason", "failure"),
    [
        pytest.param(leased(A), dead(A, exit_code=0), "exited", False, id="it left by itself"),
        pytest.param(leased(A), dead(A, exit_code=137, out_of_memory=True), "out_of_memory", False, id="memory"),
        pytest.param(leased(A), dead(A, relay_exit=UNHEALTHY_EXIT), "unhealthy", False, id="its probes failed"),
        pytest.param(leased(A), dead(A, relay_exit=137), "killed", False, id="the relay was killed"),
        pytest.param(leased(A), dead(A), "killed", False, id="a part is gone"),
        pytest.param(leased(A), dead(A, exit_code=1, relay_exit=UNHEALTHY_EXIT), "exited", False, id="first the cause"),
        pytest.param(starting(A), dead(A, exit_code=0), "start_failed", True, id="before it was ready"),
        pytest.param(starting(A), dead(A, relay_exit=2), "start_failed", True, id="a relay that cannot start"),
        pytest.param(ready(A), dead(A, exit_code=1), "exited", True, id="soon after it was ready"),
        pytest.param(ready(A, age=STEADY + 1), dead(A, exit_code=1), "exited", False, id="long after it was ready"),
        pytest.param(ready(A, revision=1), dead(A, exit_code=1), "exited", False, id="of other settings"),
    ],
)
def test_a_container_that_ends_is_told_why(one: SessionView, sandbox: SandboxView, reason: str, failure: bool) -> None:
    todo = decide([one], CUSTOM, [sandbox])
    assert [(end.reason.value, end.failure) for end in todo.ends] == [(reason, failure)]
    if failure:
        assert todo.launch == 0, "it backs off first"


def test_a_container_that_is_being_made_has_not_ended() -> None:
    assert ended(decide([starting(A)], CUSTOM, [dead(A)])) == {}


def test_its_last_words_are_part_of_the_detail() -> None:
    (end,) = decide([leased(A)], CUSTOM, [dead(A, exit_code=1, last_words="no database")]).ends
    assert end.detail == "exit code 1\nno database"


def test_until_exit_there_is_no_cooldown() -> None:
    idle = leased(A, age=3000, used=2000)
    quiet = {A: Activity(False, ago(2000))}
    assert ended(decide([idle], CUSTOM, activity=quiet)) == {1: "cooldown"}
    assert ended(decide([idle], replace(CUSTOM, until_exit=True), activity=quiet)) == {}
    assert ended(decide([leased(A, age=3600)], replace(CUSTOM, until_exit=True))) == {1: "max_alive"}


@pytest.mark.parametrize(
    ("one", "steady"),
    [
        (ready(A, age=STEADY), True),
        (leased(A, age=STEADY), True),
        (ready(A, age=STEADY - 1), False),
        (ready(A, age=STEADY, revision=1), False),
        (starting(A, age=50), False),
    ],
)
def test_an_instance_that_stands_is_steady(one: SessionView, steady: bool) -> None:
    assert decide([one]).steady is steady


def test_relay_and_plan_agree_on_what_unhealthy_is() -> None:
    from interpreters.agent import relay

    assert relay.UNHEALTHY_EXIT == UNHEALTHY_EXIT
