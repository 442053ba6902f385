"""Signing in and out, and failing to, into the audit log: one event for each of the person's tenants."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from tenants.audit import Action, Who, record
from tenants.models import Membership

MOST_TENANTS = 20


@receiver(user_logged_in)
def signed_in(sender: Any, request: Any, user: Any, **_: Any) -> None:
    _tell(Action.SIGNED_IN, request, user)


@receiver(user_logged_out)
def signed_out(sender: Any, request: Any, user: Any, **_: Any) -> None:
    if user is not None:
        _tell(Action.SIGNED_OUT, request, user)


@receiver(user_login_failed)
def failed(sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """A name that is nobody's is kept for the operator: it may be a password in the wrong field, so only its start."""
    name = str(credentials.get("username") or "")
    user = get_user_model()._default_manager.filter(username=name[:150].replace("\0", "")).first()
    if user is not None:
        _tell(Action.SIGN_IN_FAILED, request, user)
    else:
        record(Action.SIGN_IN_FAILED, who=Who(name=f"{name[:3]}…", address=_address(request)), why="no such account")


def _tell(action: Action, request: Any, user: Any) -> None:
    who = Who(user, address=_address(request))
    tenants: list[int | None] = list(
        Membership.objects.filter(user=user.pk).values_list("tenant", flat=True)[:MOST_TENANTS]
    )
    for tenant in tenants or [None]:
        record(action, who=who, tenant=tenant, about=user)


def _address(request: Any) -> str:
    return Who.of(request).address if request is not None else ""
