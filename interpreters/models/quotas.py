"""What one tenant's own pools may ask of the machine. Shared pools are the operator's, and have no bounds here."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Sum

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool


def faults(pool: "SessionPool") -> dict[str, Any]:
    """By field, what is too much."""
    if pool.tenant_id is None:
        return {}
    found: dict[str, Any] = {}
    for field, most, unit in (
        ("cpu", settings.MAX_SANDBOX_CPU, "cores"),
        ("memory", settings.MAX_SANDBOX_MEMORY, "MiB"),
        ("pids", settings.MAX_SANDBOX_PIDS, "processes"),
    ):
        value = getattr(pool, field)
        if value is not None and not value <= most:  # NaN, too
            found[field] = f"A sandbox may have at most {most:g} {unit} here."
    others = type(pool).objects.filter(tenant=pool.tenant_id).exclude(pk=pool.pk)
    if pool._state.adding and others.count() >= settings.MAX_POOLS_PER_TENANT:
        found["__all__"] = f"A tenant has at most {settings.MAX_POOLS_PER_TENANT} pools here: delete one first."
    taken = others.aggregate(all=Sum("max_concurrent"))["all"] or 0
    if taken + (pool.max_concurrent or 0) > settings.MAX_SANDBOXES_PER_TENANT:
        left = max(0, settings.MAX_SANDBOXES_PER_TENANT - taken)
        found["max_concurrent"] = (
            f"All pools of a tenant together have at most {settings.MAX_SANDBOXES_PER_TENANT} sandboxes here: {left} "
            f"are left for this one."
        )
    return found
