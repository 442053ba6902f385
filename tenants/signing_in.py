"""Signing in and out, failing to, and what changes how somebody signs in: into the audit log.

One event for each of the person's tenants; of a sign-in by a tenant's provider, for that tenant alone.
"""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from allauth.socialaccount.signals import social_account_added, social_account_removed
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete
from django.dispatch import receiver

from tenants.accounts import limits
from tenants.audit import Action, Who, record
from tenants.models import IdentityProvider
from tenants.signals import sign_in_ended

MOST_TENANTS = 20


@receiver(user_logged_in)
def signed_in(sender: Any, request: Any, user: Any, **_: Any) -> None:
    records = get_authentication_records(request, user) if hasattr(request, "session") else []
    ways = [str(step.get("type") or step.get("method")) for step in records]
    provider = next((str(step["provider"]) for step in records if step.get("method") == "socialaccount"), "")
    _tell(Action.SIGNED_IN, request, user, provider=provider, new={"by": ways} if ways else {})


@receiver(user_logged_out)
def signed_out(sender: Any, request: Any, user: Any, **_: Any) -> None:
    if user is not None:
        provider = limits.provider_of(getattr(request, "session", {}))  # which is not emptied yet
        _tell(Action.SIGNED_OUT, request, user, provider=provider)


@receiver(user_login_failed)
def failed(sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """A name that is nobody's is kept for the operator: it may be a password in the wrong field, so only its start."""
    name = str(credentials.get("username") or "")
    user = get_user_model()._default_manager.filter(username=name[:150].replace("\0", "")).first()
    if user is not None:
        _tell(Action.SIGN_IN_FAILED, request, user)
    else:
        record(Action.SIGN_IN_FAILED, who=Who(name=f"{name[:3]}…", address=_address(request)), why="no such account")


@receiver([password_changed, password_set, password_reset])
def password_is_new(sender: Any, request: Any, user: Any, **_: Any) -> None:
    _tell(Action.PASSWORD_CHANGED, request, user)
    sign_in_ended.send(sender, user=user)


@receiver(factors.authenticator_added)
def factor_added(sender: Any, request: Any, user: Any, authenticator: Any, **_: Any) -> None:
    _tell(Action.SECOND_FACTOR_ADDED, request, user, new=_kind(authenticator))


@receiver(factors.authenticator_removed)
def factor_removed(sender: Any, request: Any, user: Any, authenticator: Any, **_: Any) -> None:
    _tell(Action.SECOND_FACTOR_REMOVED, request, user, old=_kind(authenticator))


@receiver(factors.authenticator_reset)
def codes_made(sender: Any, request: Any, user: Any, **_: Any) -> None:
    _tell(Action.RECOVERY_CODES_MADE, request, user)


@receiver(factors.authentication_failed)
def factor_failed(sender: Any, request: Any, user: Any, **_: Any) -> None:
    _tell(Action.SECOND_FACTOR_FAILED, request, user)


@receiver(social_account_added)
def connected(sender: Any, request: Any, sociallogin: Any, **_: Any) -> None:
    account = sociallogin.account
    _tell(Action.IDENTITY_CONNECTED, request, account.user, provider=account.provider, new={"subject": account.uid})


@receiver(social_account_removed)
def disconnected(sender: Any, request: Any, socialaccount: Any, **_: Any) -> None:
    """What was signed in by it is signed out."""
    account = socialaccount
    _tell(Action.IDENTITY_REMOVED, request, account.user, provider=account.provider, old={"subject": account.uid})
    for session in UserSession.objects.filter(user=account.user_id, data__provider=account.provider):
        session.end()


@receiver(post_delete, sender=IdentityProvider)
def provider_deleted(sender: Any, instance: IdentityProvider, **_: Any) -> None:
    """Identities are its word; sign-ins by it reach nothing any more."""
    from allauth.socialaccount.models import SocialAccount

    SocialAccount.objects.filter(provider=str(instance.pk)).delete()


@receiver(post_delete, sender=UserSession)
def browser_ended(sender: Any, instance: UserSession, **_: Any) -> None:
    sign_in_ended.send(sender, user=instance.user)


def _kind(authenticator: Authenticator) -> dict[str, str]:
    return {"kind": str(authenticator.type)}


def _tell(action: Action, request: Any, user: Any, provider: str = "", **more: Any) -> None:
    who = Who(user, address=_address(request))
    reached = limits.memberships(user, provider)
    tenants: list[int | None] = list(reached.values_list("tenant", flat=True)[:MOST_TENANTS])
    for tenant in tenants or [None]:
        record(action, who=who, tenant=tenant, about=user, **more)


def _address(request: Any) -> str:
    return Who.of(request).address if request is not None else ""
