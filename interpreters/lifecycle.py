"""What a pool should do next, decided without a clock, a database or an engine.

`plan()` takes what is (sessions and sandboxes) and what should be (a PoolSpec) and returns what to do.
Doing it is a thin loop elsewhere; so every decision about sandboxes can be read, and tested, here.
"""

from enum import StrEnum


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    LEASED = "leased"
    STOPPING = "stopping"
    GONE = "gone"


OPEN = (State.STARTING, State.READY, State.LEASED)  # may still become, or is, somebody's session
LIVE = (*OPEN, State.STOPPING)  # there is, or may be, a sandbox


class Reason(StrEnum):
    """Why a session ended, in one word each; `docs/protocol.md` has the sentence shown to people."""

    COOLDOWN = "cooldown"  # idle for the pool's cooldown
    MAX_ALIVE = "max_alive"  # reached its hard end
    CLOSED = "closed"  # its holder, or an admin, ended it
    SURPLUS = "surplus"  # a ready instance that the pool no longer needs
    OUTDATED = "outdated"  # a ready instance of an older revision of the pool
    START_FAILED = "start_failed"  # creating it failed
    START_TIMEOUT = "start_timeout"  # its launch was lost
    OUT_OF_MEMORY = "out_of_memory"  # the sandbox as a whole went over its memory
    KILLED = "killed"  # its processes were killed from inside
    LOST = "lost"  # the sandbox vanished from the engine
