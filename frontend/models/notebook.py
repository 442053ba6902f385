"""The notebook: a document that its owner edits in a page, and that a session runs."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenants.models import Tenant


class NotebookQuerySet(models.QuerySet["Notebook"]):
    def of(self, tenant: Tenant, user: Any) -> "NotebookQuerySet":
        """The notebooks that this person may see: their own, in this tenant, and not deleted."""
        return self.filter(tenant=tenant, owner=user, deleted_at=None)


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
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = NotebookQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "owner", "deleted_at"])]

    def __str__(self) -> str:
        return self.title

    def identifier(self, user_id: int) -> str:
        """The name of this person's session for this notebook."""
        return f"notebook-{self.pk}-{user_id}"

    def save_document(self, document: dict[str, Any], *, base: int) -> bool:
        """Save what was edited from version `base`; False if somebody saved in between, and nothing is changed."""
        rows = Notebook.objects.filter(pk=self.pk, version=base, deleted_at=None)
        saved = rows.update(document=document, version=base + 1, updated_at=timezone.now()) == 1
        if saved:
            self.document, self.version = document, base + 1
        return saved

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
        return True

    def rename(self, title: str) -> None:
        self.title = title
        self.updated_at = timezone.now()
        self.save(update_fields=["title", "updated_at"])

    def delete_softly(self) -> None:
        """Hide it. `restore` brings it back."""
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])

    def restore(self) -> None:
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def mark_opened(self) -> None:
        self.opened_at = timezone.now()
        self.save(update_fields=["opened_at"])
