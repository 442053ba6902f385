"""Back into a new sandbox, before its holder uses it. The session is `starting` meanwhile, so everybody waits."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import IO
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError
from interpreters.lifecycle import Phase, State
from interpreters.models import Session, Workspace
from interpreters.workspaces.saving import HEARTBEAT
from interpreters.workspaces.storage import open_content

logger = logging.getLogger(__name__)

CHUNK = 256 * 1024
WAITING = {"state": State.STARTING, "phase": Phase.WAITING_FOR_FILES}


def waiting(session: Session | None = None) -> list[UUID]:
    """Sessions that wait for their files; those that wait for what this one was saving."""
    found = Session.objects.filter(**WAITING)
    if session is not None:
        found = found.filter(tenant=session.tenant_id, identifier=session.identifier)
    return list(found.values_list("pk", flat=True))


class _Ended(Exception):
    """The session does not wait any more."""


def restore(session_id: UUID) -> bool:
    """Put the kept files back and hand the session over. False if it must wait on, or nobody waits.

    A session whose files cannot be put back is handed over without them: they stay where they are, and are not saved
    over.
    """
    session = Session.objects.filter(pk=session_id, **WAITING).select_related("pool__image").first()
    if session is None or session.tenant_id is None:
        return False
    workspace = Workspace.objects.of(session.tenant_id, session.identifier)
    if workspace and workspace.enabled and workspace.is_being_saved(session):
        return False  # asked again when that is over
    taken_up = {"phase": Phase.RESTORING, "attempted_at": timezone.now()}
    if not session.move(State.STARTING, State.STARTING, given={"phase": Phase.WAITING_FOR_FILES}, **taken_up):
        return False
    try:
        if workspace and workspace.enabled and workspace.content:
            _put_back(session, workspace)
    except _Ended:
        return False
    now = timezone.now()
    given = {"phase": Phase.RESTORING}
    return session.move(State.STARTING, State.LEASED, given=given, phase="", leased_at=now, last_used_at=now)


def _put_back(session: Session, workspace: Workspace) -> None:
    began = time.monotonic()
    try:
        with open_content(workspace) as file:
            files = client.ask(session.pk, lambda agent: _send(agent, session, file))
    except (AgentError, OSError, TimeoutError) as error:  # a timeout is an OSError; it is named for the reader
        logger.error("workspace %s could not be put back in session %s: %r", workspace, session.pk, error)
        workspace.not_restored()
    else:
        workspace.restored(session.pk)
        logger.info("workspace %s: %d files put back in %.2f s", workspace, files, time.monotonic() - began)


async def _send(agent: Agent, session: Session, file: IO[bytes]) -> int:
    async with asyncio.timeout(settings.WORKSPACE_SECONDS):
        return await agent.restore(_chunks(session, file))


async def _chunks(session: Session, file: IO[bytes]) -> AsyncIterator[bytes]:
    """The loop is this transfer's alone: reading and telling may block it."""
    told = time.monotonic()
    while chunk := file.read(CHUNK):
        yield chunk
        if time.monotonic() - told > HEARTBEAT:
            await asyncio.to_thread(_still_waits, session.pk)
            told = time.monotonic()


def _still_waits(session: UUID) -> None:
    """Say that we are at it. Raises _Ended if nobody waits: writing on would be into somebody's work."""
    row = Session.objects.filter(pk=session, state=State.STARTING, phase=Phase.RESTORING)
    if not row.update(attempted_at=timezone.now()):
        raise _Ended
