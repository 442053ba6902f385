"""What of a tenant and a person is in this application: members, tokens, archives, and the audit log, which stays."""

from collections.abc import Iterator
from pathlib import Path

from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db.models import Q

from tenants.models import (
    ApiToken,
    Archive,
    AuditEvent,
    IdentityProvider,
    Invitation,
    Membership,
    QuotaLevel,
    ServiceAccount,
    Tenant,
)
from tenants.owned import File, Kind, Subject, register


def archive_path(archive: Archive) -> Path:
    return Path(settings.ARCHIVE_DIR) / archive.file


def remove_archives(subject: Subject) -> str:
    for archive in ARCHIVES.rows(subject):
        archive_path(archive).unlink(missing_ok=True)
    return ""


def accounts(subject: Subject) -> Iterator[File]:
    """Who the people are, without what they sign in with."""
    from json import dumps

    members = MEMBERS.rows(subject).select_related("user").order_by("pk")
    for member in members:
        user = member.user
        about = {
            "id": user.pk,
            "name": user.get_username(),
            "full_name": user.get_full_name(),
            "email": user.email,
            "joined": user.date_joined.isoformat(),
            "last_sign_in": user.last_login.isoformat() if user.last_login else None,
        }
        yield f"people/{user.pk}.json", dumps(about, ensure_ascii=False, indent=1).encode()


def of_providers(tenant: Tenant) -> Q:
    """An identity has its provider's key as text."""
    return Q(provider__in=[str(key) for key in tenant.identity_providers.values_list("pk", flat=True)])


def end_sign_ins(subject: Subject) -> str:
    """Those by the identities that go: they reach nothing any more, and tell where somebody was."""
    for identity in IDENTITIES.rows(subject):
        for sign_in in UserSession.objects.filter(user=identity.user_id, data__provider=identity.provider):
            sign_in.end()
    return ""


# What the tenant's providers said of somebody. Of other tenants', and of how they sign in by themselves, nothing goes.
IDENTITIES = Kind(
    name="identities", model=SocialAccount, order=925, tenant=of_providers, person="user", prepare=end_sign_ins
)
ARCHIVES = Kind(
    name="archives", model=Archive, order=900, person="user", exported=False, prepare=remove_archives, hidden=("claim",)
)
MEMBERS = Kind(name="members", model=Membership, order=950, person="user", files=accounts)
register(
    IDENTITIES,
    ARCHIVES,
    MEMBERS,
    Kind(name="invitations", model=Invitation, order=890, person="invited_by", hidden=("hashed",)),
    # Each takes its row among the users with it.
    Kind(name="service_accounts", model=ServiceAccount, order=920, person="user"),
    Kind(name="identity_providers", model=IdentityProvider, order=930),
    Kind(name="quota_levels", model=QuotaLevel, order=940, exported=False),
    Kind(name="tokens", model=ApiToken, order=910, person="user", hidden=("hashed",)),
    Kind(
        name="audit", model=AuditEvent, order=0, person="user",
        stays="The audit log is only added to, and goes by AUDIT_DAYS; people who are no more are shown as numbers.",
    ),
)  # fmt: skip
