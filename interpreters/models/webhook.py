"""Where a tenant wants to be told of events, and what it is to be told.

A delivery is a row, written in the transaction of what it tells: neither is without the other. Whoever sends it claims
it by one conditional UPDATE; a sender that dies leaves a row that is due again a little later.
"""

import base64
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from interpreters.lifecycle.events import EVENT_CHOICES, EVENTS
from tenants.encryption import EncryptedTextField
from tenants.models import Tenant, check_names
from tenants.prepared import Given, Prepared
from tenants.webhook_urls import BadUrl, WebhookUrl

SECRET_PREFIX = "whsec_"  # noqa: S105
# Longer than an attempt may take: a claim that is older is of a sender that died.
CLAIM = timedelta(seconds=60)
# Attempts that a delivery remembers.
MOST_REMEMBERED = 20


def make_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


CHOOSE = f"Choose at least one of {', '.join(EVENTS)}."


def check_events(names: object) -> None:
    if not isinstance(names, list) or not all(name in EVENTS for name in names):
        raise ValidationError(CHOOSE)


class EndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def wanting(self, event: str, pool: str = "") -> list["WebhookEndpoint"]:
        """Those that are on and chose this event, of this pool where the event is of one."""
        return [one for one in self._asked() if one.wants(event, pool)]

    def of_wanting(self, tenant: int, event: str, pool: str = "") -> list["WebhookEndpoint"]:
        """The same of one tenant's, which is asked wherever a session is opened or ends."""
        return [one for one in _of(tenant=tenant) if one.wants(event, pool)]

    def _asked(self) -> Self:
        return self.filter(enabled=True).only("pk", "tenant_id", "events", "pools")


_of: Prepared["WebhookEndpoint"] = Prepared(lambda: WebhookEndpoint.objects.filter(tenant=Given("tenant"))._asked())


class WebhookEndpoint(models.Model):
    """A tenant's address that is told of events. Its secret is shown once, and signs what is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="webhooks")
    url = models.CharField("URL", max_length=500, help_text="As https://hooks.example.org/thermae; it must be public.")
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list, validators=[check_events], error_messages={"blank": CHOOSE})
    pools = models.JSONField(
        default=list, blank=True, validators=[check_names], help_text="Names of the only pools it is told of."
    )
    enabled = models.BooleanField(default=True, help_text="Off: no new events; what waits is held until it is on.")
    secret = EncryptedTextField(default=make_secret)
    # Signs beside the new one until this moment, so that a receiver may change over in between.
    former_secret = EncryptedTextField(null=True)
    former_until = models.DateTimeField(null=True, editable=False)
    # How it goes: of the last attempt, and since when none has succeeded.
    last_status = models.PositiveIntegerField(null=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)
    last_attempt_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    disabled_why = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook"
        ordering = ("created_at",)

    def __str__(self) -> str:
        return self.url

    def wants(self, event: str, pool: str = "") -> bool:
        return event in self.events and (not pool or not self.pools or pool in self.pools)

    def clean(self) -> None:
        try:
            self.url = str(WebhookUrl.parse(self.url, allow_http=settings.WEBHOOK_HTTP))
        except BadUrl as error:
            raise ValidationError({"url": str(error)}) from None
        self.events = [event for event in EVENTS if event in self.events]  # each once, in their order
        if self.enabled:
            self.disabled_why, self.failing_since = "", None

    def rotate(self, overlap: timedelta) -> str:
        """A new secret; the former one signs too for as long as `overlap`."""
        self.former_secret, self.former_until = self.secret, timezone.now() + overlap
        self.secret = made = make_secret()
        self.save(update_fields=["secret", "former_secret", "former_until"])
        return made

    @property
    def signing_secrets(self) -> list[str]:
        """The present one first."""
        overlaps = self.former_secret and self.former_until and self.former_until > timezone.now()
        return [self.secret, *([self.former_secret] if overlaps else [])]

    def switch_off(self, why: str) -> bool:
        """By us: nobody answers there. False if it was off."""
        off = type(self).objects.filter(pk=self.pk, enabled=True).update(enabled=False, disabled_why=why)
        self.refresh_from_db(fields=["enabled", "disabled_why"])
        return off == 1


class DeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def due(self) -> Self:
        """Those whose turn has come, the longest waiting first."""
        found = self.filter(state=WebhookDelivery.State.PENDING, next_at__lte=timezone.now(), endpoint__enabled=True)
        return found.order_by("next_at")

    def prune(self, days: int) -> int:
        """Delete those that were made before. What still waits then is of an endpoint that is off."""
        return self.filter(created_at__lt=timezone.now() - timedelta(days=days)).delete()[0]


class WebhookDelivery(models.Model):
    """One event for one endpoint."""

    class State(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries")
    # The same for all attempts and endpoints: a receiver that knows it already has nothing to do.
    event = models.UUIDField()
    type = models.CharField(max_length=40, choices=EVENT_CHOICES)
    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    # While it is pending: when it is sent next, or its claim has passed.
    next_at = models.DateTimeField(default=timezone.now, null=True)
    claim = models.UUIDField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True)
    # [{"at", "status", "error", "seconds"}], the newest last.
    log = models.JSONField(default=list)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        ordering = ("-created_at",)
        constraints = [models.UniqueConstraint(fields=["endpoint", "event"], name="one_delivery_per_event")]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="pending"), name="due_deliveries"),
            models.Index(fields=["endpoint", "-created_at"]),
            models.Index(fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event}"

    def take_up(self) -> bool:
        """Claim its next attempt, as the only one who does."""
        claim = {"claim": uuid.uuid4(), "next_at": timezone.now() + CLAIM, "attempts": self.attempts + 1}
        row = WebhookDelivery.objects.filter(pk=self.pk, state=self.State.PENDING, claim=self.claim)
        if row.filter(next_at=self.next_at, endpoint__enabled=True).update(**claim) != 1:
            return False
        self._set(claim)
        return True

    def note(self, attempt: dict[str, Any], state: str, next_at: datetime | None) -> bool:
        """Write down how the attempt went. False if it was given up as lost, and is somebody else's by now."""
        done = {"state": state, "next_at": next_at, "claim": None, "log": [*self.log, attempt][-MOST_REMEMBERED:]}
        if state != self.State.PENDING:
            done["finished_at"] = timezone.now()
        held = WebhookDelivery.objects.filter(pk=self.pk, state=self.State.PENDING, claim=self.claim)
        if held.update(**done) != 1:
            return False
        self._set(done)
        return True

    def again(self) -> bool:
        """Have it sent once more, with all its attempts before it. False while it is under way anyway."""
        anew = {"state": self.State.PENDING, "attempts": 0, "next_at": timezone.now(), "finished_at": None}
        with transaction.atomic():
            ended = WebhookDelivery.objects.filter(pk=self.pk).exclude(state=self.State.PENDING)
            if ended.update(**anew) != 1:
                return False
        self._set(anew)
        return True

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def message_id(self) -> str:
        """What a receiver knows the event by."""
        return f"evt_{self.event.hex}"

    @property
    def last_status(self) -> int | None:
        return self.log[-1]["status"] if self.log else None
