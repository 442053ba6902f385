"""One run of code."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Max, Min
from django.utils import timezone

from interpreters.models.session import Session
from tenants.models import Tenant
from tenants.prepared import Given, Prepared


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def of(self, tenant: Tenant, execution: uuid.UUID) -> "Execution | None":
        """One in a session of the tenant's, with its session, pool and image."""
        return _with_session.first(tenant=tenant.pk, execution=execution)

    def unfinished(self) -> Self:
        return self.filter(status__in=[Execution.Status.QUEUED, Execution.Status.RUNNING])

    def busy_since(self) -> Iterator[tuple[uuid.UUID, datetime]]:
        """Each session whose kernel runs something, once for each such kernel, and since when, as far as rows tell.

        An agent tells when a run began with its end. Until then: the oldest run of a kernel began when it was asked
        for, or when the one before it had ended.
        """
        begun = self.unfinished().filter(turn=None).values("session", "context")
        since = {(row["session"], row["context"]): row["first"] for row in begun.annotate(first=Min("queued_at"))}
        if not since:
            return
        ended = Execution.objects.filter(session__in={session for session, _ in since}, finished_at__isnull=False)
        last = ended.values("session", "context").annotate(last=Max("finished_at"))
        free = {(row["session"], row["context"]): row["last"] for row in last}
        for kernel, first in since.items():
            yield kernel[0], max(first, free.get(kernel, first))

    def waiting(self) -> Self:
        """Asked for before there was a sandbox, and not given to its agent yet, in the order in which they will run."""
        return self.filter(turn__isnull=False, status=Execution.Status.QUEUED).order_by("turn")

    def take_out(self, status: str, reason: str = "") -> int:
        """Those that wait will not run. Returns how many did wait."""
        end = {"status": status, "reason": reason[:200], "finished_at": timezone.now()}
        return self.waiting().order_by().update(turn=None, outputs=[], **end)


_with_session: Prepared["Execution"] = Prepared(
    lambda: Execution.objects.filter(
        tenant=Given("tenant"), session__tenant=Given("tenant"), pk=Given("execution", models.UUIDField())
    ).select_related("session__pool__image")
)


class Execution(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        OK = "ok"
        ERROR = "error"
        ABORTED = "aborted", "aborted after an earlier error"
        CANCELLED = "cancelled"
        LOST = "lost", "lost with its sandbox"

    # Also the msg_id of the Jupyter execute_request, so that every output names its execution.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="executions")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="executions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="executions"
    )
    context = models.CharField(max_length=63, default="default")
    # The caller's own name for what ran, such as a notebook's cell: outputs find their way back by it.
    cell = models.CharField(max_length=128, blank=True)
    code = models.TextField()
    stop_on_error = models.BooleanField(default=True)
    # Its turn among those that were asked for before there was a sandbox; null for what the agent has (see `waiting`).
    turn = models.PositiveIntegerField(null=True, blank=True, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it was aborted or lost.")
    execution_count = models.PositiveIntegerField(null=True, blank=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # nbformat 4.5 outputs; null until the execution is done and they are saved.
    outputs = models.JSONField(null=True, blank=True)
    outputs_cut = models.BooleanField(default=False)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "cell", "-queued_at"]),
            models.Index(fields=["session", "queued_at"]),
            # For the samples of pools: what has ended in a minute.
            models.Index(
                fields=["finished_at"], condition=models.Q(finished_at__isnull=False), name="executions_by_end"
            ),
            # For the worker that saves what nobody has: a few rows of all that there ever were.
            models.Index(fields=["session"], condition=models.Q(outputs__isnull=True), name="executions_unsaved"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    @property
    def final(self) -> bool:
        return self.status not in (self.Status.QUEUED, self.Status.RUNNING)
