"""Giving a session to an identifier, for good: what `pool.lease()` does.

The way of a ready instance is four SELECTs, one UPDATE and a line of the ledger, and takes no lock where its tenant
has no quotas and nobody waits for the pool. Where somebody does, or nothing is ready, callers ask one at a time, and
get what is there in turn (`places`). Who has kept files waits for them.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, Exists
from django.utils import timezone

from interpreters.lifecycle import LIVE, OPEN, Phase, State
from interpreters.models import tenant_quotas
from interpreters.models.places import MOST_PLACES, Line, Place
from interpreters.models.refusals import BadIdentifier, PoolFull, PoolUnavailable
from tenants.audit import who_acts
from tenants.models import Tenant
from tenants.prepared import Given, Prepared

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session, SessionQuerySet
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
    holder: dict[str, Any] = {"tenant": tenant, "user": user, "identifier": identifier, "token": who_acts().token}
    holder["asked_at"] = timezone.now()
    try:
        with tenant_quotas.room_for(pool, tenant, user):
            got = _take_ready(pool, holder) or _take_starting(pool, holder) or _take_in_turn(pool, holder)
    except (IntegrityError, _GivenMeanwhile):
        # The same identifier was given a session between our look and our UPDATE.
        if winner := _open_session(pool, tenant, identifier):
            return Lease(winner, fresh=False)
        raise PoolFull("The session of this identifier is just ending: try again.", 1) from None
    if isinstance(got, PoolFull):
        raise got  # only here, so that the place in the line is stored
    return Lease(got, fresh=True)


class _GivenMeanwhile(Exception):
    """Whoever asked has a session by now, and needs no place in the line."""


def _open_session(pool: "SessionPool", tenant: Tenant, identifier: str) -> "Session | None":
    session = _open.first(pool=pool.pk, tenant=tenant.pk, identifier=identifier)
    if session:
        session.pool = pool
    return session


def _take_ready(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session | None":
    """A ready instance by one conditional UPDATE. Who loses it to another caller takes the next."""
    workspace = kept_files(pool, holder)
    while candidates := _ready(pool=pool.pk, revision=pool.revision, now=timezone.now()):
        for session in candidates:
            session.pool = pool
            if _take(session, holder, workspace):
                return session
    return None


def _unheld(pool: Any, revision: Any) -> "SessionQuerySet":
    rows: SessionQuerySet = tenant_quotas.sessions().filter(pool=pool, tenant=None, pool_revision=revision)
    return rows.order_by("created_at")


def _nobody_waits(pool: Any, now: Any) -> Any:
    return ~Exists(Place.objects.filter(pool=pool).kept(now))


_open: "Prepared[Session]" = Prepared(
    lambda: (
        tenant_quotas.sessions()
        .open()
        .filter(pool=Given("pool"), tenant=Given("tenant"), identifier=Given("identifier"))
    )
)
_ready: "Prepared[Session]" = Prepared(
    lambda: _unheld(Given("pool"), Given("revision")).filter(
        _nobody_waits(Given("pool"), Given("now", DateTimeField())), state=State.READY
    )[:4]
)


def _take(session: "Session", holder: Mapping[str, Any], workspace: "Workspace | None") -> bool:
    """One that is ready, or on its way, unless it is not any more."""
    now = timezone.now()
    if session.state == State.STARTING:
        return session.move(State.STARTING, State.STARTING, given={"tenant": None}, **holder)
    if workspace and workspace.waits_for(session):
        waits: dict[str, Any] = {"phase": Phase.WAITING_FOR_FILES, "attempted_at": now}
        return session.move(State.READY, State.STARTING, **holder, **waits)
    return session.move(State.READY, State.LEASED, **holder, leased_at=now, last_used_at=now)


def kept_files(pool: "SessionPool", holder: Mapping[str, Any]) -> "Workspace | None":
    """What is to be put back before the holder uses a session of this pool, if anything."""
    from interpreters.models.workspace import Workspace

    workspace = Workspace.objects.of(holder["tenant"], holder["identifier"])
    return workspace if workspace and workspace.enabled and not pool.image.custom else None


def _take_starting(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session | None":
    """An instance that is being started for nobody: it is there sooner than one that starts now."""
    waiting = _unheld(pool, pool.revision).filter(_nobody_waits(pool, timezone.now()), state=State.STARTING)
    for session in waiting:
        session.pool = pool
        if _take(session, holder, None):
            return session
    return None


def _take_in_turn(pool: "SessionPool", holder: Mapping[str, Any]) -> "Session | PoolFull":
    """What is there, or may be started, if its turn has come; else a place in the line."""
    refusal = _why_no_launch(pool)
    workspace = kept_files(pool, holder)
    with transaction.atomic():
        pool.lock()  # one at a time counts and takes, so that the maximum holds, and the order
        while True:
            live = list(pool.sessions.filter(state__in=LIVE).values_list("state", "tenant"))
            rows = _unheld(pool, pool.revision)
            unheld = [*rows.filter(state=State.READY), *rows.filter(state=State.STARTING)]
            room = 0 if refusal else max(0, pool.max_concurrent - len(live))
            line = Line.of(pool, holder)
            position = line.position(Counter(tenant for state, tenant in live if state in OPEN))
            if position > len(unheld) + room:
                if _open_session(pool, holder["tenant"], holder["identifier"]):
                    raise _GivenMeanwhile
                if refusal and len(live) < pool.max_concurrent:
                    raise refusal
                return _wait(pool, line, position)
            # The best is for who is first, even if another asks first.
            session = unheld[position - 1] if position <= len(unheld) else pool.reserve(1, **holder)[0]
            session.pool = pool
            if session.tenant_id is not None or _take(session, holder, workspace):
                line.leave()
                return session


def _wait(pool: "SessionPool", line: Line, position: int) -> PoolFull:
    words = f"All {pool.max_concurrent} sessions of this pool are in use: "
    if not line.takes_more:
        return PoolFull(f"{words}{MOST_PLACES} of your tenant's wait for one already. Try again later.", 30)
    wait = line.keep(position)
    before = "you are next" if position == 1 else f"{position - 1} before you in the line"
    return PoolFull(f"{words}{before}. Close one, or ask again in {wait} s, which keeps your place.", wait, position)


def _why_no_launch(pool: "SessionPool") -> PoolUnavailable | None:
    now = timezone.now()
    if why := pool.why_not_launchable:
        return PoolUnavailable(why, 30)
    retry_at = pool.backing_off_until
    if retry_at and now < retry_at:
        why = "Its sandboxes fail to start: ask who runs this pool." if pool.degraded else "Try again later."
        wait = int((retry_at - now).total_seconds()) + 1
        return PoolUnavailable(f"New sandboxes cannot be started at the moment. {why}", wait)
    return None
