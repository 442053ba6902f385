"""Who is asking: cookie or token → an Actor, for HTTP and WebSocket alike.

A token speaks for its member, or its service account, in its one tenant. A cookie speaks for a person in one of the
person's tenants: the one named by the `X-Thermae-Tenant` header, else the one chosen last (`session["tenant"]`), else
the first joined. Where a request brings both, the token counts: a browser never adds an Authorization header by itself.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import OuterRef, QuerySet, Subquery, UUIDField
from django.http import HttpRequest

from tenants import token_text, token_uses
from tenants.accounts import limits
from tenants.accounts.second_factor import has_second_factor
from tenants.addresses import client_of, client_of_request, within
from tenants.audit import Who, acts
from tenants.models import ApiToken, Membership, ServiceAccount, Tenant, hash_token, is_service, name_of
from tenants.prepared import Given, Prepared
from tenants.roles import ADMINISTERS, SCOPES_OF_ROLE, Ability, Role, may

TENANT_HEADER = "X-Thermae-Tenant"
SUBPROTOCOL_PREFIX = "bearer."
LONGEST_TOKEN = 200


class NotAllowed(Exception):
    """The base of refusals; `code` is for programs, the message says what to do."""

    status = 403

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Unauthenticated(NotAllowed):
    """Nobody we know: 401."""

    status = 401


class Forbidden(NotAllowed):
    """Somebody we know, who may not do this: 403."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, for which tenant, and what that allows."""

    user: Any  # the AUTH_USER_MODEL
    tenant: Tenant
    role: str
    scopes: frozenset[str]
    token: ApiToken | None = None
    # Where it asks from; "" where that is not known.
    address: str = ""
    # The tenant's provider that the person signed in by; "" for a password, a passkey or a token.
    provider: str = ""

    @property
    def who(self) -> Who:
        """For the audit log."""
        return Who(self.user, self.token.prefix if self.token else "", self.address)

    @property
    def name(self) -> str:
        return name_of(self.user)

    @property
    def only_session(self) -> UUID | None:
        """The one session that its token opens, if it is limited to one."""
        return self.token.session if self.token else None

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def administers(self) -> bool:
        """Whether it has the admin by its role."""
        return self.role in ADMINISTERS

    def can(self, ability: Ability) -> bool:
        """What its role allows. What its token does, if it has one, is told by scopes."""
        return may((self.role,), ability)

    @property
    def only_pools(self) -> list[str]:
        """The names of the pools that its token is limited to; empty for all."""
        return list(self.token.pools) if self.token else []

    def uses(self, pool: str) -> bool:
        """Whether its token names this pool, or none. That the tenant may use it is asked elsewhere."""
        return self.token is None or all(not one.pools or pool in one.pools for one in self.token.limits)

    def reaches(self, session: UUID) -> bool:
        """Whether its token opens this session. That the session is its tenant's is checked by the query for it."""
        return self.only_session in (None, session)

    def require(self, scope: str, *, session: UUID | None = None) -> None:
        """Raise Forbidden unless it may. Without `session`: a verb that a token limited to one session has not."""
        if not self.may(scope):
            who = "This token lacks" if self.token else f"As {self.role} of {self.tenant} you lack"
            raise Forbidden("scope_missing", f"{who} the scope {scope}: use one that has it.")
        if self.only_session and session != self.only_session:
            raise Forbidden("session_token", "This token opens one session only: use that session, or another token.")


def actor_from_token(secret: str, client: str) -> Actor:
    """Whom a token speaks for, used from the address `client`. Raises NotAllowed."""
    if fault := token_text.fault_of(secret):
        raise Unauthenticated("bad_token", fault)
    hashed = hash_token(secret)
    token = _by_secret.first(hashed=hashed)
    if token is None or not hmac.compare_digest(token.hashed, hashed):
        raise Unauthenticated("bad_token", "This token is unknown: check that it was copied whole, or make a new one.")
    return _actor_of(token, client)


def actor_from_known_token(token: UUID) -> Actor:
    """For what a token has opened, wherever that is used, and what lives no longer than it. Raises Unauthenticated."""
    found = _by_key.first(token=token)
    if found is None:
        raise Unauthenticated("bad_token", "The token that opened this is no more: make a new one.")
    return _actor_of(found)


def _tokens() -> QuerySet[Any]:
    role = Membership.objects.filter(tenant=OuterRef("tenant"), user=OuterRef("user")).values("role")[:1]
    return ApiToken.objects.select_related("tenant", "user__service_account", "maker").annotate(role=Subquery(role))


_by_secret: Prepared[Any] = Prepared(lambda: _tokens().filter(hashed=Given("hashed")))
_by_key: Prepared[Any] = Prepared(lambda: _tokens().filter(pk=Given("token", UUIDField())))


def _role_of(token: Any) -> Role:
    """The role of whom it speaks for. Raises Unauthenticated where that is nobody any more."""
    account: ServiceAccount | None = getattr(token.user, "service_account", None)
    if account is not None and account.tenant_id == token.tenant_id:
        if not account.enabled:
            message = f"The service account {account.name} is disabled: ask who runs {token.tenant}."
            raise Unauthenticated("disabled_account", message)
        return Role(account.role)
    if account is not None or not token.user.is_active or token.role is None:
        raise Unauthenticated("not_a_member", f"The owner of this token is no member of {token.tenant} any more.")
    return Role(token.role)


def _actor_of(token: Any, client: str | None = None) -> Actor:
    """`client`: the address that must be in one of its networks; None where it need not."""
    if any(one.revoked_at for one in token.limits):
        token_uses.note_refusal(token, client or "", "revoked_token")
        raise Unauthenticated("revoked_token", "This token was revoked: make a new one.")
    if not token.usable:
        raise Unauthenticated("expired_token", "This token has expired: make a new one.")
    role = _role_of(token)
    networks = [one.networks for one in token.limits if one.networks]
    if client is not None and not all(within(client, each) for each in networks):
        token_uses.note_refusal(token, client, "foreign_network")
        raise Forbidden("foreign_network", f"This token may not be used from {client or 'an unknown address'}.")
    token_uses.note_use(token, client or "")
    scopes = SCOPES_OF_ROLE[role].intersection(*(one.scopes for one in token.limits))
    return Actor(token.user, token.tenant, role.value, scopes, token, client or "")


def actor_from_user(
    user: AbstractBaseUser | AnonymousUser, named: str = "", chosen: str = "", client: str = "", provider: str = ""
) -> Actor:
    """`named`: slug of the tenant that must be used; `chosen`: of the one preferred; `provider`: the tenant's by which
    the person signed in, which limits them to that tenant. Raises NotAllowed."""
    if not user.is_authenticated or is_service(user):
        raise Unauthenticated("not_signed_in", "Sign in, or send a token as “Authorization: Bearer …”.")
    if provider and getattr(user, "is_superuser", False):
        raise Forbidden("not_by_provider", "An operator does not sign in through an organisation: use your password.")
    found = limits.memberships(user, provider)
    memberships = list(found.select_related("tenant").order_by("created_at", "pk"))
    by_slug = {membership.tenant.slug: membership for membership in memberships}
    if named and named not in by_slug:
        raise Forbidden("not_a_member", f"You are no member of a tenant named {named[:63]!r}.")
    if not memberships:
        raise Forbidden("no_tenant", "You belong to no tenant yet: ask an administrator to add you to one.")
    membership = by_slug.get(named or chosen, memberships[0])
    scopes = SCOPES_OF_ROLE[Role(membership.role)]
    return Actor(user, membership.tenant, membership.role, scopes, None, client, provider)


def actor_from_session(user: Any, session: Mapping[str, Any] | Any, named: str = "", client: str = "") -> Actor:
    """Of a cookie: what its signing in reaches, and only with a second factor where the tenant wants one."""
    provider = limits.provider_of(session)
    return _with_factor(actor_from_user(user, named, str(session.get("tenant", "")), client, provider))


def actor_from_known_sign_in(user: Any, provider: str, named: str) -> Actor:
    """For what a person opened or asked for in a browser, and what goes on without its cookie: what that sign-in would
    reach now. Raises NotAllowed."""
    if not user.is_active:
        raise Unauthenticated("not_signed_in", "This account is switched off.")
    if provider and not SocialAccount.objects.filter(user=user.pk, provider=provider).exists():
        raise Unauthenticated("not_signed_in", "What this was signed in by is connected no more: sign in again.")
    return _with_factor(actor_from_user(user, named, provider=provider))


def _with_factor(actor: Actor) -> Actor:
    if actor.tenant.requires_second_factor and not actor.provider and not has_second_factor(actor.user):
        message = f"{actor.tenant} wants a second factor: set one up on your account's page."
        raise Forbidden("second_factor_required", message)
    return actor


def bearer(authorization: str) -> str:
    """The token of an Authorization header. Raises Unauthenticated where the header is something else."""
    scheme, _, secret = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("bad_authorization", "Send the token as “Authorization: Bearer …”.")
    return secret.strip()


def authenticate(request: HttpRequest) -> Actor:
    """The actor of an HTTP request, found once. Raises NotAllowed."""
    known: Actor | None = getattr(request, "_actor", None)
    if known is None:
        known = request._actor = _authenticate(request)  # type: ignore[attr-defined]
    acts(known.who)
    return known


def _authenticate(request: HttpRequest) -> Actor:
    if "Authorization" in request.headers:
        return actor_from_token(bearer(request.headers["Authorization"]), client_of_request(request.META))
    client = client_of_request(request.META)
    return actor_from_session(request.user, request.session, request.headers.get(TENANT_HEADER, ""), client)


aauthenticate = sync_to_async(authenticate)


def token_in_scope(scope: Mapping[str, Any]) -> str | None:
    """The token that an ASGI connection brings in its header or subprotocol `bearer.<token>`, if it brings one.

    Raises Unauthenticated where an Authorization header is no bearer's. A connection without a token counts by its
    cookie, so its Origin must be checked.
    """
    for name, value in scope.get("headers", ()):
        if name == b"authorization":
            return bearer(value.decode("latin-1"))
    return next(_subprotocol_tokens(scope.get("subprotocols", ())), None)


def _subprotocol_tokens(subprotocols: Iterable[str]) -> Iterator[str]:
    return (p.removeprefix(SUBPROTOCOL_PREFIX) for p in subprotocols if p.startswith(SUBPROTOCOL_PREFIX))


def authenticate_scope(scope: Mapping[str, Any], named: str = "") -> Actor:
    """The actor of a WebSocket, whose scope has its user and session. `named`: the tenant's slug. Raises NotAllowed."""
    secret = token_in_scope(scope)
    if secret is not None:
        return actor_from_token(secret, client_of(scope))
    session = scope.get("session") or {}
    return actor_from_session(scope.get("user") or AnonymousUser(), session, named, client_of(scope))


aauthenticate_scope = sync_to_async(authenticate_scope)
