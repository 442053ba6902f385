"""The states of a session, how far its launch is, and why it ended."""

from enum import StrEnum


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
    STARTING_CONTAINER = "starting container"
    # Its sandbox is ready; what its holder has kept is not in it yet.
    WAITING_FOR_FILES = "waiting for files"
    RESTORING = "restoring files"


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
    EXITED = "exited"
    UNHEALTHY = "unhealthy"
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
    Reason.EXITED: "The container ended by itself. Open a new session to start another.",
    Reason.UNHEALTHY: "The container failed its health checks and was ended. Open a new session to start another.",
    Reason.LOST: "The sandbox was lost, so the session has ended. Run a cell to start a new one.",
    Reason.MISBEHAVED: "The sandbox sent data that makes no sense and was ended. Run a cell to start a new one.",
    Reason.SHUTDOWN: "The server was shut down and has ended the session.",
}
