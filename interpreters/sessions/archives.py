"""Archives of what a person or a tenant has, and the erasure of either, for programs."""

from typing import IO, Any
from uuid import UUID

from django.contrib.auth import get_user_model

from interpreters.sessions import access, problems
from tenants import erasing, exporting
from tenants.authentication import Actor
from tenants.models import Archive, Erasure, Role, Scope
from tenants.threads import in_thread


@in_thread
def create(actor: Actor, *, whole: bool) -> Archive:
    """Of one's own data, or of the whole tenant's, which is its owners'. Raises Problem."""
    _may_ask(actor)
    if whole:
        _owner(actor)
    try:
        return exporting.ask(actor.tenant, by=actor.user, user=None if whole else actor.user)
    except exporting.NoRoom as full:
        raise problems.Unavailable(str(full), "no_space", retry_after=3600) from full


@in_thread
def list_of(actor: Actor) -> list[Archive]:
    _may_ask(actor)
    return list(_rows(actor)[:100])


@in_thread
def get(actor: Actor, archive: UUID) -> Archive:
    return _find(actor, archive)


@in_thread
def content(actor: Actor, archive: UUID) -> tuple[Archive, IO[bytes]]:
    """Its file. Raises Problem."""
    found = _find(actor, archive)
    try:
        file = exporting.opened(found)
    except FileNotFoundError:
        message = f"This archive is not ready: it is {found.state}. {found.progress}".strip()
        raise problems.Conflict(message, "not_ready") from None
    return found, file


@in_thread
def delete(actor: Actor, archive: UUID) -> None:
    exporting.remove(_find(actor, archive))


@in_thread
def erase(actor: Actor, person: str, confirm: str) -> Erasure:
    """The whole tenant, by its short name, or a person, by theirs: `confirm` repeats it. Raises Problem."""
    _may_ask(actor)
    name = person or actor.tenant.slug
    if not person or person != actor.user.get_username():
        access.allowed(actor, Scope.ADMIN)
        _owner(actor)
    user = get_user_model().objects.filter(username=person, memberships__tenant=actor.tenant).first()
    if person and user is None:
        raise problems.NotFound(f"There is no member named {person!r:.80}.")
    if confirm != name:
        raise problems.BadRequest(f"Nothing was erased: set `confirm` to {name!r:.80}.", "not_confirmed")
    try:
        return erasing.begin(actor.tenant, user=user, by=actor.user)
    except erasing.CannotErase as refusal:
        raise problems.Conflict(str(refusal), "cannot_erase") from refusal


def _may_ask(actor: Actor) -> None:
    """With a token, only one that may do everything: a narrow one that leaked takes nothing away."""
    if actor.token is not None:
        access.allowed(actor, Scope.ADMIN)


def _owner(actor: Actor) -> None:
    if actor.role != Role.OWNER:
        raise problems.NotAllowed(f"This is for owners of {actor.tenant}: ask one.", "owners_only")


def _rows(actor: Actor) -> Any:
    return Archive.objects.for_person(actor.tenant, actor.user, owner=actor.role == Role.OWNER)


def _find(actor: Actor, archive: UUID) -> Archive:
    _may_ask(actor)
    found: Archive | None = _rows(actor).filter(pk=archive).first()
    if found is None:
        raise problems.NotFound("There is no such archive: it may have expired, or be somebody else's.")
    return found
