"""Opening, listing and ending sessions, and the words for what they are doing."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from prometheus_client import Counter, Histogram

from interpreters.auditing import session_opened
from interpreters.lifecycle import Phase, Reason, State
from interpreters.models import BadIdentifier, Lease, NoInstance, QuotaReached, Session, SessionPool
from interpreters.models.lease import kept_files
from interpreters.notices import aside
from interpreters.sessions import access, budget, guards, problems
from tenants import quotas
from tenants.audit import Action, record
from tenants.authentication import Actor
from tenants.models import ApiToken, Scope
from tenants.threads import in_thread

LEASE_SECONDS = Histogram(
    "thermae_lease_seconds",
    "The lease of a session, by whether it was live, ready, ready but without kept files, or has to be started.",
    ("pool", "kind"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
COLD_STARTS = Counter("thermae_cold_starts", "Leases for which nothing was ready.", ("pool",))

SHORTEST_TOKEN, LONGEST_TOKEN = 60, 24 * 3600  # seconds
# The newest sessions that a list shows.
LISTED = 200


@in_thread
def pools(actor: Actor) -> list[SessionPool]:
    """Those that the tenant may use, counted (see `SessionPool.objects.with_counts`)."""
    access.allowed(actor, Scope.POOLS_READ)
    return [pool for pool in SessionPool.objects.counted(actor.tenant) if actor.uses(pool.name)]


def find_or_lease(actor: Actor, pool: str, identifier: str, *, again: bool = False) -> Lease:
    """The tenant's session of `identifier`: the live one, a ready instance, or a cold start. Raises Problem.

    `again`: one that was refused is asked for once more, which is audited once only.
    """
    access.allowed(actor, Scope.SESSIONS_USE)
    found = access.find_pool(actor, pool, identifier)
    if not guards.passes(actor, identifier):
        raise problems.NotFound("This identifier belongs to a notebook that you may not run: ask its owner.")
    if actor.only_pools and _brings_files_of_others(actor, found, identifier):
        raise problems.NotFound("Files of another pool are kept under this identifier: use another one.")
    began = time.perf_counter()
    try:
        lease = found.lease(actor.tenant, actor.user, identifier)
    except (BadIdentifier, NoInstance) as refusal:
        if not again:
            name = f"{pool}/{identifier}"
            record(Action.SESSION_REFUSED, tenant=actor.tenant, about=found, name=name, why=str(refusal))
            if isinstance(refusal, QuotaReached) and refusal.standing:
                quotas.note(actor.tenant, refusal.standing, refused=True)
        raise problems.of_pool(refusal) from refusal
    if lease.fresh:
        who = actor.who
        aside(lambda: session_opened(lease.session, who))
    kind = "live" if not lease.fresh else "cold" if lease.cold else "ready"
    if lease.fresh and lease.session.phase == Phase.WAITING_FOR_FILES:
        kind = "files"  # it was ready, and waits for what was kept
    LEASE_SECONDS.labels(pool, kind).observe(time.perf_counter() - began)
    if kind == "cold":
        COLD_STARTS.labels(pool).inc()
    return lease


def _brings_files_of_others(actor: Actor, pool: SessionPool, identifier: str) -> bool:
    """Whether a lease would put back files of pools that a token does not name."""
    kept = kept_files(pool, {"tenant": actor.tenant, "identifier": identifier})
    return kept is not None and not access.workspaces_of(actor).filter(pk=kept.pk).exists()


open = in_thread(find_or_lease)


@in_thread
def list_open(actor: Actor) -> list[Session]:
    """The tenant's sessions that are starting or running, newest first."""
    access.allowed(actor, Scope.SESSIONS_USE)
    rows = access.sessions_of(actor).open().select_related("pool__image")
    newest = rows.order_by("-created_at")[:LISTED]
    mine = guards.passing(actor, (row.identifier for row in newest))
    return [row for row in newest if row.identifier in mine]


async def keep_alive(actor: Actor, session: UUID) -> Session:
    """Count as used now, as if code had run."""
    await budget.check(actor)
    return await _keep_alive(actor, session)


@in_thread
def _keep_alive(actor: Actor, session: UUID) -> Session:
    found = access.find(actor, session)
    if not found.touch():
        raise access.not_running(found)
    return found


@in_thread
def close(actor: Actor, session: UUID) -> Session:
    """End a session; one that is ending already is left to it."""
    found = access.find(actor, session)
    found.end(Reason.CLOSED)
    return found


@in_thread
def issue_token(actor: Actor, session: UUID, lifetime: int) -> tuple[ApiToken, str]:
    """A token that opens this session only, for `lifetime` seconds and no longer than the one that makes it, and its
    secret."""
    found = access.find(actor, session)
    access.allowed(actor, Scope.SESSIONS_USE)  # a token of one session makes no others
    if not SHORTEST_TOKEN <= lifetime <= LONGEST_TOKEN:
        raise problems.BadRequest(f"`lifetime` must be {SHORTEST_TOKEN} to {LONGEST_TOKEN} seconds.")
    return ApiToken.issue(
        tenant=actor.tenant,
        user=actor.user,
        name=f"session {found.identifier}"[:100],
        scopes=[Scope.SESSIONS_USE],
        session=found.pk,
        maker=actor.token,
        **_limits(actor.token, timezone.now() + timedelta(seconds=lifetime)),
    )


def _limits(maker: ApiToken | None, ends: datetime) -> dict[str, Any]:
    """As far as its maker's go now: what that loses later counts when it is used."""
    if maker is None:
        return {"expires_at": ends}
    return {
        "pools": maker.pools,
        "networks": maker.networks,
        "expires_at": min(ends, maker.expires_at or ends),
    }


def describe(session: Session) -> dict[str, Any]:
    """What a session is doing, for the wire. Asks the database for a place in the queue: not for an event loop."""
    position = session.position
    return {
        "id": str(session.pk),
        "pool": session.pool.name,
        "language": session.pool.image.language,
        "identifier": session.identifier,
        "state": str(session.state),
        "phase": session.phase,
        "position": position,
        "created_at": session.created_at.timestamp(),
        "expires_at": session.expires_at.timestamp() if session.expires_at else None,
        "ends_at": session.hard_end.timestamp() if session.hard_end else None,
        "cooldown": session.pool.cooldown,
        "reason": session.reason,
        # What a sandbox said last is for who owns the pool; the holder is told the first line, which is ours.
        "detail": session.detail.partition("\n")[0] if session.reason in TOLD else "",
        "message": _sentence(session, position),
    }


async def described(session: Session) -> dict[str, Any]:
    """`describe()` for an event loop. A session must have its pool and image; only a queued one asks the database."""
    if session.phase == Phase.QUEUED:
        return await in_thread(describe)(session)
    return describe(session)


# Reasons whose detail is of use to the holder.
TOLD = (Reason.KILLED, Reason.OUT_OF_MEMORY, Reason.EXITED, Reason.UNHEALTHY)
STARTING: Mapping[str, str] = {
    Phase.QUEUED: "Waiting for its turn to start.",
    Phase.CREATING: "The sandbox is being created.",
    Phase.STARTING_KERNEL: "The kernel is starting.",
    Phase.STARTING_CONTAINER: "The container is starting.",
    Phase.WAITING_FOR_FILES: "The kept files are put back.",
    Phase.RESTORING: "The kept files are put back.",
}


def _sentence(session: Session, position: int) -> str:
    if session.state != State.STARTING:
        return session.message
    if position > 1:
        return f"Waiting to start: {position - 1} before it in the queue."
    return STARTING.get(session.phase, "")
