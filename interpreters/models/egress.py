"""What the egress proxy has decided, how much has passed through it, and whether it lives.

Written by the proxy alone. Everybody else reads: the admin, metrics, and whoever hands out a pool with egress.
"""

import uuid
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenants.models import Tenant

# Without a word from it for so long the proxy counts as missing.
SILENCE = timedelta(seconds=12)
# Rows that are deleted at once, so that nobody waits long for the table.
DELETED_AT_ONCE = 5000


class EgressDecisionQuerySet(models.QuerySet["EgressDecision"]):
    def forget_old(self) -> int:
        """Delete what is older than EGRESS_LOG_DAYS; how many that were."""
        old = self.filter(at__lt=timezone.now() - timedelta(days=settings.EGRESS_LOG_DAYS)).order_by("at")
        deleted = 0
        while keys := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
            deleted += self.filter(pk__in=keys).delete()[0]
        return deleted


class EgressDecision(models.Model):
    """Where a sandbox wanted to connect, and what became of it. The same within half a minute is one row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=timezone.now)
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="egress_decisions")
    pool = models.ForeignKey("interpreters.SessionPool", models.CASCADE, related_name="egress_decisions")
    session = models.UUIDField(db_index=True)
    host = models.CharField(max_length=255, blank=True, help_text="As it was asked for; (others) where too many were.")
    port = models.PositiveIntegerField(default=0)
    address = models.CharField(max_length=45, blank=True, help_text="Connected to, or why it was refused.")
    allowed = models.BooleanField()
    reason = models.CharField(max_length=40, blank=True)
    count = models.PositiveBigIntegerField(default=1, help_text="So many times in this half minute.")
    bytes_out = models.PositiveBigIntegerField(default=0, help_text="From the sandbox.")
    bytes_in = models.PositiveBigIntegerField(default=0, help_text="To the sandbox.")

    objects = EgressDecisionQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["at"]), models.Index(fields=["tenant", "at"])]

    def __str__(self) -> str:
        return f"{self.host}:{self.port} {self.reason or 'allowed'}"


class EgressTotal(models.Model):
    """Sums for metrics, which outlive the rows that they are of."""

    pool = models.ForeignKey("interpreters.SessionPool", models.CASCADE, related_name="egress_totals")
    allowed = models.BooleanField()
    decisions = models.PositiveBigIntegerField(default=0)
    bytes_out = models.PositiveBigIntegerField(default=0)
    bytes_in = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "allowed"], name="egress_total_per_pool")]

    def __str__(self) -> str:
        return f"{self.pool_id} {'allowed' if self.allowed else 'refused'}: {self.decisions}"


class EgressProxyQuerySet(models.QuerySet["EgressProxy"]):
    def alive(self) -> Self:
        return self.filter(seen_at__gt=timezone.now() - SILENCE)


class EgressProxy(models.Model):
    """The heartbeat of the process. One row: an installation has one machine, and that has one proxy."""

    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    sandboxes = models.PositiveIntegerField(default=0)
    connections = models.PositiveIntegerField(default=0)

    objects = EgressProxyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"seen {self.seen_at}"
