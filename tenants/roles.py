"""What each role may do in its tenant: the one declaration, which API, admin, pages and the tests' sweep go by."""

from django.db.models import TextChoices


class Role(TextChoices):
    """A person's place in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Scope(TextChoices):
    """What a role, and a token, may do."""

    POOLS_READ = "pools:read", "list pools"
    SESSIONS_USE = "sessions:use", "open and use sessions"
    POOLS_MANAGE = "pools:manage", "make, change and delete pools and images"
    USAGE_READ = "usage:read", "read what was used"
    AUDIT_READ = "audit:read", "read the audit log"
    ADMIN = "admin", "manage people, tokens, webhooks and the tenant itself"


SCOPES_OF_ROLE: dict[Role, frozenset[str]] = {
    Role.OWNER: frozenset(Scope.values),
    Role.ADMIN: frozenset(Scope.values),
    Role.MEMBER: frozenset({Scope.POOLS_READ.value, Scope.SESSIONS_USE.value}),
    Role.VIEWER: frozenset({Scope.POOLS_READ.value}),  # looks on, and runs nothing
}
# Who runs a tenant, and so has the admin.
ADMINISTERS = tuple(role for role, scopes in SCOPES_OF_ROLE.items() if Scope.ADMIN in scopes)
