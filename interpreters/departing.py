"""Who is no longer a member of a tenant has no sandbox there: code that they started does not go on."""

from typing import Any

from django.dispatch import receiver

from interpreters.lifecycle import Reason
from interpreters.models import Session
from tenants.departures import departed
from tenants.models import Tenant


@receiver(departed)
def end_sessions(sender: Any, *, tenant: Tenant, user: Any, **_: Any) -> None:
    for session in Session.objects.open().filter(tenant=tenant, user=user):
        session.end(Reason.CLOSED, f"{user} is no longer a member of {tenant}.")
