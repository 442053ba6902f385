"""Giving a session to an identifier, for good: what `pool.lease()` does.

The way of a ready instance is four SELECTs, the last of them for webhooks, and one UPDATE, and takes no lock where its
tenant has no quotas. Who has kept files waits for them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from interpreters.lifecycle import LIVE, OPEN, Phase, State
from interpreters.models import tenant_quotas
from interpreters.models.refusals import BadIdentifier, PoolFull, PoolUnavailable
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session
    from interpreters.models.workspace import Workspace

IDENTIFIER = re.compile(r"[A-Za-z0-9_.:@/+=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Lease:
    session: "Session"
    fresh: bool  # given by this call; False: the identifier had it already

    @property
    def cold(self) -> bool:
        """Nothing was ready: it is being started."""
        return self.session.state == State.STARTING


def lease(pool: "SessionPool", tenant: Tenant, user: "User | None", identifier: str) -> Lease:
    if not IDENTIFIER.fullmatch(identifier):
        raise BadIdentifier
    if session := _open_session(pool, tenant, identifier):
        return Lease(session, fresh=False)
    if not pool.enabled or pool.deleting:
        raise PoolUnavailable("This pool is switched off: use another one, or ask an administrator.", 60)
    if pool.lacks_egress:  # ready instances too: without its proxy a sandbox is not what the pool promises
        raise PoolUnavailable("This pool's network access is not available at the moment: try again later.", 30)
    holder = {"tenant": tenant, "user": user, "identifier": identifier}
    try:
        with tenant_quotas.room_for(pool, tenant, user):
            session = _take_ready(pool, holder) or _take_starting(pool, holder) or _start_cold(pool, holder)
    except IntegrityError:
        # The same identifier was given a session between our look and our UPDATE.
        if winner := _open_session(pool, tenant, identifier):
            return Lease(winner, fresh=False)
        raise PoolFull("The session of this identifier is just ending: try again.", 1) from None
    session.pool = pool  # spares a query for every use of it
    return Lease(session, fresh=True)


def _open_session(pool: "SessionPool", tenant: Tenant, identifier: str) -> "Session | None":
    session = pool.sessions.filter(tenant=tenant, identifier=identifier, state__in=OPEN).first()
    if session:
        session.pool = pool
    return session


def _take_ready(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session | None":
    """A ready instance by one conditional UPDATE. Who loses it to another caller takes the next."""
    ready = pool.sessions.filter(state=State.READY, pool_revision=pool.revision).order_by("created_at")
    workspace = kept_files(pool, holder)
    while candidates := list(ready[:8]):
        for session in candidates:
            now = timezone.now()
            if workspace and workspace.waits_for(session):
                waits: dict[str, Any] = {"phase": Phase.WAITING_FOR_FILES, "attempted_at": now}
                if session.move(State.READY, State.STARTING, **holder, **waits):
                    return session
            elif session.move(State.READY, State.LEASED, **holder, leased_at=now, last_used_at=now):
                return session
    return None


def kept_files(pool: "SessionPool", holder: Mapping[str, Any]) -> "Workspace | None":
    """What is to be put back before the holder uses a session of this pool, if anything."""
    from interpreters.models.workspace import Workspace

    workspace = Workspace.objects.of(holder["tenant"], holder["identifier"])
    return workspace if workspace and workspace.enabled and not pool.image.custom else None


def _take_starting(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session | None":
    """An instance that is being started for nobody: it is there sooner than one that starts now."""
    unheld = pool.sessions.filter(state=State.STARTING, tenant=None, pool_revision=pool.revision)
    for session in unheld.order_by("created_at"):
        if session.move(State.STARTING, State.STARTING, given={"tenant": None}, **holder):
            return session
    return None


def _start_cold(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session":
    _refuse_unless_launchable(pool)
    with transaction.atomic():
        pool.lock()  # one at a time counts and inserts, so that the maximum holds
        states = list(pool.sessions.filter(state__in=LIVE).values_list("state", flat=True))
        if len(states) >= pool.max_concurrent:
            raise PoolFull(
                f"All {pool.max_concurrent} sessions of this pool are in use: close one, or try again later.",
                2 if State.STOPPING in states else min(30, pool.cooldown),
            )
        session = pool.sessions.create(pool_revision=pool.revision, phase=Phase.QUEUED, **holder)
        session.announce(State.STARTING)
    return session


def _refuse_unless_launchable(pool: "SessionPool") -> None:
    now = timezone.now()
    if why := pool.why_not_launchable:
        raise PoolUnavailable(why, 30)
    retry_at = pool.backing_off_until
    if retry_at and now < retry_at:
        why = "Its sandboxes fail to start: ask who runs this pool." if pool.degraded else "Try again later."
        wait = int((retry_at - now).total_seconds()) + 1
        raise PoolUnavailable(f"New sandboxes cannot be started at the moment. {why}", wait)
