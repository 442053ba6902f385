"""Organisations and who works in them."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from tenants import registries
from tenants.egress import MODE_CHOICES, Ceiling, Mode, parse_entries
from tenants.fields import EntriesField
from tenants.roles import OPERATOR

# What the operator bounds; one that is empty bounds nothing. Of a month; where a session is leased; and all.
MONTH_QUOTAS = ("max_session_hours", "max_execution_hours")
LEASE_QUOTAS = (
    *("max_sessions", "max_member_sessions", "max_cpu", "max_memory", "max_ready", "max_disk"),
    *MONTH_QUOTAS,
)
QUOTAS = (*LEASE_QUOTAS, "max_stored", "max_requests", "max_caller_requests")


class TenantQuerySet(models.QuerySet["Tenant"]):
    def hold(self, pk: int) -> "Tenant":
        """The row, and everybody else who asks like this waits until the transaction ends. Before a pool's lock.

        Not against what only refers to it: who inserts a row of the tenant's waits for nobody.
        """
        return self.select_for_update(no_key=True).get(pk=pk)


def check_registries(names: object) -> None:
    try:
        registries.checked_list(names)
    except registries.BadRegistry as error:
        raise ValidationError(str(error)) from error


class Tenant(models.Model):
    """An organisation. It owns members, tokens, images, pools, sessions and notebooks."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=63, unique=True)
    # What the operator allows; only superusers write it.
    allowed_registries = models.JSONField(
        default=list,
        blank=True,
        validators=[check_registries],
        help_text="Hosts that images may be taken from; empty for those of the installation; “*” for any.",
    )
    egress_ceiling = models.CharField(
        max_length=10,
        choices=MODE_CHOICES,
        blank=True,
        help_text="The most network access that its pools may have. Empty: what EGRESS_CEILING says.",
    )
    egress_allowed = EntriesField(
        help_text="All that its pools may reach, one to a line, as example.org, *.example.org or 198.51.100.0/24, each "
        "with :port if it is not 80 and 443. Empty: any public destination.",
    )
    # Quotas (docs/quotas.md). Empty: none.
    max_sessions = models.PositiveIntegerField(
        "sessions", null=True, blank=True, help_text="Sessions that its members have at the same time."
    )
    max_member_sessions = models.PositiveIntegerField(
        "sessions of a member", null=True, blank=True, help_text="Sessions that one member has at the same time."
    )
    max_cpu = models.FloatField(
        "CPU", null=True, blank=True, validators=[MinValueValidator(0)], help_text="Cores of all its sessions together."
    )
    max_memory = models.PositiveIntegerField(
        "memory", null=True, blank=True, help_text="MiB of all its sessions together."
    )
    max_ready = models.PositiveIntegerField(
        "ready instances", null=True, blank=True, help_text="Kept ready in all its own pools together."
    )
    max_disk = models.PositiveIntegerField(
        "disk", null=True, blank=True, help_text="MiB of all its sessions and its own pools' ready instances together."
    )
    max_session_hours = models.FloatField(
        "session hours", null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Hours a month that its sessions are leased, all together. Months are UTC.",
    )  # fmt: skip
    max_execution_hours = models.FloatField(
        "execution hours", null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Hours a month in which its code runs, all together.",
    )  # fmt: skip
    max_stored = models.PositiveBigIntegerField(
        "storage", null=True, blank=True, help_text="MiB of kept files, notebooks with their versions, and images."
    )
    max_requests = models.PositiveIntegerField(
        "API requests", null=True, blank=True, help_text="A minute, of all its members and tokens together."
    )
    max_caller_requests = models.PositiveIntegerField(
        "API requests of a caller", null=True, blank=True, help_text="A minute, of one token, or one person's browser."
    )
    record_code = models.BooleanField(
        "record code",
        default=False,
        help_text="Write the code that is run into the audit log. Tell your members before you turn it on.",
    )
    requires_second_factor = models.BooleanField(
        "second factor",
        default=False,
        help_text="Members who sign in by a password need an authenticator app or a passkey, or set one up first.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def standing_of(self, user: Any) -> frozenset[str]:
        """What a person is here: a role, OPERATOR, both or nothing. For `tenants.roles.may`."""
        if not user.is_active:
            return frozenset()
        roles = frozenset(self.memberships.filter(user=user.pk).values_list("role", flat=True))
        return roles | {OPERATOR} if user.is_superuser else roles

    @property
    def has_quotas(self) -> bool:
        """Whether there is anything to look at where a session is leased."""
        return any(getattr(self, name) is not None for name in LEASE_QUOTAS)

    @property
    def has_month_quotas(self) -> bool:
        return any(getattr(self, name) is not None for name in MONTH_QUOTAS)

    @property
    def registries(self) -> list[str]:
        """The hosts that its images may come from."""
        return registries.checked_list(self.allowed_registries) or list(settings.ALLOWED_REGISTRIES)

    @property
    def egress_limit(self) -> Ceiling:
        """The most that its pools may reach. Raises BadEntry, ValueError where the row is no sense."""
        return Ceiling(Mode(self.egress_ceiling or settings.EGRESS_CEILING), parse_entries(self.egress_allowed))
