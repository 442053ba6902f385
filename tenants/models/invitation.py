"""Invitations into a tenant: links, each for one person, that whoever invites hands over.

The secret is 256 random bits, shown once and stored as its hash. An invitation gives no more than its maker could give
at the moment when it is accepted: a maker who was demoted, removed or switched off invites nobody any more.
"""

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models, transaction
from django.utils import timezone

from tenants.models.erasure import Erasure
from tenants.models.membership import Membership
from tenants.models.tenant import Tenant
from tenants.roles import Role, may_give

SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
LIFETIME, LONGEST = timedelta(days=7), timedelta(days=90)
MOST_OPEN = 200


class CannotInvite(Exception):
    """The message says why, and what to do."""


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Neither accepted nor revoked, and in time."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    note = models.CharField(
        "for whom",
        max_length=200,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="A name or an address, so that you know whose it is. Nothing is sent, and the invited do not see it.",
    )
    hashed = models.CharField(max_length=64, unique=True, editable=False)
    # Null for what the operator made on the command line.
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, editable=False, related_name="invitations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "created_at"])]

    def __str__(self) -> str:
        return f"{self.role} of {self.tenant}{f', for {self.note}' if self.note else ''}"

    @classmethod
    def issue(
        cls, tenant: Tenant, role: str, *, by: Any, note: str = "", lifetime: timedelta = LIFETIME
    ) -> tuple["Invitation", str]:
        """An invitation and its secret, which is never readable again. `by` None: the operator. Raises CannotInvite."""
        if not timedelta() < lifetime <= LONGEST:
            raise CannotInvite(f"An invitation lasts for 1 to {LONGEST.days} days.")
        with transaction.atomic():
            Tenant.objects.select_for_update().get(pk=tenant.pk)
            if by is not None and role not in may_give(tenant.standing_of(by)):
                raise CannotInvite(f"Your role in {tenant} does not let you invite somebody as {role}: ask an owner.")
            if Erasure.shuts_out(tenant.pk):
                raise CannotInvite(f"{tenant} is being erased: nobody joins it any more.")
            if tenant.invitations.open().count() >= MOST_OPEN:
                raise CannotInvite(f"{tenant} has {MOST_OPEN} open invitations: revoke those that nobody needs.")
            secret = secrets.token_urlsafe(32)
            fields = {"role": role, "note": note, "invited_by": by, "expires_at": timezone.now() + lifetime}
            return cls.objects.create(tenant=tenant, hashed=hash_of(secret), **fields), secret

    @classmethod
    def by_secret(cls, secret: str) -> "Invitation | None":
        """The one that may be accepted now. What is expired, used, revoked or was never made is nothing alike."""
        return cls.by_hash(hash_of(secret)) if SECRET.fullmatch(secret) else None

    @classmethod
    def by_hash(cls, hashed: str) -> "Invitation | None":
        found = cls.objects.open().filter(hashed=hashed).select_related("tenant", "invited_by").first()
        return found if found and found.backed else None

    @property
    def backed(self) -> bool:
        """Whether who made it may still give its role."""
        return self.invited_by is None or self.role in may_give(self.tenant.standing_of(self.invited_by))

    @property
    def state(self) -> str:
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        if self.expires_at <= timezone.now():
            return "expired"
        return "open" if self.backed else "void: who made it may not invite any more"

    def accept(self, user: Any) -> Membership | None:
        """Make `user` a member, once. None: it is too late, or they are a member already, and nothing is used up."""
        from tenants.audit import Action, record

        with transaction.atomic():
            Tenant.objects.select_for_update().get(pk=self.tenant_id)
            if not self.backed or self.tenant.memberships.filter(user=user.pk).exists():
                return None
            if Erasure.shuts_out(self.tenant_id, user.pk):
                return None
            still = Invitation.objects.open().filter(pk=self.pk)
            if still.update(accepted_at=timezone.now(), accepted_by=user) != 1:
                return None
            self.refresh_from_db(fields=["accepted_at", "accepted_by"])
            record(Action.INVITATION_ACCEPTED, tenant=self.tenant_id, about=self, new={"user": user.get_username()})
            return Membership.objects.create(tenant=self.tenant, user=user, role=self.role)

    def revoke(self) -> bool:
        """False: it was accepted or revoked before."""
        from tenants.audit import Action, record

        with transaction.atomic():
            unused = Invitation.objects.filter(pk=self.pk, accepted_at=None, revoked_at=None)
            if unused.update(revoked_at=timezone.now()) != 1:
                return False
            self.refresh_from_db(fields=["revoked_at"])
            record(Action.INVITATION_REVOKED, tenant=self.tenant_id, about=self)
            return True
