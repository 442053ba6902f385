"""A tenant's webhooks: for who administers it, and for tokens with the scope `admin`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from interpreters.models import WebhookDelivery, WebhookEndpoint
from interpreters.sessions import access, problems
from interpreters.webhooks import outbox
from tenants.authentication import Actor
from tenants.models import Scope, Tenant
from tenants.threads import in_thread

LONGEST_OVERLAP = 7 * 24 * 3600  # seconds
LISTED = 200


@in_thread
def list_of(actor: Actor) -> list[WebhookEndpoint]:
    return list(_rows(actor))


@in_thread
def get(actor: Actor, webhook: UUID) -> WebhookEndpoint:
    return _find(actor, webhook)


@in_thread
def create(actor: Actor, fields: Mapping[str, Any]) -> WebhookEndpoint:
    """With its secret, which is told now or never. Raises Problem."""
    rows = _rows(actor)
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=actor.tenant.pk)  # one at a time counts and inserts
        if rows.count() >= settings.MAX_WEBHOOKS_PER_TENANT:
            most = f"A tenant may have {settings.MAX_WEBHOOKS_PER_TENANT} webhooks"
            raise problems.Conflict(f"{most}: delete one, or let one have more events.", "too_many")
        return _saved(WebhookEndpoint(tenant=actor.tenant, **fields))


@in_thread
def change(actor: Actor, webhook: UUID, fields: Mapping[str, Any]) -> WebhookEndpoint:
    found = _find(actor, webhook)
    for name, value in fields.items():
        setattr(found, name, value)
    return _saved(found)


@in_thread
def delete(actor: Actor, webhook: UUID) -> None:
    """With what it was, and was to be, told."""
    _find(actor, webhook).delete()


@in_thread
def rotate(actor: Actor, webhook: UUID, overlap: int) -> WebhookEndpoint:
    """A new secret; the former one signs too for `overlap` seconds. Raises Problem."""
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise problems.BadRequest(f"`overlap` must be 0 to {LONGEST_OVERLAP} seconds.")
    found = _find(actor, webhook)
    found.rotate(timedelta(seconds=overlap))
    return found


@in_thread
def test(actor: Actor, webhook: UUID) -> WebhookDelivery:
    """Send it an event that says nothing."""
    found = _find(actor, webhook)
    if not found.enabled:
        raise problems.Conflict("This webhook is off: turn it on first.", "disabled")
    return outbox.write_test(found)


@in_thread
def deliveries(actor: Actor, webhook: UUID, state: str = "") -> list[WebhookDelivery]:
    """Newest first."""
    rows = _find(actor, webhook).deliveries.all()
    return list((rows.filter(state=state) if state else rows)[:LISTED])


@in_thread
def send_again(actor: Actor, webhook: UUID, delivery: UUID) -> WebhookDelivery:
    found = _find(actor, webhook).deliveries.filter(pk=delivery).first()
    if found is None:
        raise problems.NotFound("There is no such delivery: it may have been too old to be kept.")
    if not found.again():
        raise problems.Conflict("This delivery is still being tried: see when next in `next_at`.", "pending")
    outbox.tell_written()
    return found


def _rows(actor: Actor) -> Any:
    access.allowed(actor, Scope.ADMIN)
    return WebhookEndpoint.objects.filter(tenant=actor.tenant).select_related("tenant")


def _find(actor: Actor, webhook: UUID) -> WebhookEndpoint:
    found: WebhookEndpoint | None = _rows(actor).filter(pk=webhook).first()
    if found is None:
        raise problems.NotFound("There is no such webhook: it may be another tenant's.")
    return found


def _saved(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    try:
        endpoint.full_clean(exclude=["secret", "former_secret"])  # which are ours, and stay sealed
    except ValidationError as error:
        faults = [f"{field}: {text}" for field, texts in error.message_dict.items() for text in texts]
        raise problems.BadRequest(" ".join(faults)[:4000], "invalid") from None
    endpoint.save()
    return endpoint
