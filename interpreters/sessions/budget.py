"""Whether a tenant has hours left in this month, asked before code is run and a terminal opened.

The way of running code asks no database, so an answer is remembered for a moment, in each web process.
"""

import time

from interpreters.models import QuotaReached, month_quotas
from interpreters.sessions import problems
from tenants import quotas
from tenants.audit import Action, Who, record
from tenants.authentication import Actor
from tenants.models import Tenant
from tenants.threads import in_thread

REMEMBERED = 5.0  # seconds
_known: dict[int, tuple[float, QuotaReached | None]] = {}


async def check(actor: Actor) -> None:
    """Raises Problem, 429, where this month's hours are used up. Costs nothing where the tenant has no such quota."""
    tenant = actor.tenant
    if not tenant.has_month_quotas:
        return
    asked_at, refusal = _known.get(tenant.pk, (-REMEMBERED, None))
    if time.monotonic() - asked_at >= REMEMBERED:
        before, refusal = refusal, await _ask(tenant)
        _known[tenant.pk] = time.monotonic(), refusal
        if refusal is not None and before is None:
            await refused(tenant, actor.who, refusal)
    if refusal is not None:
        raise problems.of_pool(refusal)


def forget() -> None:
    _known.clear()


@in_thread
def _ask(tenant: Tenant) -> QuotaReached | None:
    try:
        month_quotas.check(Tenant.objects.get(pk=tenant.pk))
    except QuotaReached as refusal:
        return refusal
    return None


@in_thread
def refused(tenant: Tenant, who: Who, refusal: QuotaReached) -> None:
    """The first of many alike, in this process: the others are not written down."""
    name = refusal.standing.quota if refusal.standing else ""
    record(Action.QUOTA_REFUSED, who=who, tenant=tenant, about=tenant, name=name, why=refusal.message)
    if refusal.standing:
        quotas.note(tenant, refusal.standing, refused=True)
