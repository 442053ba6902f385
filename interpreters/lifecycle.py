"""What a pool should do next, decided without a clock, a database or an engine.

`plan()` takes what is (sessions and sandboxes) and what should be (a PoolSpec) and returns what to do.
Doing it is a thin loop elsewhere; so every decision about sandboxes can be read, and tested, here.

The order of observation matters: sandboxes are listed first and rows are read after. A row is always written
before its sandbox is made, so a listed sandbox without a row is nobody's, and a row that became ready after the
list was taken is not lost.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    LEASED = "leased"
    STOPPING = "stopping"
    GONE = "gone"


OPEN = (State.STARTING, State.READY, State.LEASED)  # may still become, or is, somebody's session
LIVE = (*OPEN, State.STOPPING)  # there is, or may be, a sandbox


class Phase(StrEnum):
    """How far a launch is."""

    QUEUED = "queued"
    CREATING = "creating"
    STARTING_KERNEL = "starting kernel"


class Reason(StrEnum):
    """Why a session ended, in one word each; `sentence` is for people."""

    COOLDOWN = "cooldown"
    MAX_ALIVE = "max_alive"
    CLOSED = "closed"
    SURPLUS = "surplus"
    OUTDATED = "outdated"
    START_FAILED = "start_failed"
    START_TIMEOUT = "start_timeout"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    LOST = "lost"
    MISBEHAVED = "misbehaved"
    SHUTDOWN = "shutdown"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]


SENTENCES = {
    Reason.COOLDOWN: "The session was idle for too long and has ended. Run a cell to start a new one.",
    Reason.MAX_ALIVE: "The session reached its longest allowed life and has ended. Run a cell to start a new one.",
    Reason.CLOSED: "The session was closed.",
    Reason.SURPLUS: "The pool no longer needed this instance.",
    Reason.OUTDATED: "The pool's settings or image changed; this instance was replaced.",
    Reason.START_FAILED: "The sandbox could not be started. Try again; if it keeps failing, ask an administrator.",
    Reason.START_TIMEOUT: "The sandbox did not start in time. Try again.",
    Reason.OUT_OF_MEMORY: "The sandbox used more memory than its pool allows and was ended. "
    "Work on less data at a time, or use a larger pool.",
    Reason.KILLED: "The sandbox's own processes were killed, so the session has ended. Run a cell to start a new one.",
    Reason.LOST: "The sandbox was lost, so the session has ended. Run a cell to start a new one.",
    Reason.MISBEHAVED: "The sandbox sent data that makes no sense and was ended. Run a cell to start a new one.",
    Reason.SHUTDOWN: "The server was shut down and has ended the session.",
}

# A sandbox that no row knows may belong to a database that is just being restored: it gets this long.
ORPHAN_GRACE = 60.0
# Clocks of two machines may differ by this much.
SKEW = timedelta(seconds=2)
# A launch ends by itself after `start_timeout`; whoever is this much later than that is dead.
LATE = timedelta(seconds=10)
# Seconds after which a teardown that nobody took up is asked for again: the broker may have been away.
UNHEARD = 5.0
# A row that has not come to life after so many start timeouts, for whatever reason, is given up.
GIVE_UP_AFTER = 3
# An agent that does not answer may be slow because its sandbox is busy: it is believed dead after this much more.
SILENCE = timedelta(seconds=60)


class Health(Protocol):
    """What an agent says of itself; `interpreters.client.base.Health` is one."""

    @property
    def state(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def busy(self) -> bool: ...
    @property
    def last_activity(self) -> float: ...


# Asks agents, all at once and bounded in time, and answers for those that answered.
Ask = Callable[[Sequence[UUID]], Mapping[UUID, Health]]


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What should be. Times in seconds."""

    ready_instances: int
    max_concurrent: int
    cooldown: int
    max_alive: int
    revision: int
    start_timeout: float
    stop_timeout: float
    enabled: bool = True  # False: drain what nobody holds
    launchable: bool = True  # False: its image is not there
    failures: int = 0  # failed launches in a row
    retry_at: datetime | None = None  # no launch before this


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session's row, as far as decisions need it."""

    id: UUID
    state: State
    held: bool
    revision: int
    phase: str
    created_at: datetime
    state_since: datetime
    attempted_at: datetime
    leased_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SandboxView:
    """What the engine says of one sandbox."""

    handle: str
    session: UUID
    running: bool
    age: float  # seconds
    exit_code: int | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """What an agent says of its use."""

    busy: bool
    last: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """What is. `at`: when the engine was asked. `activity`: of idle sessions whose agent answered."""

    at: datetime
    sandboxes: Sequence[SandboxView] = ()
    activity: Mapping[UUID, Activity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """End this session, if it is still in this state and was last used when we looked."""

    session: UUID
    state: State
    reason: Reason
    detail: str = ""
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    launch: int = 0  # reserve so many new rows
    ends: tuple[End, ...] = ()
    requeue: tuple[UUID, ...] = ()  # launches whose worker died
    retry: tuple[UUID, ...] = ()  # teardowns whose worker died
    used: Mapping[UUID, datetime] = field(default_factory=dict)  # sessions used later than their row knows
    orphans: tuple[str, ...] = ()  # handles of sandboxes that belong to nobody


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
    return Plan(
        launch=_missing(spec, staying, len(live), now),
        ends=tuple(ends),
        requeue=tuple(s.id for s in staying if _launch_lost(spec, s, now)),
        retry=tuple(s.id for s in staying if _teardown_lost(spec, s, now)),
        used=dict(_used_later(staying, seen, now)),
        orphans=tuple(_orphans(sessions, seen)),
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
    # A sandbox that was made and not yet started is not running either, but it has no exit code.
    if sandbox and not sandbox.running and (sandbox.exit_code is not None or session.state != State.STARTING):
        died = Reason.START_FAILED if session.state == State.STARTING else Reason.KILLED
        return end(Reason.OUT_OF_MEMORY if sandbox.out_of_memory else died, f"exit code {sandbox.exit_code}")
    if not session.held and session.revision != spec.revision:
        return end(Reason.OUTDATED)
    if session.state == State.STARTING:
        late = _past(session.created_at, GIVE_UP_AFTER * spec.start_timeout, now)
        return end(Reason.START_TIMEOUT, f"still {session.phase}") if late else None
    if sandbox is None and session.state_since < seen.at - SKEW:
        return end(Reason.LOST, "the engine no longer lists it")
    if session.state == State.LEASED:
        if session.leased_at and _past(session.leased_at, spec.max_alive, now):
            return end(Reason.MAX_ALIVE)
        if _cooled_down(spec, session, seen.activity.get(session.id), now):
            return end(Reason.COOLDOWN)
    return None


def _cooled_down(spec: PoolSpec, session: SessionView, activity: Activity | None, now: datetime) -> bool:
    if not idle_since(session.last_used_at, spec.cooldown, now):
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
    taken_up = session.state == State.STARTING and session.phase != Phase.QUEUED
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
