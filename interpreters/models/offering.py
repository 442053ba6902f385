"""What the operator offers: a row without a tenant is for all tenants, or only for those that are named."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from tenants.models import Tenant
from tenants.prepared import Given


class Offered(models.Model):
    offered_to_all = models.BooleanField(
        "offered to all tenants", default=True, help_text="Of a shared one. Off: to the tenants that are chosen below."
    )
    offered_to = models.ManyToManyField(
        Tenant,
        blank=True,
        related_name="+",
        help_text="Where it is not offered to all. For others it does not exist; open sessions of theirs go on.",
    )

    class Meta:
        abstract = True


def offered(model: Any, *tenants: Tenant | Given) -> Q:
    """The shared rows that one of these tenants may use."""
    through = model.offered_to.through
    whose = Q(tenant=tenants[0]) if len(tenants) == 1 else Q(tenant__in=tenants)
    named = through.objects.filter(whose).values(f"{model._meta.model_name}_id")
    return Q(tenant=None) & (Q(offered_to_all=True) | Q(pk__in=named))


def check_offer(tenant: Tenant | None, to_all: bool, named: Collection[Tenant]) -> None:
    """For forms, which know the tenants that are chosen before they are stored. Raises ValidationError, by field."""
    if tenant is not None and (named or not to_all):
        field = "offered_to" if named else "offered_to_all"
        raise ValidationError({field: f"This is {tenant}'s own: only what is shared is offered. Leave it as it was."})
    if to_all and named:
        raise ValidationError({"offered_to": "It is offered to all tenants: switch that off, or choose none."})
