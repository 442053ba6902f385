"""Who is asking, and what they may use. Everything else in the project starts its queries at a Tenant."""

from tenants.models.audit import AuditEvent, AuditPruning
from tenants.models.erasure import Archive, Erasure
from tenants.models.tenant import Membership, Tenant, check_registries
from tenants.models.token import ApiToken, CannotRotate, check_names, default_scopes, hash_token
from tenants.roles import Role, Scope

__all__ = [
    "ApiToken",
    "Archive",
    "AuditEvent",
    "AuditPruning",
    "CannotRotate",
    "Erasure",
    "Membership",
    "Role",
    "Scope",
    "Tenant",
    "check_names",
    "check_registries",
    "default_scopes",
    "hash_token",
]
