"""Who belongs to a tenant, as what, and what happens when that changes.

Each verb locks the tenant and reads its members anew, so that of two owners who leave at once one stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import models, transaction

from tenants.departures import departed
from tenants.models.erasure import Erasure
from tenants.models.tenant import Tenant
from tenants.roles import Ability, Role, may_give, roles_that


class PeopleRefusal(Exception):
    """It cannot be done; the message says why, and what to do."""


class LastOwner(PeopleRefusal):
    def __init__(self, tenant: Tenant) -> None:
        super().__init__(f"{tenant} needs an owner, and this is its last: make somebody else an owner first.")


class BeingErased(PeopleRefusal):
    def __init__(self, tenant: Tenant) -> None:
        super().__init__(f"Nobody joins {tenant} while it is being erased, or what they had there.")


class NotTheirs(PeopleRefusal):
    """Their role does not allow it."""


class MembershipQuerySet(models.QuerySet["Membership"]):
    def heirs(self) -> "MembershipQuerySet":
        """Who could take over somebody's notebooks: owners first, then by how long they have been there."""
        order = models.Case(models.When(role=Role.OWNER, then=0), default=1)
        able = self.filter(role__in=roles_that(Ability.NOTEBOOKS_WRITE), user__is_active=True)
        return able.select_related("user").order_by(order, "created_at", "pk")


class Membership(models.Model):
    """A person's place in a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    # Whether it ends because the person wants it: for the audit log.
    leaving = False

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant} ({self.role})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises BeingErased. The one place that every way to become a member goes through."""
        with transaction.atomic():
            if self._state.adding:
                self.check_joins()
            super().save(*args, **kwargs)

    def check_joins(self) -> None:
        """Raises BeingErased. No erasure begins from here on until the transaction ends."""
        tenant = Tenant.objects.hold(self.tenant_id)
        if Erasure.shuts_out(self.tenant_id, self.user_id):
            raise BeingErased(tenant)

    @property
    def is_last_owner(self) -> bool:
        """Whether nobody else could run the tenant. Who is switched off counts for nobody."""
        others = Membership.objects.filter(tenant=self.tenant_id, role=Role.OWNER, user__is_active=True)
        return self.role == Role.OWNER and not others.exclude(pk=self.pk).exists()

    def check_change(self, role: str, by: Any) -> None:
        """Raises PeopleRefusal unless `by` may give this person that role."""
        self._check_is_theirs(by)
        if role not in may_give(self.tenant.standing_of(by)):
            raise NotTheirs(f"Your role in {self.tenant} does not let you make somebody {role}: ask an owner.")
        if role != Role.OWNER and self.is_last_owner:
            raise LastOwner(self.tenant)

    def check_removal(self, by: Any) -> None:
        """Raises PeopleRefusal unless `by` may remove this person, who may be `by`."""
        if by.pk != self.user_id:
            self._check_is_theirs(by)
        if self.is_last_owner:
            raise LastOwner(self.tenant)

    def _check_is_theirs(self, by: Any) -> None:
        if self.role not in may_give(self.tenant.standing_of(by)):
            raise NotTheirs(f"Your role in {self.tenant} does not let you change or remove its {self.role}s.")

    def change_role(self, role: str, *, by: Any) -> None:
        """Raises PeopleRefusal."""
        with self._alone():
            self.check_change(role, by)
            if role != self.role:
                self.role = role
                self.save(update_fields=["role"])

    def remove(self, *, by: Any, heir: Any = None) -> None:
        """End it: tokens, invitations and sessions of this person in the tenant end, and others get the notebooks.

        `heir`: the user who gets them, else who removes, else the first owner. Who removes themselves leaves.
        Raises PeopleRefusal.
        """
        with self._alone():
            self.check_removal(by)
            heir = self.heir_of(heir, by=by)
            self.leaving = by.pk == self.user_id
            tenant, user = self.tenant, self.user
            self._revoke()
            self.delete()
            departed.send(Membership, tenant=tenant, user=user, heir=heir, by=by)

    def leave(self, *, heir: Any = None) -> None:
        """Raises PeopleRefusal."""
        self.remove(by=self.user, heir=heir)

    @property
    def heirs(self) -> MembershipQuerySet:
        """The others, among whom somebody gets the notebooks; who would get them without a choice is the first."""
        return Membership.objects.filter(tenant=self.tenant_id).exclude(pk=self.pk).heirs()

    def heir_of(self, wanted: Any = None, *, by: Any) -> Any:
        """The user who gets the notebooks if this one goes; None where nobody could. Raises PeopleRefusal."""
        others = self.heirs
        if wanted is not None:
            found = others.filter(user=wanted.pk).first()
            if found is None:
                raise PeopleRefusal(f"{wanted} cannot take over notebooks: choose a member who may edit them.")
            return found.user
        chosen = others.filter(user=by.pk).first() or others.first()
        return chosen.user if chosen else None

    def _revoke(self) -> None:
        for token in self.tenant.tokens.filter(user=self.user_id, revoked_at=None):
            token.revoke()
        for invitation in self.tenant.invitations.open().filter(invited_by=self.user_id):
            invitation.revoke()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction in which no other member of the tenant changes, with this one read anew."""
        with transaction.atomic():
            Tenant.objects.select_for_update().get(pk=self.tenant_id)
            try:
                self.refresh_from_db(fields=["role"])
            except Membership.DoesNotExist:
                raise PeopleRefusal("They are no member any more.") from None
            yield
