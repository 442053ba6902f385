"""Files that outlive a session: when they are saved while it lives, and what people do with what is kept."""

import asyncio
from contextvars import Context
from typing import IO
from uuid import UUID

from django.conf import settings

from interpreters.auditing import downloaded_kept
from interpreters.lifecycle import State
from interpreters.models import BadIdentifier, Session, Workspace
from interpreters.models.lease import IDENTIFIER
from interpreters.models.session import SessionQuerySet
from interpreters.sessions import access, guards, problems
from interpreters.tasks import enqueue, save_files
from interpreters.workspaces import open_content, remove_content
from tenants.audit import Action, record
from tenants.authentication import Actor
from tenants.models import Scope
from tenants.threads import in_thread

# Sessions whose files are about to be saved: whatever changes until then is in it.
_soon: dict[UUID, asyncio.Task[None]] = {}
# The most workspaces that a list shows.
LISTED = 500


def soon(session: UUID) -> None:
    """Something may have changed a session's files: have them saved in a few seconds, if they are kept at all."""
    if session not in _soon:
        # In a context of its own: that of a page's request would make it a thread, and a connection, of its own.
        _soon[session] = asyncio.create_task(_save_later(session), context=Context())


async def _save_later(session: UUID) -> None:
    try:
        await asyncio.sleep(settings.WORKSPACE_SAVE_AFTER)
    finally:
        del _soon[session]
    await _ask(session)


@in_thread
def _ask(session: UUID) -> None:
    holder = Session.objects.filter(pk=session, state=State.LEASED).values_list("tenant", "identifier").first()
    if holder and Workspace.objects.filter(tenant=holder[0], identifier=holder[1], enabled=True).exists():
        enqueue(save_files, str(session))


# --- What people do ---


@in_thread
def list_kept(actor: Actor, identifier: str = "") -> list[Workspace]:
    """The workspaces that this actor may use, or the one of an identifier; the last used first."""
    access.allowed(actor, Scope.SESSIONS_USE)
    rows = access.workspaces_of(actor).order_by("-used_at")
    names = list((rows.filter(identifier=identifier) if identifier else rows).values_list("identifier", flat=True))
    mine = guards.passing(actor, names)
    return list(rows.filter(identifier__in=[name for name in names if name in mine][:LISTED]))


def find(actor: Actor, workspace: UUID) -> Workspace:
    access.allowed(actor, Scope.SESSIONS_USE)
    found = access.workspaces_of(actor).filter(pk=workspace).first()
    if found is None or not guards.passes(actor, found.identifier):
        raise problems.NotFound("There is no such workspace: it may never have been, or be another's.")
    return found


get = in_thread(find)


@in_thread
def content(actor: Actor, workspace: UUID) -> tuple[Workspace, IO[bytes]]:
    """What is kept, open to be read. Raises Problem if nothing is."""
    found = find(actor, workspace)
    try:
        opened = open_content(found)
    except FileNotFoundError:
        raise problems.NotFound("Nothing is kept here yet.", "nothing_kept") from None
    downloaded_kept(actor, found)
    return found, opened


@in_thread
def keep(actor: Actor, identifier: str, enabled: bool) -> Workspace:
    """Keep the files of an identifier's sessions from now on, or no longer. What is kept stays either way."""
    access.allowed(actor, Scope.SESSIONS_USE)
    if not IDENTIFIER.fullmatch(identifier):
        raise problems.of_pool(BadIdentifier())
    if not guards.passes(actor, identifier):
        raise problems.NotFound("This identifier belongs to a notebook that you may not run: ask its owner.")
    # One that is there already may have files of a pool that a token does not name.
    workspace = find(actor, Workspace.objects.keep(actor.tenant, identifier).pk)
    if workspace.enabled != enabled:
        workspace.enabled = enabled
        workspace.save(update_fields=["enabled"])
    if enabled and (session := _running(access.sessions_of(actor), identifier)):
        enqueue(save_files, str(session.pk))
    return workspace


@in_thread
def save(actor: Actor, workspace: UUID, replace: bool = False) -> Workspace:
    """Have the files of the running session saved. `replace`: also over kept ones that this session has not got."""
    found = find(actor, workspace)
    session = _running(access.sessions_of(actor), found.identifier)
    if not found.enabled:
        raise problems.Conflict("The files of this identifier are not kept: switch that on first.", "not_kept")
    if session is None:
        raise problems.Ended("No session of this identifier runs, so there is nothing new to save.")
    if not (replace or found.belongs_to(session.pk)):
        raise problems.Conflict(
            "Other files are kept under this name, which this session has not got: download them first, "
            "then replace them by this session's.",
            "other_files",
        )
    enqueue(save_files, str(session.pk), replace)
    return found


@in_thread
def forget(actor: Actor, workspace: UUID) -> None:
    """Delete what is kept. The running session's files stay, and are saved again if that is still wanted."""
    found = find(actor, workspace)
    remove_content(found.forget())
    why = "what was kept is deleted"
    record(Action.WORKSPACE_CHANGED, who=actor.who, tenant=actor.tenant, about=found, why=why)


@in_thread
def delete(actor: Actor, workspace: UUID) -> None:
    """Delete what is kept, and keep nothing more of this identifier."""
    found = find(actor, workspace)
    remove_content(found.forget())
    found.delete()


def _running(sessions: SessionQuerySet, identifier: str) -> Session | None:
    return sessions.filter(identifier=identifier, state=State.LEASED).order_by("-leased_at").first()


def holds(workspace: Workspace) -> bool | None:
    """Whether the running session may save; None if none runs."""
    session = _running(Session.objects.filter(tenant=workspace.tenant_id), workspace.identifier)
    return None if session is None else workspace.belongs_to(session.pk)
