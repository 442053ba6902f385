"""Ending one session's sandbox: what `session.tear_down()` does."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from interpreters.lifecycle import State
from interpreters.runtime.base import Runtime

if TYPE_CHECKING:
    from interpreters.models.session import Session

logger = logging.getLogger(__name__)


def tear_down(session: "Session", runtime: Runtime, collect: Callable[[UUID], object]) -> None:
    stopping = type(session).objects.filter(pk=session.pk, state=State.STOPPING)
    if not stopping.update(attempted_at=timezone.now()):
        session.refresh_from_db()
        return
    session.executions.take_out("aborted", session.message or "The session ended before this ran.")
    _collect(session, collect)
    for handle in _handles(session, runtime):
        runtime.remove(handle)
    session.executions.unfinished().update(status="lost", reason=session.message[:200], finished_at=timezone.now())
    session.move(State.STOPPING, State.GONE, ended_at=timezone.now())


def _collect(session: "Session", collect: Callable[[UUID], object]) -> None:
    """What is worth keeping is saved if it can be; a sandbox that resists is removed all the same."""
    if session.tenant_id is None:
        return
    try:
        collect(session.pk)
    except Exception:
        logger.exception("session %s: its last outputs or files could not be saved", session.pk)


def _handles(session: "Session", runtime: Runtime) -> list[str]:
    """The row's handle; if a launch died before it wrote one down, what the engine knows."""
    if session.handle:
        return [session.handle]
    listed = runtime.list(settings.INSTALLATION, session.pool_id)
    return [sandbox.handle for sandbox in listed if sandbox.session == session.pk]
