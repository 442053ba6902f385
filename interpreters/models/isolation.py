"""What checks of the isolation have found, for the operators of the machine."""

from typing import Any

from django.db import models
from django.utils import timezone

from interpreters.models.pool import SessionPool

KEPT = 20  # of each pool, the newest


class IsolationReportManager(models.Manager["IsolationReport"]):
    def keep(self, pool: SessionPool, **fields: Any) -> "IsolationReport":
        """A new report; the oldest of the pool go for it."""
        report = self.create(pool=pool, **fields)
        newest = self.filter(pool=pool).order_by("-created_at", "-pk").values_list("pk", flat=True)[:KEPT]
        self.filter(pool=pool).exclude(pk__in=list(newest)).delete()
        return report


class IsolationReport(models.Model):
    """One check of one pool: what was tried in real sandboxes of it, and what came of it."""

    pool = models.ForeignKey(SessionPool, models.CASCADE, related_name="isolation_reports", db_index=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    runtime = models.CharField(max_length=40)
    oci_runtime = models.CharField(max_length=40, blank=True)
    versions = models.JSONField(default=dict, help_text="Of the engine and of what it stands on.")
    seconds = models.FloatField(default=0.0)
    contained = models.PositiveIntegerField(default=0)
    escaped = models.PositiveIntegerField("not contained", default=0)
    unchecked = models.PositiveIntegerField("could not be checked", default=0)
    not_applicable = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list, help_text="Each with probe, tries, barrier, result and detail.")

    objects = IsolationReportManager()

    class Meta:
        indexes = [models.Index(fields=["pool", "-created_at"], name="newest_reports_of_a_pool")]

    def __str__(self) -> str:
        return f"{self.pool} at {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def holds(self) -> bool:
        """Everything was checked, and all of it contained."""
        return bool(self.contained) and not self.escaped and not self.unchecked
