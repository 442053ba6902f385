"""Hours that a tenant has in a month: of sessions, and of running code.

Whoever has used them up gets no session and runs no code until the month is over. What runs already goes on to its own
end: nobody's work is lost, and since nothing new runs in it, a session ends by its cooldown.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time

from django.utils import timezone

from interpreters.models.refusals import QuotaReached
from interpreters.models.usage import month_of, used_in_month
from tenants.models import Tenant
from tenants.models.tenant import MONTH_QUOTAS
from tenants.quotas import Standing

HOUR = 3_600_000  # milliseconds
WORDS = {
    "max_session_hours": "session hours a month",
    "max_execution_hours": "hours of running code a month",
}


def check(tenant: Tenant) -> None:
    """Raises QuotaReached where this month's hours are used up."""
    if not tenant.has_month_quotas:
        return
    for standing in standings(tenant, timezone.now()):
        if standing.used is not None and standing.used >= standing.value and standing.frees_at is not None:
            raise QuotaReached(
                f"{tenant} has at most {standing.value:g} {WORDS[standing.quota]}, and {standing.used:.2f} are used: "
                f"wait until {standing.frees_at:%Y-%m-%d %H:%M} UTC, or ask your operator for more.",
                max(1, int((standing.frees_at - timezone.now()).total_seconds()) + 1),
                standing,
            )


def standings(tenant: Tenant, now: datetime) -> Iterator[Standing]:
    """Of the hours that the tenant has."""
    used = dict(zip(MONTH_QUOTAS, used_in_month(tenant, now), strict=True))
    first, following = month_of(now)
    frees_at = datetime.combine(following, time(), UTC)
    for name in MONTH_QUOTAS:
        if (value := getattr(tenant, name)) is not None:
            yield Standing(name, value, used[name] / HOUR, frees_at, f"{first:%Y-%m}")
