"""Who else may use a notebook, and links to frozen copies of it."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from frontend.documents import bytes_of
from frontend.models.notebook import Notebook
from tenants import storage
from tenants.models import Tenant


class Collaborator(models.Model):
    """A member of the tenant with whom the owner shares a notebook."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "may look on"
        EDITOR = "editor", "may edit and run"

    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="collaborators")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="shared_notebooks")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "user"], name="shared_once_with_a_person")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


def hash_of(token: str) -> str:
    """SHA-256: a link's token carries 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class ShareLink(models.Model):
    """A link to a notebook as it was when it was shared. Its token is shown once and stored hashed."""

    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="links")
    hashed = models.CharField(max_length=64, unique=True, editable=False)
    public = models.BooleanField(default=False, help_text="Opens for anybody who has it, not for members only.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # What is shown: it never changes but by `update_copy`.
    title = models.CharField(max_length=200)
    language = models.CharField(max_length=63)
    document = models.JSONField()
    size = models.PositiveBigIntegerField(default=0, editable=False)
    taken_at = models.DateTimeField(default=timezone.now)
    views = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["notebook", "created_at"])]

    def __str__(self) -> str:
        return f"{self.title} ({'public' if self.public else 'tenant'})"

    @classmethod
    def issue(cls, *, lifetime: timedelta | None, **fields: Any) -> tuple["ShareLink", str]:
        """A link and its token, which is never readable again. Raises StorageFull."""
        token = secrets.token_urlsafe(32)
        expires = timezone.now() + lifetime if lifetime else None
        fields["size"] = bytes_of(fields["document"])
        with storage.room_for(fields["notebook"].tenant), transaction.atomic():
            link = cls.objects.create(hashed=hash_of(token), expires_at=expires, **fields)
            _measure(link)
        return link, token

    @classmethod
    def by_token(cls, token: str) -> "ShareLink | None":
        links = cls.objects.select_related("notebook__tenant", "notebook__owner")
        return links.filter(hashed=hash_of(token)).first()

    @property
    def tenant(self) -> Tenant:
        return self.notebook.tenant

    @property
    def usable(self) -> bool:
        in_time = self.expires_at is None or self.expires_at > timezone.now()
        return in_time and self.revoked_at is None and self.notebook.deleted_at is None

    def revoke(self) -> None:
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])

    def update_copy(self, title: str, document: dict[str, Any]) -> None:
        """Show the notebook as it is now. Raises StorageFull, and what is shown stays."""
        with storage.room_for(self.tenant), transaction.atomic():
            self.title, self.document, self.taken_at = title, document, timezone.now()
            self.size = bytes_of(document)
            self.save(update_fields=["title", "document", "taken_at", "size"])
            _measure(self)

    def count_view(self) -> None:
        ShareLink.objects.filter(pk=self.pk).update(views=F("views") + 1, opened_at=timezone.now())


def _measure(link: ShareLink) -> None:
    from frontend.models.size import measure_kept  # which counts links too

    measure_kept(link.notebook_id)
