"""What a tenant and its members may have at the same time, in all pools together: looked at where a session is leased.

The look and the lease are one transaction that holds the tenant's row, so that of many who ask at once none slips
through. A tenant without quotas takes no lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from interpreters.lifecycle import OPEN
from interpreters.models.refusals import QuotaReached
from tenants.models import Tenant

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool
    from interpreters.models.session import Session

# Seconds. A session may be closed at any moment: nobody is told to wait longer.
LONGEST_WAIT = 60


@contextmanager
def room_for(pool: "SessionPool", tenant: Tenant, user: Any) -> Iterator[None]:
    """Lease one session more inside. Raises QuotaReached."""
    if not tenant.has_quotas:
        yield
        return
    with transaction.atomic():
        _check(Tenant.objects.select_for_update().get(pk=tenant.pk), pool, user)
        yield


def _check(tenant: Tenant, pool: "SessionPool", user: Any) -> None:
    rows = apps.get_model("interpreters", "Session").objects.filter(tenant=tenant, state__in=OPEN)
    held: list[Session] = list(rows.select_related("pool"))
    own = [session for session in held if user is not None and session.user_id == user.pk]
    if tenant.max_member_sessions is not None and len(own) >= tenant.max_member_sessions:
        words = f"A member of {tenant} has at most {tenant.max_member_sessions} sessions at a time"
        raise _reached(words, own, "max_member_sessions", tenant.max_member_sessions, len(own))
    if tenant.max_sessions is not None and len(held) >= tenant.max_sessions:
        words = f"{tenant} has at most {tenant.max_sessions} sessions at a time"
        raise _reached(words, held, "max_sessions", tenant.max_sessions, len(held))
    for most, name, unit in ((tenant.max_cpu, "cpu", "cores"), (tenant.max_memory, "memory", "MiB of memory")):
        used, more = sum(getattr(session.pool, name) for session in held), getattr(pool, name)
        if most is not None and used + more > most:
            words = f"{tenant} has at most {most:g} {unit}, {used:g} are in use and this session needs {more:g}"
            raise _reached(words, held, f"max_{name}", most, used)


def _reached(words: str, held: "Sequence[Session]", quota: str, value: float, used: float) -> QuotaReached:
    about: dict[str, Any] = {"quota": quota, "value": value, "used": used}
    ends = [session.expires_at for session in held if session.expires_at]
    if not ends:
        return QuotaReached(f"{words}: close one, or ask your operator for more.", LONGEST_WAIT, **about)
    wait = max(1, int((min(ends) - timezone.now()).total_seconds()) + 1)
    when = f"{min(ends):%H:%M:%S} UTC"
    words = f"{words}: close one, or wait for the next to end, at {when} if nothing runs in it."
    return QuotaReached(words, min(wait, LONGEST_WAIT), **about)
