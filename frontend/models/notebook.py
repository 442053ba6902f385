"""The notebook: a document that its owner edits in a page, and that a session runs."""

import uuid
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from frontend.documents import bytes_of
from frontend.notices import notebook_changed
from tenants import storage
from tenants.models import Tenant


class NotebookQuerySet(models.QuerySet["Notebook"]):
    def of(self, tenant: Tenant, user: Any) -> "NotebookQuerySet":
        """A person's own notebooks, in this tenant, and not deleted."""
        return self.filter(tenant=tenant, owner=user, deleted_at=None)

    def in_trash_of(self, tenant: Tenant, user: Any) -> "NotebookQuerySet":
        """What this person deleted and may bring back."""
        return self.filter(tenant=tenant, owner=user, deleted_at__isnull=False)

    def shared_with(self, tenant: Tenant, user: Any) -> "NotebookQuerySet":
        """Those of others that this person may see."""
        theirs = self.filter(tenant=tenant, deleted_at=None).exclude(owner=user)
        return theirs.filter(Q(open_to_tenant=True) | Q(collaborators__user=user)).distinct()


class Notebook(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="notebooks")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notebooks")
    title = models.CharField(max_length=200)
    # A name and not a row: a pool may be replaced by another of that name, and the notebook goes on.
    pool = models.CharField(max_length=63, help_text="Name of the session pool that runs it.")
    # nbformat 4.5. What the cells printed is in Execution and is filled in when the document is read.
    document = models.JSONField()
    # Counts up with every save: who saves says which version was edited, so that a stale tab overwrites nothing.
    version = models.PositiveIntegerField(default=1, editable=False)
    # Bytes of the document, and of what is kept with it: versions, outputs that came along, copies behind links.
    size = models.PositiveBigIntegerField(default=0, editable=False)
    kept = models.PositiveBigIntegerField(default=0, editable=False)
    open_to_tenant = models.BooleanField(default=False, help_text="Every member of the tenant may look at it.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = NotebookQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "owner", "deleted_at"])]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.size = bytes_of(self.document)
        super().save(*args, **kwargs)

    @property
    def identifier(self) -> str:
        """The name of its session, which is one for all who may run it."""
        return f"notebook-{self.pk}-{self.owner_id}"

    def save_document(self, document: dict[str, Any], *, base: int, keep: str = "", by: Any = None) -> bool:
        """Save what was edited from version `base`; False if somebody saved in between, and nothing is changed.

        Raises StorageFull, and nothing is changed, where the tenant may not store so much more.
        The one place through which every change of a document passes. What was there before is kept as a version: when
        the last one is old enough, or always where `keep` says why. `by`: who saves.
        """
        if base != self.version:
            return False
        now, bytes_now = timezone.now(), bytes_of(document)
        with storage.room_for(self.tenant), transaction.atomic():
            rows = Notebook.objects.filter(pk=self.pk, version=base, deleted_at=None)
            if rows.update(document=document, size=bytes_now, version=base + 1, updated_at=now) != 1:
                return False
            if keep:
                self.versions.keep(self, keep, by=by)
            elif self.versions.due(self):
                self._keep_by_itself(by)
            notebook_changed(self.pk, base + 1, str(by.pk) if by is not None else "")
        self.document, self.size, self.version, self.updated_at = document, bytes_now, base + 1, now
        return True

    def _keep_by_itself(self, by: Any) -> None:
        """Who makes a notebook smaller to make room is not kept from it by the version that this would keep."""
        with suppress(storage.StorageFull), storage.room_for(self.tenant), transaction.atomic():
            self.versions.keep(self, "automatic", by=by)

    def change_pool(self, pool: str, kernel: str, language: str) -> bool:
        """Run it in another pool from now on, and say so in the document; False if somebody saved in between."""
        name = language.lower()
        about = {
            "kernelspec": {"name": kernel, "display_name": language, "language": name},
            "language_info": {"name": name},
        }
        document = {**self.document, "metadata": {**self.document.get("metadata", {}), **about}}
        if not self.save_document(document, base=self.version):
            return False
        self.pool = pool
        self.save(update_fields=["pool"])
        # Again: who looked at the first notice may have found the former pool.
        notebook_changed(self.pk, self.version)
        return True

    def rename(self, title: str) -> None:
        self.title = title
        self.updated_at = timezone.now()
        self.save(update_fields=["title", "updated_at"])
        notebook_changed(self.pk, self.version)

    def delete_softly(self) -> None:
        """Hide it. `restore` brings it back."""
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])
        notebook_changed(self.pk, self.version)

    def restore(self) -> None:
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def mark_opened(self) -> None:
        self.opened_at = timezone.now()
        self.save(update_fields=["opened_at"])
