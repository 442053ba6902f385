"""Who is asking, and what they may use. Everything else in the project starts its queries at a Tenant."""

from tenants.models.audit import AuditEvent, AuditPruning
from tenants.models.erasure import Archive, Erasure
from tenants.models.identity import IdentityProvider
from tenants.models.invitation import CannotInvite, Invitation
from tenants.models.membership import LastOwner, Membership, PeopleRefusal
from tenants.models.quota_level import QuotaLevel
from tenants.models.service import ServiceAccount, is_service, name_of
from tenants.models.tenant import Tenant, check_registries
from tenants.models.token import ApiToken, CannotRotate, check_names, default_scopes, hash_token
from tenants.roles import Role, Scope

__all__ = [
    "ApiToken",
    "Archive",
    "AuditEvent",
    "AuditPruning",
    "CannotInvite",
    "CannotRotate",
    "Erasure",
    "IdentityProvider",
    "Invitation",
    "LastOwner",
    "Membership",
    "PeopleRefusal",
    "QuotaLevel",
    "Role",
    "Scope",
    "ServiceAccount",
    "Tenant",
    "check_names",
    "check_registries",
    "default_scopes",
    "hash_token",
    "is_service",
    "name_of",
]
