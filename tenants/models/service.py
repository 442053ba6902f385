"""Service accounts: principals of a tenant that are no persons, for programs that outlive who set them up.

Each has a row of the user model, so that sessions, runs and the audit log name it as they name people. That row has
no password and is not active: no way of signing in takes it. It has no membership, so nothing that lists people lists
it, and no notebook is ever its own: it is reached by its tokens alone.
"""

import re
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from tenants.models.tenant import Tenant
from tenants.roles import Role

# No person's name can begin so: names of people have no colon.
PREFIX = "service:"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
MOST = 200  # of a tenant
ROLES = [(role.value, role.label) for role in Role if role != Role.OWNER]


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValidationError("Name it with 1 to 60 letters, digits, _ or -, as in nightly-build.")


def is_service(user: Any) -> bool:
    return str(user.get_username()).startswith(PREFIX)


def name_of(user: Any) -> str:
    """How a person, or a service account, is called where one reads it: `service:ci` for `service:ci.5f3a2b1c`."""
    name = str(user.get_username())
    return name.rpartition(".")[0] if name.startswith(PREFIX) else name


class ServiceAccount(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="service_accounts")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="service_account", editable=False
    )
    name = models.CharField(max_length=60, validators=[check_name])
    role = models.CharField(max_length=10, choices=ROLES, default=Role.MEMBER)
    purpose = models.CharField(max_length=200, blank=True, help_text="What it is for, and whom to ask about it.")
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_service_account_of_a_name")]
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With its row of the user model, whose name tells it apart from one of the same name elsewhere."""
        named = {"username": f"{PREFIX}{self.name}.{self.id.hex[:8]}", "first_name": self.name}
        with transaction.atomic():
            if self._state.adding:
                user = get_user_model()(is_active=False, **named)
                user.set_unusable_password()
                user.save()
                self.user = user
            else:
                get_user_model()._default_manager.filter(pk=self.user_id).update(**named)
            super().save(*args, **kwargs)

    def clean(self) -> None:
        rows = ServiceAccount.objects.filter(tenant=self.tenant_id)
        if self._state.adding and self.tenant_id and rows.count() >= MOST:
            raise ValidationError(f"A tenant has at most {MOST} service accounts: delete those that nobody uses.")

    @property
    def enabled(self) -> bool:
        return self.disabled_at is None

    def disable(self) -> None:
        """Its tokens count for nothing from now on, until it is enabled."""
        if self.disabled_at is None:
            self.disabled_at = timezone.now()
            self.save(update_fields=["disabled_at"])

    def enable(self) -> None:
        if self.disabled_at is not None:
            self.disabled_at = None
            self.save(update_fields=["disabled_at"])


@receiver(post_delete, sender=ServiceAccount)
def forget_user(sender: Any, instance: ServiceAccount, origin: Any = None, **_: Any) -> None:
    """Its user, and with that its tokens, go with it, also when the whole tenant goes."""
    users = get_user_model()
    if getattr(origin, "model", type(origin)) is not users:
        for user in users._default_manager.filter(pk=instance.user_id):
            user.delete()
