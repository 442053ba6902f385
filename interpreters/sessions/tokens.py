"""Tokens and service accounts, for programs: each verb is `tenants`', done in a thread, refused as Problems."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from interpreters.sessions import problems
from tenants import issuing, service_accounts
from tenants.authentication import Actor, NotAllowed
from tenants.issuing import BadWish, Wish
from tenants.models import ApiToken, CannotRotate, ServiceAccount
from tenants.threads import in_thread

LONGEST_OVERLAP = 7 * 24 * 3600  # seconds
LISTED = 500


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal
    except BadWish as refusal:
        kind = problems.Conflict if refusal.code in ("exists", "too_many", "too_many_tokens") else problems.BadRequest
        raise kind(refusal.message, refusal.code) from refusal
    except CannotRotate as refusal:
        raise problems.Conflict(str(refusal), "cannot_rotate") from refusal


# --- Tokens ---


def current(actor: Actor) -> ApiToken:
    """The token that is used. Raises Problem."""
    if actor.token is None:
        raise problems.BadRequest("You came with a cookie: send the token that is meant.", "no_token")
    return actor.token


def find_token(actor: Actor, token: UUID) -> ApiToken:
    """One that may be looked at. Synchronous. Raises Problem."""
    with _as_problems():
        found = issuing.visible(actor).filter(pk=token).first()
    if found is None:
        raise problems.NotFound("There is no such token: it may never have been, or not be yours.")
    return found


get_token = in_thread(find_token)


@in_thread
def list_tokens(actor: Actor, account: str = "", *, all_of_them: bool = False) -> list[ApiToken]:
    """The newest first; those that are over only where `all_of_them` is wanted. Raises Problem."""
    with _as_problems():
        rows = issuing.visible(actor)
    if account:
        rows = rows.filter(user__service_account=find_account(actor, account))
    return list((rows if all_of_them else issuing.valid(rows)).order_by("-created_at")[:LISTED])


@in_thread
def issue(actor: Actor, wish: Wish, account: str = "") -> tuple[ApiToken, str]:
    """`account`: the service account that it is for; of one's own without. Raises Problem."""
    speaks_for = find_account(actor, account) if account else None
    with _as_problems():
        return issuing.issue(actor, wish, speaks_for)


@in_thread
def rotate(actor: Actor, token: UUID | None, overlap: int) -> tuple[ApiToken, str]:
    """A successor with its secret; the former goes on for `overlap` seconds at most. None: the one that is used."""
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise problems.BadRequest(f"`overlap` must be 0 to {LONGEST_OVERLAP} seconds.")
    found = current(actor) if token is None else find_token(actor, token)
    with _as_problems():
        return issuing.rotate(actor, found, timedelta(seconds=overlap))


@in_thread
def revoke(actor: Actor, token: UUID) -> ApiToken:
    found = find_token(actor, token)
    found.revoke()
    return found


# --- Service accounts ---


def find_account(actor: Actor, name: str) -> ServiceAccount:
    with _as_problems():
        found = service_accounts.of(actor).filter(name=name).first()
    if found is None:
        raise problems.NotFound(f"Your tenant has no service account named {name!r:.80}.")
    return found


get_account = in_thread(find_account)


@in_thread
def list_accounts(actor: Actor) -> list[ServiceAccount]:
    with _as_problems():
        return list(service_accounts.of(actor))


@in_thread
def create_account(actor: Actor, name: str, role: str, purpose: str) -> ServiceAccount:
    with _as_problems():
        service_accounts.create(actor, name, role, purpose)
    return find_account(actor, name)


@in_thread
def change_account(
    actor: Actor, name: str, *, role: str | None, purpose: str | None, enabled: bool | None
) -> ServiceAccount:
    found = find_account(actor, name)
    with _as_problems():
        service_accounts.change(found, role=role, purpose=purpose, enabled=enabled)
    return find_account(actor, name)


@in_thread
def delete_account(actor: Actor, name: str) -> None:
    """With its tokens."""
    find_account(actor, name).delete()
