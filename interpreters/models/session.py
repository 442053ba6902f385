"""The row for one sandbox, from birth to death. Single use: it is never handed to a second holder."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from interpreters.lifecycle import OPEN, Reason, State
from interpreters.models.pool import SessionPool
from tenants.models import Tenant


class Session(models.Model):
    class Phase(models.TextChoices):
        """How far a launch is."""

        QUEUED = "queued"
        CREATING = "creating"
        STARTING_KERNEL = "starting kernel"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pool = models.ForeignKey(SessionPool, models.CASCADE, related_name="sessions")
    pool_revision = models.PositiveIntegerField(default=0, editable=False, help_text="The pool's when it was reserved.")
    # Null until leased: a ready instance is held by nobody. A cold start has its holder from the beginning.
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="sandboxes")
    identifier = models.CharField(max_length=128, blank=True)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in State], default=State.STARTING.value)
    phase = models.CharField(max_length=20, choices=Phase.choices, blank=True, help_text="While starting.")
    handle = models.CharField(max_length=100, blank=True, help_text="The runtime's own name of the sandbox.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    # When its launch or teardown was last taken up; long ago means that whoever did so is dead.
    attempted_at = models.DateTimeField(default=timezone.now, editable=False)
    leased_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=20, choices=[(r.value, r.value) for r in Reason], blank=True)
    detail = models.TextField(blank=True, help_text="What the engine or the agent said, for an operator.")

    class Meta:
        constraints = [
            # A stopping session no longer answers to its identifier: the holder may open the next one at once.
            models.UniqueConstraint(
                fields=["pool", "tenant", "identifier"],
                condition=Q(state__in=[s.value for s in OPEN]) & ~Q(identifier=""),
                name="one_open_session_per_identifier",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.READY.value) | Q(tenant=None, identifier=""), name="ready_is_held_by_nobody"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.LEASED.value) | (Q(tenant__isnull=False) & ~Q(identifier="")),
                name="leased_has_a_holder",
            ),
        ]
        indexes = [
            models.Index(fields=["pool", "state"]),
            models.Index(fields=["tenant", "state"]),
            models.Index(fields=["state", "created_at"], condition=~Q(state=State.GONE.value), name="live_sessions"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"
