"""What is told, of which event, to whom: a delivery for each endpoint that wants it.

Deliveries are written where something happens, in its transaction. An event's id is made from what it tells, so that
to tell it twice is to tell it once.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.dispatch import Signal, receiver
from django.utils import timezone

from interpreters.lifecycle import Reason, State, events
from interpreters.models import Session, SessionPool, WebhookDelivery, WebhookEndpoint, moving
from interpreters.models.failing import judged
from tenants.models import Tenant
from tenants.quotas import Standing, quota_near, quota_reached

# Sent after commit: there is something to send.
written = Signal()

# Ends that nobody asked for and no setting brought about.
FAILURES = frozenset(
    {
        *(Reason.START_FAILED, Reason.START_TIMEOUT, Reason.OUT_OF_MEMORY, Reason.KILLED),
        *(Reason.UNHEALTHY, Reason.LOST, Reason.MISBEHAVED),
    }
)
_NAMESPACE = uuid.UUID("6f0c2b3e-7f0d-4c6e-9d55-9f0b6a3c1a51")


def write(endpoints: Iterable[WebhookEndpoint], kind: str, about: str, data: dict[str, Any], tenant: Tenant) -> None:
    """`about`: what makes the event the one that it is."""
    payload = {
        "type": kind,
        "version": events.VERSION,
        "timestamp": timezone.now().isoformat(),
        "tenant": tenant.slug,
        "data": data,
    }
    event = uuid.uuid5(_NAMESPACE, f"{tenant.pk} {kind} {about}")
    rows = [WebhookDelivery(endpoint=one, event=event, type=kind, payload=payload) for one in endpoints]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        transaction.on_commit(tell_written)


def tell_written() -> None:
    written.send_robust(WebhookDelivery)


def write_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """An event of its own each time, whatever the endpoint has chosen."""
    about = uuid.uuid4()
    data = {"message": "This is a test: nothing has happened."}
    with transaction.atomic():
        write([endpoint], events.TEST, str(about), data, endpoint.tenant)
    return endpoint.deliveries.filter(type=events.TEST).latest("created_at")


# --- Sessions ---


@receiver(moving)
def session_moves(
    sender: type[Session], *, session: Session, frm: State | None, to: State, changed: frozenset[str], **_: Any
) -> None:
    if session.tenant_id is None:
        return  # a sandbox that nobody had is no event
    if to == State.STOPPING and frm != State.STOPPING:
        _session_ends(session)
    elif to in (State.STARTING, State.LEASED) and (frm is None or "tenant" in changed):
        _tell_of(session, events.SESSION_OPENED, {"state": str(to)})


def _session_ends(session: Session) -> None:
    kind = events.SESSION_FAILED if session.reason in FAILURES else events.SESSION_ENDED
    opened = session.leased_at.isoformat() if session.leased_at else None
    _tell_of(session, kind, {"reason": str(session.reason), "message": session.message, "opened_at": opened})


def _tell_of(session: Session, kind: str, data: dict[str, Any]) -> None:
    assert session.tenant_id is not None  # its callers have seen to that
    endpoints = WebhookEndpoint.objects.of_wanting(session.tenant_id, kind, session.pool.name)
    if endpoints and session.tenant is not None:
        user = session.user.get_username() if session.user else None
        of = {"session": str(session.pk), "pool": session.pool.name, "identifier": session.identifier, "user": user}
        write(endpoints, kind, str(session.pk), {**of, **data}, session.tenant)


# --- Pools ---


@receiver(judged)
def pool_is_judged(sender: type[SessionPool], *, pool: SessionPool, degraded: bool, since: datetime, **_: Any) -> None:
    """A shared pool's state is told to all who may use it. Why it fails is for who runs it, and is not told here."""
    kind = events.POOL_DEGRADED if degraded else events.POOL_RECOVERED
    data: dict[str, Any] = {"pool": pool.name, "shared": pool.tenant_id is None, "since": since.isoformat()}
    if degraded:
        data["failures"] = pool.failures_in_a_row
    rows = WebhookEndpoint.objects.filter(tenant=pool.tenant_id) if pool.tenant_id else WebhookEndpoint.objects.all()
    by_tenant: dict[int, list[WebhookEndpoint]] = {}
    for endpoint in rows.wanting(kind, pool.name):
        by_tenant.setdefault(endpoint.tenant_id, []).append(endpoint)
    for tenant in Tenant.objects.filter(pk__in=by_tenant):
        if SessionPool.objects.usable_by(tenant).filter(pk=pool.pk).exists():
            write(by_tenant[tenant.pk], kind, f"{pool.pk} {since.isoformat()}", data, tenant)


# --- Quotas ---


@receiver(quota_near)
def quota_is_near(sender: Any, *, tenant: Tenant, standing: Standing, **_: Any) -> None:
    _tell_of_quota(events.QUOTA_NEAR, tenant, standing)


@receiver(quota_reached)
def quota_is_reached(sender: Any, *, tenant: Tenant, standing: Standing, **_: Any) -> None:
    _tell_of_quota(events.QUOTA_REACHED, tenant, standing)


def _tell_of_quota(kind: str, tenant: Tenant, standing: Standing) -> None:
    endpoints = WebhookEndpoint.objects.of_wanting(tenant.pk, kind)
    if not endpoints:
        return
    data = {"quota": standing.quota, "limit": standing.value, "used": standing.used, "message": standing.sentence}
    # Each crossing is told of once, by whoever noted it: in that transaction.
    write(endpoints, kind, f"{standing.quota} {timezone.now().isoformat()}", data, tenant)
