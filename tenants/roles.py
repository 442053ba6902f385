"""What each role may do in its tenant: the one declaration, which API, admin, pages and the tests' sweep go by.

docs/administration.md has the same as a table, which a test compares with this.
"""

from collections.abc import Collection
from functools import cache

from django.db.models import TextChoices


class Role(TextChoices):
    """A person's place in a tenant, the most powerful first."""

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
IN_WORDS: dict[Role, str] = {
    Role.OWNER: "runs the organisation, and makes and removes owners",
    Role.ADMIN: "runs the organisation: people, pools, tokens, audit",
    Role.MEMBER: "makes notebooks and runs code",
    Role.VIEWER: "looks at what is shared, and runs nothing",
}
# Who runs a tenant, and so has the admin.
ADMINISTERS = tuple(role for role, scopes in SCOPES_OF_ROLE.items() if Scope.ADMIN in scopes)
# Who runs the installation: a superuser, who has the admin of every tenant, and is a member of none by that.
OPERATOR = "operator"


class Ability(TextChoices):
    """Whatever one role may do and another may not. A new one needs a probe in tests/unit/test_privileges.py."""

    POOLS_SEE = "pools.see", "see the languages and pools"
    SESSIONS_USE = "sessions.use", "open sessions and run code"
    NOTEBOOKS_SEE = "notebooks.see", "look at notebooks that are shared with them"
    NOTEBOOKS_WRITE = "notebooks.write", "make notebooks, edit and run them"
    PEOPLE_SEE = "people.see", "see who is a member, and as what"
    LEAVE = "people.leave", "leave, unless they are the last owner"
    INVITE = "people.invite", "invite admins, members and viewers, and revoke invitations"
    PEOPLE_CHANGE = "people.change", "change the role of admins, members and viewers, and remove them"
    OWNERS_CHANGE = "owners.change", "invite and make owners, change their role, and remove them"
    NOTEBOOKS_GIVE = "notebooks.give", "choose who gets the notebooks of somebody whom they remove"
    PEOPLE_ADD = "people.add", "make somebody a member without asking them"
    NOTEBOOKS_FIND = "notebooks.find", "find everybody's notebooks by title and owner, and bring back deleted ones"
    NOTEBOOKS_READ = "notebooks.read", "open notebooks that nobody has shared with them"
    SESSIONS_END = "sessions.end", "see everybody's sessions, and end them"
    CODE_SEE = "code.see", "see the code that everybody ran"
    POOLS_MANAGE = "pools.manage", "make, change and delete pools and images"
    TOKENS_MAKE = "tokens.make", "make API tokens for themselves, in the admin"
    TOKENS_GIVE = "tokens.give", "make API tokens for other members, in the admin"
    TOKENS_MANAGE = "tokens.manage", "see, limit and revoke everybody's API tokens"
    TOKENS_WIDEN = "tokens.widen", "let another person's API token do more than it may"
    SERVICES_MANAGE = "services.manage", "make, change and delete service accounts"
    USAGE_OWN = "usage.own", "see what they used themselves"
    USAGE_READ = "usage.read", "see what everybody used, and take it away"
    AUDIT_READ = "audit.read", "read the audit log, and take it away"
    WEBHOOKS_MANAGE = "webhooks.manage", "have webhooks sent, and see their deliveries"
    PROVIDERS_MANAGE = "providers.manage", "say by which identity provider members sign in"
    DASHBOARD_SEE = "dashboard.see", "see the dashboard"
    TENANT_CHANGE = "tenant.change", "rename the organisation, and say whether code is recorded"
    DATA_OWN = "data.own", "take away all that is theirs, and erase it"
    TENANT_ERASE = "tenant.erase", "take away all of the organisation, and erase it or what a member has"
    TENANT_ALLOW = "tenant.allow", "set its quotas, registries and the most network access"
    TENANTS_MAKE = "tenants.make", "make organisations"
    SHARED_MANAGE = "shared.manage", "make pools and images that all organisations use"
    MACHINE_SEE = "machine.see", "read what concerns the machine, as reports on the isolation"


def _of(scope: Scope, *others: str) -> frozenset[str]:
    return frozenset({*(role for role, scopes in SCOPES_OF_ROLE.items() if scope in scopes), *others})


MEMBERS = frozenset[str](Role)
RUNS, RUNS_ALL = frozenset[str](ADMINISTERS), frozenset({*ADMINISTERS, OPERATOR})

MAY: dict[Ability, frozenset[str]] = {
    Ability.POOLS_SEE: _of(Scope.POOLS_READ, OPERATOR),
    Ability.SESSIONS_USE: _of(Scope.SESSIONS_USE),
    Ability.NOTEBOOKS_SEE: MEMBERS,
    Ability.NOTEBOOKS_WRITE: _of(Scope.SESSIONS_USE),
    Ability.PEOPLE_SEE: MEMBERS | {OPERATOR},
    Ability.LEAVE: MEMBERS,
    Ability.INVITE: RUNS_ALL,
    Ability.PEOPLE_CHANGE: RUNS_ALL,
    Ability.OWNERS_CHANGE: frozenset({Role.OWNER, OPERATOR}),
    Ability.NOTEBOOKS_GIVE: RUNS,
    Ability.PEOPLE_ADD: frozenset({OPERATOR}),
    Ability.NOTEBOOKS_FIND: RUNS_ALL,
    Ability.NOTEBOOKS_READ: frozenset(),
    Ability.SESSIONS_END: RUNS_ALL,
    Ability.CODE_SEE: RUNS_ALL,
    Ability.POOLS_MANAGE: _of(Scope.POOLS_MANAGE, OPERATOR),
    Ability.TOKENS_MAKE: RUNS,
    Ability.TOKENS_GIVE: frozenset({OPERATOR}),
    Ability.TOKENS_MANAGE: RUNS_ALL,
    Ability.TOKENS_WIDEN: frozenset(),
    Ability.SERVICES_MANAGE: RUNS_ALL,
    Ability.USAGE_OWN: MEMBERS,
    Ability.USAGE_READ: _of(Scope.USAGE_READ, OPERATOR),
    Ability.AUDIT_READ: _of(Scope.AUDIT_READ, OPERATOR),
    Ability.WEBHOOKS_MANAGE: RUNS_ALL,
    Ability.PROVIDERS_MANAGE: RUNS_ALL,
    Ability.DASHBOARD_SEE: RUNS_ALL,
    Ability.TENANT_CHANGE: RUNS_ALL,
    Ability.DATA_OWN: MEMBERS,
    Ability.TENANT_ERASE: frozenset({Role.OWNER, OPERATOR}),
    Ability.TENANT_ALLOW: frozenset({OPERATOR}),
    Ability.TENANTS_MAKE: frozenset({OPERATOR}),
    Ability.SHARED_MANAGE: frozenset({OPERATOR}),
    Ability.MACHINE_SEE: frozenset({OPERATOR}),
}


def may(standing: Collection[str], ability: Ability) -> bool:
    """`standing`: the roles of who asks, OPERATOR among them."""
    return not MAY[ability].isdisjoint(standing)


def may_give(standing: Collection[str]) -> tuple[Role, ...]:
    """The roles that one may invite people to and give them, take away and remove: nobody gives more than they have."""
    if may(standing, Ability.OWNERS_CHANGE):
        return tuple(Role)
    return tuple(role for role in Role if role != Role.OWNER) if may(standing, Ability.PEOPLE_CHANGE) else ()


@cache
def roles_that(ability: Ability) -> tuple[Role, ...]:
    return tuple(role for role in Role if role in MAY[ability])
