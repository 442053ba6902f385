"""What whoever runs a tenant does with its service accounts."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from tenants.authentication import Actor
from tenants.issuing import BadWish
from tenants.models import Scope, ServiceAccount
from tenants.models.service import ROLES


def of(actor: Actor) -> QuerySet[ServiceAccount]:
    """Those of the tenant, with `valid_tokens` counted. Raises Forbidden."""
    actor.require(Scope.ADMIN)
    tokens = Q(user__api_tokens__revoked_at=None) & (
        Q(user__api_tokens__expires_at=None) | Q(user__api_tokens__expires_at__gt=timezone.now())
    )
    rows = ServiceAccount.objects.filter(tenant=actor.tenant).select_related("user")
    return rows.annotate(valid_tokens=Count("user__api_tokens", filter=tokens))


def create(actor: Actor, name: str, role: str, purpose: str = "") -> ServiceAccount:
    """Raises BadWish, Forbidden."""
    actor.require(Scope.ADMIN)
    account = ServiceAccount(tenant=actor.tenant, name=name, role=role, purpose=purpose)
    try:
        account.clean()
    except ValidationError as full:
        raise BadWish(" ".join(full.messages), "too_many") from full
    return _saved(account)


def change(account: ServiceAccount, *, role: str | None, purpose: str | None, enabled: bool | None) -> ServiceAccount:
    """What is None stays. Raises BadWish."""
    account.role = account.role if role is None else role
    account.purpose = account.purpose if purpose is None else purpose
    if enabled is not None and enabled != account.enabled:
        account.disabled_at = None if enabled else timezone.now()
    return _saved(account)


def _saved(account: ServiceAccount) -> ServiceAccount:
    if account.role not in dict(ROLES):
        raise BadWish(f"The role of a service account is one of {', '.join(dict(ROLES))}: it owns nothing.", "bad_role")
    try:
        account.clean_fields(exclude=["user"])
        with transaction.atomic():
            account.save()
    except ValidationError as error:
        raise BadWish(" ".join(error.messages), "bad_service_account") from error
    except IntegrityError:
        raise BadWish(f"There is a service account named {account.name} already.", "exists") from None
    return account
