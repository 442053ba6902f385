"""What one tenant's own pools may ask of the machine. Shared pools are the operator's, and have no bounds here.

What the whole installation allows to each tenant is in the settings, what its operator allows to this one is a quota. A
pool above its tenant's quotas could be made, and no session of it be had: so that is told here already.
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Sum

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
    return _above_tenants(pool, others) | found


def _above_tenants(pool: "SessionPool", others: Any) -> dict[str, Any]:
    """Of its tenant's quotas, those that it exceeds by itself or with the ready instances of the other pools."""
    found: dict[str, Any] = {}
    tenant = pool.tenant
    assert tenant is not None
    for field, most, unit in (
        ("cpu", tenant.max_cpu, "cores"),
        ("memory", tenant.max_memory, "MiB of memory"),
        ("disk", tenant.max_disk, "MiB of disk"),
    ):
        if most is not None and (getattr(pool, field) or 0) > most:
            found[field] = f"{tenant} has at most {most:g} {unit} for all its sessions together: give one no more."
    ready = pool.ready_instances or 0
    kept = others.aggregate(ready=Sum("ready_instances"), disk=Sum(F("ready_instances") * F("disk")))
    if tenant.max_ready is not None and ready and ready + (kept["ready"] or 0) > tenant.max_ready:
        left = max(0, tenant.max_ready - (kept["ready"] or 0))
        found["ready_instances"] = (
            f"{tenant} keeps at most {tenant.max_ready} instances ready in all its own pools: {left} are left for this "
            f"one. Keep fewer ready, or ask your operator for more."
        )
    disk = ready * (pool.disk or 0)
    if tenant.max_disk is not None and disk and disk + (kept["disk"] or 0) > tenant.max_disk:
        found.setdefault(
            "ready_instances",
            f"{tenant} has at most {tenant.max_disk} MiB of disk, and all its ready instances would have "
            f"{disk + (kept['disk'] or 0)}: keep fewer ready, or give each less.",
        )
    return found
