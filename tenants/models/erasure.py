"""Archives of what a tenant or a person has here, and erasures of it. An erasure that is done is its certificate."""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.models.tenant import Tenant

# A worker that has not said for so long how far it is counts as dead.
SILENCE = timedelta(minutes=5)


class ArchiveQuerySet(models.QuerySet["Archive"]):
    def for_person(self, tenant: Tenant, user: Any, *, owner: bool) -> Self:
        """Those that a person may have: of their own data, and of the whole tenant where they own it."""
        own = Q(user=user.pk)
        return self.filter(own | Q(user=None) if owner else own, tenant=tenant)

    def claim(self) -> "Archive | None":
        """The one that has waited longest, taken by nobody else; also one whose worker died."""
        now = timezone.now()
        open_ = self.filter(state__in=(Archive.State.WAITING, Archive.State.WORKING))
        for archive in open_.exclude(heard_at__gt=now - SILENCE).order_by("created_at"):
            mine = self.filter(pk=archive.pk, state=archive.state, heard_at=archive.heard_at)
            if mine.update(state=Archive.State.WORKING, heard_at=now, claim=(claim := uuid.uuid4())) == 1:
                archive.state, archive.heard_at, archive.claim = Archive.State.WORKING, now, claim
                return archive
        return None

    def expired(self) -> Self:
        return self.filter(expires_at__lt=timezone.now())


class Archive(models.Model):
    """A zip of everything that a tenant, or one person in it, has here. A worker makes it; it is there for a while."""

    class State(models.TextChoices):
        WAITING = "waiting"
        WORKING = "working"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="archives")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="archives",
        help_text="Whose data it is; empty: the whole tenant's.",
    )  # fmt: skip
    asked_by = models.CharField(max_length=150, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, editable=False)
    progress = models.CharField(max_length=200, blank=True, editable=False)
    claim = models.UUIDField(null=True, editable=False)
    heard_at = models.DateTimeField(null=True, editable=False)
    size = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "user"], condition=Q(state__in=["waiting", "working"]), name="one_archive_of_a_person"
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=Q(state__in=["waiting", "working"], user=None),
                name="one_archive_of_a_tenant",
            ),
        ]

    def __str__(self) -> str:
        return f"archive of {self.user or self.tenant}"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.pk.hex}.zip"

    def tell(self, progress: str, **changes: Any) -> bool:
        """Say how far it is. False: somebody else is at it by now, or it was deleted."""
        held = Archive.objects.filter(pk=self.pk, state=self.State.WORKING, claim=self.claim)
        return held.update(progress=progress[:200], heard_at=timezone.now(), **changes) == 1


class Erasure(models.Model):
    """That everything of a tenant, or of one person in it, goes; and when that is done, that it went.

    It has no foreign keys: it stays when all that it is about is gone. A person is a number here, and no name.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_key = models.BigIntegerField()
    tenant_name = models.CharField(max_length=100)
    tenant_slug = models.CharField(max_length=63)
    user_key = models.BigIntegerField(null=True, help_text="Of the person; empty: the whole tenant.")
    # Who were members when it began. Accounts that are of no tenant afterwards go too.
    people = models.JSONField(default=list)
    asked_by = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    waits_for = models.CharField(max_length=200, blank=True)
    # How many went, by kind.
    counts = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-asked_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_key", "user_key"], condition=Q(finished_at=None), name="one_erasure_of_a_person"
            ),
            models.UniqueConstraint(
                fields=["tenant_key"], condition=Q(finished_at=None, user_key=None), name="one_erasure_of_a_tenant"
            ),
        ]

    def __str__(self) -> str:
        return f"person {self.user_key} of {self.tenant_name}" if self.user_key else self.tenant_name

    @classmethod
    def shuts_out(cls, tenant: int, user: int | None = None) -> bool:
        """Whether the tenant is being erased, or this person's part of it: then there is nothing to join."""
        whose = Q(user_key=None) | Q(user_key=user)
        return cls.objects.filter(whose, tenant_key=tenant, finished_at=None).exists()

    def count(self, kind: str, rows: int) -> None:
        """Within the transaction in which they go."""
        if rows:
            held = Erasure.objects.select_for_update().get(pk=self.pk)
            self.counts = {**held.counts, kind: held.counts.get(kind, 0) + rows}
            Erasure.objects.filter(pk=self.pk).update(counts=self.counts)

    def wait_for(self, what: str) -> None:
        if what != self.waits_for:
            self.waits_for = what
            Erasure.objects.filter(pk=self.pk, finished_at=None).update(waits_for=what[:200])
