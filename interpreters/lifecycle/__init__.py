"""What a pool should do next, decided without a clock, a database or an engine.

`plan()` takes what is (sessions and sandboxes) and what should be (a PoolSpec) and returns what to do.
Doing it is a thin loop elsewhere; so every decision about sandboxes can be read, and tested, here.

The order of observation matters: sandboxes are listed first and rows are read after. A row is always written
before its sandbox is made, so a listed sandbox without a row is nobody's, and a row that became ready after the
list was taken is not lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from interpreters.lifecycle.facts import (
    DEGRADED_AFTER,
    GIVE_UP_AFTER,
    LATE,
    ORPHAN_GRACE,
    SILENCE,
    SKEW,
    STEADY,
    UNHEALTHY_EXIT,
    UNHEARD,
    Activity,
    Ask,
    End,
    Health,
    Observation,
    Plan,
    PoolSpec,
    SandboxView,
    SessionView,
)
from interpreters.lifecycle.states import LIVE, OPEN, SENTENCES, Phase, Reason, State
from interpreters.lifecycle.turns import PATIENCE, Waiting, in_turn, place_of

__all__ = [
    "DEGRADED_AFTER",
    "LATE",
    "LIVE",
    "OPEN",
    "ORPHAN_GRACE",
    "PATIENCE",
    "SENTENCES",
    "SILENCE",
    "STEADY",
    "UNHEALTHY_EXIT",
    "Activity",
    "Ask",
    "End",
    "Health",
    "Observation",
    "Phase",
    "Plan",
    "PoolSpec",
    "Reason",
    "SandboxView",
    "SessionView",
    "State",
    "Waiting",
    "idle_since",
    "in_turn",
    "place_of",
    "plan",
]


def idle_since(last_used_at: datetime | None, cooldown: int, now: datetime) -> bool:
    """Whether a leased session's row looks idle, so that its agent should be asked."""
    return last_used_at is not None and now - last_used_at >= timedelta(seconds=cooldown)


def plan(spec: PoolSpec, sessions: Sequence[SessionView], seen: Observation, now: datetime) -> Plan:
    """Decide. `sessions`: the pool's live rows, and the row of every listed sandbox that has one."""
    sandboxes = {sandbox.session: sandbox for sandbox in seen.sandboxes}
    live = [session for session in sessions if session.state != State.GONE]
    ends = [end for session in live if (end := _fate(spec, session, sandboxes.get(session.id), seen, now))]
    ended = {end.session for end in ends}
    staying = [session for session in live if session.id not in ended]
    ends += _surplus(spec, staying)
    failing = any(end.failure for end in ends)
    return Plan(
        launch=0 if failing else _missing(spec, staying, len(live), now),
        ends=tuple(ends),
        requeue=tuple(s.id for s in staying if _launch_lost(spec, s, now)),
        retry=tuple(s.id for s in staying if _teardown_lost(spec, s, now)),
        used=dict(_used_later(staying, seen, now)),
        orphans=tuple(_orphans(sessions, seen)),
        steady=not failing and any(_steady(spec, s, now) for s in staying),
    )


def _past(since: datetime, seconds: float, now: datetime) -> bool:
    return now - since >= timedelta(seconds=seconds)


def _fate(
    spec: PoolSpec, session: SessionView, sandbox: SandboxView | None, seen: Observation, now: datetime
) -> End | None:
    """Why this session must end, if it must."""

    def end(reason: Reason, detail: str = "") -> End:
        return End(session.id, session.state, reason, detail, session.last_used_at)

    if session.state == State.STOPPING:
        return None
    if sandbox and not sandbox.running and (sandbox.ended or session.state != State.STARTING):
        return replace(end(*_death(spec, session, sandbox)), failure=_tells_against_image(spec, session, now))
    if not session.held and session.revision != spec.revision:
        return end(Reason.OUTDATED)
    if session.state == State.STARTING:
        late = _past(session.state_since, GIVE_UP_AFTER * spec.start_timeout, now)
        return end(Reason.START_TIMEOUT, f"still {session.phase}") if late else None
    if sandbox is None and session.state_since < seen.at - SKEW:
        return end(Reason.LOST, "the engine no longer lists it")
    if session.state == State.LEASED:
        if session.leased_at and _past(session.leased_at, spec.max_alive, now):
            return end(Reason.MAX_ALIVE)
        if _cooled_down(spec, session, seen.activity.get(session.id), now):
            return end(Reason.COOLDOWN)
    return None


def _death(spec: PoolSpec, session: SessionView, sandbox: SandboxView) -> tuple[Reason, str]:
    """Why a sandbox runs no more, and the words for it: one line, then what it said last."""
    starting = session.state == State.STARTING
    if sandbox.exit_code is not None:
        by_itself = Reason.EXITED if spec.custom else Reason.KILLED
        reason, words = Reason.START_FAILED if starting else by_itself, f"exit code {sandbox.exit_code}"
        if spec.custom and starting:
            words = f"The container ended before it was ready: {words}."
    elif sandbox.relay_exit == UNHEALTHY_EXIT:
        reason, words = Reason.UNHEALTHY, "The liveness probe failed."
    elif sandbox.relay_exit is not None:
        reason, words = Reason.START_FAILED if starting else Reason.KILLED, f"relay's exit code {sandbox.relay_exit}"
    else:
        reason, words = Reason.KILLED, "a part of it is gone" if spec.custom else "exit code None"
    if sandbox.out_of_memory:
        reason = Reason.OUT_OF_MEMORY
    return reason, f"{words}\n{sandbox.last_words}".strip()


def _tells_against_image(spec: PoolSpec, session: SessionView, now: datetime) -> bool:
    """Whether a death counts as a failed launch. What a holder does to a session never does."""
    if session.revision != spec.revision or session.state == State.LEASED:
        return False
    return session.state == State.STARTING or not _past(session.state_since, STEADY, now)


def _steady(spec: PoolSpec, session: SessionView, now: datetime) -> bool:
    stands = session.state in (State.READY, State.LEASED) and session.revision == spec.revision
    return stands and _past(session.state_since, STEADY, now)


def _cooled_down(spec: PoolSpec, session: SessionView, activity: Activity | None, now: datetime) -> bool:
    if spec.until_exit or not idle_since(session.last_used_at, spec.cooldown, now):
        return False
    if activity is None:
        return idle_since(session.last_used_at, spec.cooldown, now - SILENCE)
    return not activity.busy and idle_since(activity.last, spec.cooldown, now)


def _used_later(staying: Sequence[SessionView], seen: Observation, now: datetime) -> Iterator[tuple[UUID, datetime]]:
    for session in staying:
        activity = seen.activity.get(session.id)
        if session.state == State.LEASED and activity and session.last_used_at:
            used = now if activity.busy else min(activity.last, now)  # an agent may claim any time
            if used > session.last_used_at:
                yield session.id, used


def _launch_lost(spec: PoolSpec, session: SessionView, now: datetime) -> bool:
    taken_up = session.state == State.STARTING and session.phase not in (Phase.QUEUED, Phase.WAITING_FOR_FILES)
    return taken_up and _past(session.attempted_at + LATE, spec.start_timeout, now)


def _teardown_lost(spec: PoolSpec, session: SessionView, now: datetime) -> bool:
    taken_up = session.attempted_at > session.state_since
    patience = spec.stop_timeout if taken_up else UNHEARD
    return session.state == State.STOPPING and _past(session.attempted_at, patience, now)


def _surplus(spec: PoolSpec, staying: Sequence[SessionView]) -> list[End]:
    """The oldest ready instances above the target; all that nobody holds where the pool is disabled."""
    target = spec.ready_instances if spec.enabled else 0
    states = (State.READY,) if spec.enabled else (State.READY, State.STARTING)
    spare = sorted((s for s in staying if s.state in states and not s.held), key=lambda s: s.created_at)
    return [End(s.id, s.state, Reason.SURPLUS) for s in spare[: max(0, len(spare) - target)]]


def _missing(spec: PoolSpec, staying: Sequence[SessionView], live: int, now: datetime) -> int:
    """How many instances to reserve. What is just ending still has its sandbox, so it counts against the maximum."""
    if not spec.enabled or not spec.launchable or (spec.retry_at and now < spec.retry_at):
        return 0
    starting = [s for s in staying if s.state == State.STARTING]
    coming = sum(not s.held for s in starting) + sum(s.state == State.READY for s in staying)
    missing = max(0, min(spec.ready_instances - coming, spec.max_concurrent - live))
    # After a failure one launch goes ahead alone: the others follow when it succeeds.
    return missing if not spec.failures else min(missing, 0 if starting else 1)


def _orphans(sessions: Sequence[SessionView], seen: Observation) -> Iterator[str]:
    """Sandboxes of rows that are gone, at once; of no row at all, once they are old enough to be sure."""
    known = {session.id: session.state for session in sessions}
    for sandbox in seen.sandboxes:
        state = known.get(sandbox.session)
        if state == State.GONE or (state is None and sandbox.age >= ORPHAN_GRACE):
            yield sandbox.handle
