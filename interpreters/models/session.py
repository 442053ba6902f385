"""The row for one sandbox, from birth to death. Single use: it is never handed to a second holder."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from interpreters.lifecycle import LIVE, Reason, State
from interpreters.models.pool import SessionPool
from tenants.models import Tenant


class Session(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pool = models.ForeignKey(SessionPool, models.CASCADE, related_name="sessions")
    pool_revision = models.PositiveIntegerField(default=1)
    # Null until leased: a ready instance is held by nobody.
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="sandboxes")
    identifier = models.CharField(max_length=128, blank=True)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in State], default=State.STARTING)
    # While starting: queued, creating, starting kernel.
    phase = models.CharField(max_length=20, blank=True)
    handle = models.CharField(max_length=100, blank=True, help_text="The runtime's own name of the sandbox.")
    created_at = models.DateTimeField(auto_now_add=True)
    state_since = models.DateTimeField(auto_now_add=True)
    leased_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # Set while code runs; a running execution keeps its session from being idle.
    busy = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=20, choices=[(r.value, r.value) for r in Reason], blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "tenant", "identifier"],
                condition=Q(state__in=LIVE) & ~Q(identifier=""),
                name="one_live_session_per_identifier",
            )
        ]
        indexes = [models.Index(fields=["pool", "state"]), models.Index(fields=["tenant", "state"])]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"
