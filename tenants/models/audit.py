"""The audit log: rows that are only added. The database refuses to change them, and to delete young ones."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenants.models.tenant import Tenant


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def of(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)


def actions() -> list[tuple[str, str]]:
    """Asked for when they are needed: a new action is no change of the database."""
    return list(AuditEvent.Action.choices)


class AuditEvent(models.Model):
    """Who did what to which object, from where.

    Objects and people are named by text beside their keys: the row must still say who and what when they are gone.
    Its foreign keys bind nothing in the database, which could not null them.
    """

    class Action(models.TextChoices):
        """Named by what it is done to. Reports and webhooks rely on the names: they never change."""

        SIGNED_IN = "account.signed_in"
        SIGNED_OUT = "account.signed_out"
        SIGN_IN_FAILED = "account.sign_in_failed"
        PASSWORD_CHANGED = "account.password_changed"  # noqa: S105
        PASSWORD_LINK_MADE = "account.password_link_made"  # noqa: S105
        SECOND_FACTOR_ADDED = "account.second_factor_added"
        SECOND_FACTOR_REMOVED = "account.second_factor_removed"
        SECOND_FACTOR_FAILED = "account.second_factor_failed"
        RECOVERY_CODES_MADE = "account.recovery_codes_made"
        SIGN_IN_ENDED = "account.sign_in_ended"
        IDENTITY_CONNECTED = "account.identity_connected"
        IDENTITY_REMOVED = "account.identity_removed"
        IDENTITY_REFUSED = "account.identity_refused"
        PROVIDER_CREATED = "identity_provider.created"
        PROVIDER_CHANGED = "identity_provider.changed"
        PROVIDER_DELETED = "identity_provider.deleted"
        TOKEN_CREATED = "token.created"  # noqa: S105
        TOKEN_CHANGED = "token.changed"  # noqa: S105
        TOKEN_DELETED = "token.deleted"  # noqa: S105
        TOKEN_USED = "token.used"  # noqa: S105
        TOKEN_REFUSED = "token.refused"  # noqa: S105
        SERVICE_CREATED = "service_account.created"
        SERVICE_CHANGED = "service_account.changed"
        SERVICE_DELETED = "service_account.deleted"
        MEMBER_ADDED = "member.added"
        MEMBER_CHANGED = "member.changed"
        MEMBER_REMOVED = "member.removed"
        MEMBER_LEFT = "member.left"
        INVITATION_CREATED = "invitation.created"
        INVITATION_ACCEPTED = "invitation.accepted"
        INVITATION_REVOKED = "invitation.revoked"
        NOTEBOOKS_TRANSFERRED = "notebooks.transferred"
        TENANT_CREATED = "tenant.created"
        TENANT_CHANGED = "tenant.changed"
        POOL_CREATED = "pool.created"
        POOL_CHANGED = "pool.changed"
        POOL_DELETED = "pool.deleted"
        IMAGE_CREATED = "image.created"
        IMAGE_CHANGED = "image.changed"
        IMAGE_REFRESHED = "image.refreshed"
        IMAGE_DELETED = "image.deleted"
        CREDENTIAL_CREATED = "credential.created"
        CREDENTIAL_CHANGED = "credential.changed"
        CREDENTIAL_DELETED = "credential.deleted"
        ARCHIVE_ASKED = "archive.asked"
        ARCHIVE_DOWNLOADED = "archive.downloaded"
        ERASURE_BEGAN = "erasure.began"
        ERASURE_DONE = "erasure.done"
        WEBHOOK_CREATED = "webhook.created"
        WEBHOOK_CHANGED = "webhook.changed"
        WEBHOOK_DELETED = "webhook.deleted"
        WEBHOOK_DISABLED = "webhook.disabled"
        SESSION_OPENED = "session.opened"
        SESSION_REFUSED = "session.refused"
        SESSION_ENDED = "session.ended"
        QUOTA_REFUSED = "quota.refused"
        CODE_RUN = "code.run"
        PREVIEW_OPENED = "preview.opened"
        FILE_DOWNLOADED = "file.downloaded"
        FILE_CHANGED = "file.changed"
        WORKSPACE_CREATED = "workspace.created"
        WORKSPACE_CHANGED = "workspace.changed"
        WORKSPACE_DELETED = "workspace.deleted"
        NOTEBOOK_CREATED = "notebook.created"
        NOTEBOOK_CHANGED = "notebook.changed"
        NOTEBOOK_DELETED = "notebook.deleted"
        NOTEBOOK_SHARED = "notebook.shared"
        NOTEBOOK_SHARING_CHANGED = "notebook.sharing_changed"
        NOTEBOOK_UNSHARED = "notebook.unshared"
        LINK_CREATED = "share_link.created"
        LINK_CHANGED = "share_link.changed"
        LINK_DELETED = "share_link.deleted"
        AUDIT_EXPORTED = "audit.exported"
        ACCOUNT_CREATED = "account.created"
        ACCOUNT_CHANGED = "account.changed"
        ACCOUNT_DELETED = "account.deleted"
        ADMIN_ACTION = "admin.action"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    tenant = models.ForeignKey(Tenant, models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    # The person's name, and the first characters of the token that was used.
    who = models.CharField(max_length=200, blank=True)
    token = models.CharField(max_length=16, blank=True)
    address = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=40, choices=actions)
    # What it was done to: a kind, as "pool", its key and its name.
    kind = models.CharField(max_length=40, blank=True)
    key = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=200, blank=True)
    # Of what changed: {field: value}. Secrets are told as changed, never with their value.
    old = models.JSONField(default=dict)
    new = models.JSONField(default=dict)
    # Why, in words or as a code: the reason of an end, the message of a refusal.
    why = models.TextField(blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = "audit event"
        ordering = ("-at", "-id")
        indexes = [models.Index(fields=["tenant", "-at"]), models.Index(fields=["tenant", "id"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who} {self.action} {self.name}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("An audit event is never changed.")
        super().save(*args, **kwargs)


class AuditPruning(models.Model):
    """That events from before a moment were deleted, because they were kept for as long as was set.

    The database lets only events go that are older than the newest of these, and none of these.
    """

    at = models.DateTimeField(default=timezone.now)
    before = models.DateTimeField()
    events = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"events before {self.before:%Y-%m-%d}"
