"""The tenant's audit log, for programs."""

from datetime import datetime
from typing import Any

from interpreters.models.threads import in_thread
from interpreters.sessions import access
from tenants.audit_export import as_dict
from tenants.authentication import Actor
from tenants.models import AuditEvent, Scope
from tenants.naming import named

MOST = 1000  # events of one answer


@in_thread
def events(
    actor: Actor, *, after: int, limit: int, action: str = "", who: str = "", since: datetime | None = None
) -> list[dict[str, Any]]:
    """The events that came after the one with the key `after`, oldest first, so that a collector misses none."""
    access.allowed(actor, Scope.AUDIT_READ)
    rows = AuditEvent.objects.of(actor.tenant).filter(pk__gt=after)
    if action:
        rows = rows.filter(action=action)
    if who:
        rows = rows.filter(who=who)
    if since:
        rows = rows.filter(at__gte=since)
    return [as_dict(event) for event in named(rows.order_by("pk")[: min(limit, MOST)])]
