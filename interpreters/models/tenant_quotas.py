"""What a tenant and its members may have at the same time, in all pools together: looked at where a session is leased,
with what they have in a month (`month_quotas`).

The look and the lease are one transaction that holds the tenant's row, so that of many who ask at once none slips
through. A tenant without quotas takes no lock. Ready instances of a tenant's own pools are looked at in the same way
where they are reserved. Who holds a tenant and a pool took the tenant first.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from interpreters.lifecycle import OPEN
from interpreters.models import month_quotas
from interpreters.models.refusals import QuotaReached
from tenants.models import Tenant
from tenants.quotas import Standing

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session

logger = logging.getLogger(__name__)

# Seconds. A session may be closed at any moment: nobody is told to wait longer.
LONGEST_WAIT = 60


@contextmanager
def room_for(pool: "SessionPool", tenant: Tenant, user: Any) -> Iterator[None]:
    """Lease one session more inside. Raises QuotaReached."""
    if not tenant.has_quotas:
        yield
        return
    with transaction.atomic():
        held = Tenant.objects.hold(tenant.pk)
        month_quotas.check(held)
        _check(held, pool, user)
        yield
        _check_disk(held)  # after it: a ready instance of one's own pool has its disk already


def _check(tenant: Tenant, pool: "SessionPool", user: Any) -> None:
    rows = sessions().filter(tenant=tenant, state__in=OPEN)
    held: list[Session] = list(rows.select_related("pool"))
    own = [session for session in held if user is not None and session.user_id == user.pk]
    most_own, most_all = tenant.max_member_sessions, tenant.max_sessions
    if most_own is not None and len(own) >= most_own:
        about = Standing("max_member_sessions", most_own, len(own))
        raise _reached(f"A member of {tenant} has at most {most_own} sessions at a time", own, about)
    if most_all is not None and len(held) >= most_all:
        about = Standing("max_sessions", most_all, len(held))
        raise _reached(f"{tenant} has at most {most_all} sessions at a time", held, about)
    for most, name, unit in ((tenant.max_cpu, "cpu", "cores"), (tenant.max_memory, "memory", "MiB of memory")):
        used, more = sum(session.has(name) for session in held), getattr(pool, name)
        if most is not None and used + more > most:
            words = f"{tenant} has at most {most:g} {unit}, {used:g} are in use and this session needs {more:g}"
            raise _reached(words, held, Standing(f"max_{name}", most, used))


def _check_disk(tenant: Tenant) -> None:
    """Raises QuotaReached, and what was leased is not."""
    if tenant.max_disk is None:
        return
    used = disk_of(tenant)
    if used > tenant.max_disk:
        held = sessions().filter(tenant=tenant, state__in=OPEN).select_related("pool")
        words = f"{tenant} has at most {tenant.max_disk} MiB of disk, and would have {used} in use"
        raise _reached(words, list(held), Standing("max_disk", tenant.max_disk, used))


def disk_of(tenant: Tenant) -> int:
    """MiB of all its sessions, and of what its own pools keep ready."""
    owned = sessions().filter(Q(tenant=tenant) | Q(tenant=None, pool__tenant=tenant), state__in=OPEN)
    return owned.aggregate(all=Sum(Coalesce("disk", "pool__disk")))["all"] or 0


def ready_of(tenant: Tenant) -> int:
    """Instances that its own pools keep ready, or are launching for that."""
    count: int = sessions().filter(tenant=None, pool__tenant=tenant, state__in=OPEN).count()
    return count


def hold_owner(pool: "SessionPool") -> None:
    """Until the transaction ends, the tenant whose own pool this is, if anything of it is bounded."""
    if pool.tenant is not None and pool.tenant.has_quotas:
        pool.tenant = Tenant.objects.hold(pool.tenant.pk)


def ready_that_fit(pool: "SessionPool", wanted: int) -> int:
    """How many of the ready instances that a pool wants its tenant may have. `hold_owner` came before."""
    tenant = pool.tenant
    if tenant is None or not wanted:
        return wanted
    fit = wanted
    if tenant.max_ready is not None:
        fit = min(fit, tenant.max_ready - ready_of(tenant))
    if tenant.max_disk is not None:
        fit = min(fit, (tenant.max_disk - disk_of(tenant)) // pool.disk)
    if fit < wanted:
        logger.info("pool %s of %s keeps %d fewer ready than it wants: a quota", pool, tenant, wanted - max(0, fit))
    return max(0, fit)


def sessions() -> Any:
    return apps.get_model("interpreters", "Session").objects


def _reached(words: str, held: "Sequence[Session]", about: Standing) -> QuotaReached:
    frees_at = min((session.expires_at for session in held if session.expires_at), default=None)
    about = replace(about, frees_at=frees_at)
    if frees_at is None:
        return QuotaReached(f"{words}: close one, or ask your operator for more.", LONGEST_WAIT, about)
    wait = max(1, int((frees_at - timezone.now()).total_seconds()) + 1)
    when = f"{frees_at:%H:%M:%S} UTC"
    return QuotaReached(
        f"{words}: close one, or wait for the next to end, at {when} if nothing runs in it.",
        min(wait, LONGEST_WAIT),
        about,
    )
