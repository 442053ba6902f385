"""From a sandbox into the folder of kept files. Everything that a sandbox says is bounded: its bytes, and its time."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import IO
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError, Survey
from interpreters.lifecycle import State
from interpreters.models import Session, Workspace
from interpreters.workspaces.storage import remove_content, writing

logger = logging.getLogger(__name__)

# Seconds between two signs of life while a session's end waits for its files.
HEARTBEAT = 2.0


class _TooLarge(Exception):
    """The sandbox sent more than may be kept."""


def save(session_id: UUID, *, replace: bool = False, alive: Callable[[], None] = lambda: None) -> bool:
    """Save the files of a session, if they are to be kept and have changed. Whether they are kept now, as they were.

    `replace`: even if others are kept, which this session has not got. `alive` is called now and then.
    """
    session = Session.objects.filter(pk=session_id, tenant__isnull=False).select_related("pool__image").first()
    if session is None or session.tenant_id is None or session.pool.image.custom:
        return False
    workspace = Workspace.objects.of(session.tenant_id, session.identifier)
    turn = workspace.begin(session.pk, replace=replace) if workspace else 0
    if workspace is None or not turn:
        return False
    try:
        return _save(workspace, turn, session.pk, alive)
    except (AgentError, TimeoutError) as silence:
        logger.warning("workspace %s was not saved: %r", workspace, silence)
        workspace.fail(turn, Workspace.Problem.FAILED)
    except OSError as error:
        logger.error("workspace %s was not saved: %s", workspace, error)
        workspace.fail(turn, Workspace.Problem.FAILED)
    except Workspace.DoesNotExist:
        logger.info("workspace %s was deleted while it was saved", workspace)
    return False


def save_last(session_id: UUID) -> None:
    """For a worker that tears a session down: who waits for that is told that we are at it."""

    def alive() -> None:
        Session.objects.filter(pk=session_id, state=State.STOPPING).update(attempted_at=timezone.now())

    save(session_id, alive=alive)


def _save(workspace: Workspace, turn: int, session: UUID, alive: Callable[[], None]) -> bool:
    began = time.monotonic()
    deadline = began + settings.WORKSPACE_SECONDS
    survey = client.ask(session, lambda agent: _survey(agent, deadline))
    if (survey.fingerprint == workspace.fingerprint and workspace.content) or not (survey.files or workspace.content):
        workspace.unchanged(turn)
        return True
    alive()
    most, room = workspace.most, workspace.room
    try:
        with writing() as (name, file):
            size = client.ask(session, lambda agent: _copy(agent, file, min(most, room), deadline, alive))
    except _TooLarge:
        problem = Workspace.Problem.QUOTA if most <= room else Workspace.Problem.TENANT_QUOTA
        logger.warning("workspace %s of tenant %s: %s", workspace, workspace.tenant_id, problem.label)
        workspace.fail(turn, problem, survey.largest)
        return False
    found = {"fingerprint": survey.fingerprint, "files": survey.files, "survey": _told(survey)}
    old = workspace.succeed(turn, session, name, size, found)
    remove_content(old)
    logger.info("workspace %s: %d bytes saved in %.2f s", workspace, size, time.monotonic() - began)
    return old != name


def _told(survey: Survey) -> dict[str, object]:
    told = asdict(survey)
    return {name: told[name] for name in ("bytes", "entries", "largest", "left_out", "omitted")}


async def _survey(agent: Agent, deadline: float) -> Survey:
    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
        return await agent.survey()


async def _copy(agent: Agent, file: IO[bytes], most: int, deadline: float, alive: Callable[[], None]) -> int:
    """The loop is this copy's alone: writing and telling may block it."""
    size, told = 0, time.monotonic()
    async with asyncio.timeout(max(0.0, deadline - time.monotonic())), agent.keep() as packed:
        async for chunk in packed.body:
            size += len(chunk)
            if size > most:
                raise _TooLarge
            file.write(chunk)
            if time.monotonic() - told > HEARTBEAT:
                await asyncio.to_thread(alive)
                told = time.monotonic()
    return size
