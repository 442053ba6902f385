"""Bringing one session's sandbox to life: what `session.launch()` does.

The row may be ended, or taken up a second time, while we work: creating is idempotent by session id, every step
names the state it leaves, and who finds that the session has ended removes what was made.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from interpreters.lifecycle import Ask, Health, Phase, Reason, State
from interpreters.models.last_words import last_words
from interpreters.models.lease import kept_files
from interpreters.runtime.base import LaunchFailed, Runtime, RuntimeUnavailable

if TYPE_CHECKING:
    from interpreters.models.session import Session

logger = logging.getLogger(__name__)

POLL_INTERVAL = 0.05  # seconds between two questions to an agent that is starting
CHECK_EVERY = 10  # polls after which the row is looked at again


def launch(session: "Session", runtime: Runtime, ask: Ask) -> None:
    began = time.monotonic()
    try:
        handle = runtime.create(session.sandbox_spec).handle
    except LaunchFailed as failure:
        _fail(session, Reason.START_FAILED, str(failure))
        return
    except RuntimeUnavailable as silence:
        session.move(State.STARTING, State.STARTING, given={"phase": Phase.CREATING}, phase=Phase.QUEUED)
        session.pool.engine_failed(str(silence))
        raise
    phase = Phase.STARTING_CONTAINER if session.pool.image.custom else Phase.STARTING_KERNEL
    created: dict[str, Any] = {"phase": phase, "handle": handle, "attempted_at": timezone.now()}
    health = _wait(session, ask) if session.move(State.STARTING, State.STARTING, **created) else None
    if health and health.state != "ready":
        reason = Reason.START_FAILED if health.state == "failed" else Reason.START_TIMEOUT
        _fail(session, reason, f"{health.detail}\n{last_words(session.pool, runtime, handle)}".strip())
    elif health and _hand_over(session, seconds := time.monotonic() - began):
        session.pool.launched()
        session.pool.note_launch(seconds)
    else:
        _abandon(session, runtime, handle)


def _wait(session: "Session", ask: Ask) -> Health | None:
    """The agent's health once it is ready, failed or late; None if the session ended meanwhile."""
    health: Health = _Silent()
    deadline = time.monotonic() + settings.START_TIMEOUT
    polls = 0
    while health.state not in ("ready", "failed") and time.monotonic() < deadline:
        if polls:
            time.sleep(POLL_INTERVAL)
        if polls % CHECK_EVERY == CHECK_EVERY - 1 and not _still_starting(session):
            return None
        health = ask([session.pk]).get(session.pk, health)
        polls += 1
    return health


class _Silent:
    """The health of an agent that has not answered yet."""

    state = "starting"
    detail = "The agent did not answer."
    busy = False
    last_activity = 0.0


def _still_starting(session: "Session") -> bool:
    return type(session).objects.filter(pk=session.pk, state=State.STARTING).exists()


def _hand_over(session: "Session", seconds: float) -> bool:
    """To nobody, or to who holds it by now: each UPDATE says which of the two it found."""
    done = {"phase": "", "launch_seconds": seconds}
    if session.move(State.STARTING, State.READY, given={"tenant": None}, **done):
        return True
    now = timezone.now()
    held, done = {"tenant__isnull": False}, {**done, "cold_start": True}
    holder = {"tenant": session.tenant_id, "identifier": session.identifier}
    if session.tenant_id is not None and (kept := kept_files(session.pool, holder)) and kept.waits_for(session):
        waits = {**done, "phase": Phase.WAITING_FOR_FILES, "attempted_at": now}
        return session.move(State.STARTING, State.STARTING, given=held, **waits)
    return session.move(State.STARTING, State.LEASED, given=held, **done, leased_at=now, last_used_at=now)


def _fail(session: "Session", reason: Reason, detail: str) -> None:
    detail = session.pool.redacted(detail)
    if session.end(reason, detail, frm=State.STARTING):
        session.pool.launch_failed(detail or reason.sentence)


def _abandon(session: "Session", runtime: Runtime, handle: str) -> None:
    """The row is not starting any more. If it lives, another launch of it was quicker, and the sandbox is its own."""
    if session.state in (State.STOPPING, State.GONE):
        logger.info("session %s ended while it was started", session.pk)
        runtime.remove(handle)
