"""A cell that was asked for while there was no place for a session: it waits here, whether or not a tab is open."""

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from frontend.models.notebook import Notebook


class WaitingRunQuerySet(models.QuerySet["WaitingRun"]):
    def waiting(self) -> Self:
        """Those that may still run, in the order in which they were asked for."""
        return self.filter(reason="").order_by("number")

    def refuse(self, reason: str) -> int:
        """They will not run. Kept for a while, so that the page can say why."""
        return self.filter(reason="").order_by().update(reason=reason[:200], refused_at=timezone.now())


class WaitingRun(models.Model):
    # How long one waits, and how long the reason stays why it did not run.
    LONGEST = timedelta(hours=24)
    # That wait in one notebook.
    MOST = 200

    number = models.BigAutoField(primary_key=True)
    # The id of the execution that it becomes.
    run = models.UUIDField(unique=True, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="waiting_runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # What the person was signed in by, if it was a tenant's provider: its key, as in the browser's session.
    provider = models.CharField(max_length=36, blank=True, editable=False)
    cell = models.CharField(max_length=128)
    code = models.TextField()
    stop_on_error = models.BooleanField(default=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    reason = models.CharField(max_length=200, blank=True, editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)

    objects = WaitingRunQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["reason", "number"], name="runs_that_wait_in_order")]

    def __str__(self) -> str:
        return f"{self.cell} of {self.notebook}"
