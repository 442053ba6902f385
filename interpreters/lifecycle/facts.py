"""What a decision is made from, and what it is: plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from interpreters.lifecycle.states import Reason, State

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
# A ready instance that dies within so many seconds, held by nobody, is a failure of its image; one that stands for so
# long shows that the image is well again.
STEADY = 60.0
# From so many failures in a row a pool is called degraded.
DEGRADED_AFTER = 3
# What a relay exits with when the container's liveness probe has failed too often; `agent/relay.py` says the same.
UNHEALTHY_EXIT = 86
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
    failures: int = 0  # failed launches in a row, and ready instances that died soon
    custom: bool = False  # a tenant's own container: it may end by itself
    until_exit: bool = False  # no cooldown: it lives until it ends by itself
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
    relay_exit: int | None = None
    last_words: str = ""  # of one that has ended

    @property
    def ended(self) -> bool:
        """It ran, and does not any more. What was made and not yet started has no exit code."""
        return not self.running and (self.exit_code is not None or self.relay_exit is not None)


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
    failure: bool = False  # it tells against the image: back off


@dataclass(frozen=True, slots=True)
class Plan:
    launch: int = 0  # reserve so many new rows
    ends: tuple[End, ...] = ()
    requeue: tuple[UUID, ...] = ()  # launches whose worker died
    retry: tuple[UUID, ...] = ()  # teardowns whose worker died
    used: Mapping[UUID, datetime] = field(default_factory=dict)  # sessions used later than their row knows
    orphans: tuple[str, ...] = ()  # handles of sandboxes that belong to nobody
    steady: bool = False  # an instance has stood long enough: earlier failures are forgotten
