"""Who may see, make, rotate and revoke which tokens: the one place, for the API, the page and the admin.

A person has tokens of their own, and whoever runs a tenant sees all of it and revokes any. A secret is shown to whom it
speaks for, and, of a service account, to who runs the tenant: nobody makes a token that speaks for another person. A
token manages no token but itself unless it has the scope `admin`, and what it makes may never do more than it may.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone

from tenants.addresses import check_networks
from tenants.authentication import Actor, Forbidden
from tenants.models import ApiToken, Role, Scope, ServiceAccount, check_names, is_service
from tenants.roles import SCOPES_OF_ROLE

LONGEST_NAME = 100
# Valid tokens of one person or service account: a list that one can still look through.
MOST = 100


class BadWish(ValueError):
    """What is asked for is no sense. `code` is for programs, the message says what to do."""

    def __init__(self, message: str, code: str = "bad_token_wish") -> None:
        super().__init__(message)
        self.message, self.code = message, code


@dataclass(frozen=True, slots=True)
class Wish:
    """What a token is to be. Empty pools and networks limit nothing."""

    name: str
    scopes: Collection[str]
    pools: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    expires_at: datetime | None = None


def visible(actor: Actor) -> QuerySet[ApiToken]:
    """The tokens that one may look at and revoke. Those of one session are short-lived, and none of them."""
    _check_manages(actor)
    rows = ApiToken.objects.filter(tenant=actor.tenant, session=None).select_related("user__service_account")
    return rows if actor.may(Scope.ADMIN) else rows.filter(user=actor.user)


def valid(tokens: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
    return tokens.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


def issue(actor: Actor, wish: Wish, account: ServiceAccount | None = None) -> tuple[ApiToken, str]:
    """A token of one's own, or of a service account of the tenant, with its secret. Raises BadWish, Forbidden."""
    _check_manages(actor, others=account is not None)
    assert account is None or account.tenant_id == actor.tenant.pk
    name = " ".join(wish.name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadWish(f"Name it by what it is for, in 1 to {LONGEST_NAME} characters.")
    if wish.expires_at is not None and wish.expires_at <= timezone.now():
        raise BadWish("It would have expired already: choose a time that is to come.")
    _check_makes_sense(wish, Role(account.role if account else actor.role))
    _check_no_more_than(actor, wish)
    user = account.user if account else actor.user
    if valid(ApiToken.objects.filter(tenant=actor.tenant, user=user, session=None)).count() >= MOST:
        raise BadWish(f"There are {MOST} valid tokens already: revoke those that nobody uses.", "too_many_tokens")
    return ApiToken.issue(
        tenant=actor.tenant, user=user, name=name, scopes=sorted(set(wish.scopes)), pools=wish.pools,
        networks=wish.networks, expires_at=wish.expires_at,
    )  # fmt: skip


def rotate(actor: Actor, token: ApiToken, overlap: timedelta) -> tuple[ApiToken, str]:
    """A successor with its secret. Raises CannotRotate, Forbidden."""
    if actor.token is None or actor.token.pk != token.pk:
        _check_manages(actor)
        check_secret_may_be_shown(actor, token)
        ends = token.expires_at - token.created_at + timezone.now() if token.expires_at else None
        _check_no_more_than(actor, Wish(token.name, token.scopes, token.pools, token.networks, ends))
    return token.rotate(overlap)


def check_secret_may_be_shown(actor: Actor, token: ApiToken) -> None:
    """Raises Forbidden."""
    if token.user_id == actor.user.pk or (is_service(token.user) and actor.may(Scope.ADMIN)):
        return
    raise Forbidden("not_your_token", f"It speaks for {token.user}, who alone may rotate it. You may revoke it.")


def _check_manages(actor: Actor, *, others: bool = False) -> None:
    if actor.token is not None or others:
        actor.require(Scope.ADMIN)


def _check_makes_sense(wish: Wish, role: Role) -> None:
    wanted = set(wish.scopes)
    if unknown := sorted(wanted - set(Scope.values)):
        raise BadWish(f"There is no scope {unknown[0][:40]!r}: there are {', '.join(Scope.values)}.", "no_such_scope")
    if not wanted:
        raise BadWish(f"Choose at least one scope: {', '.join(sorted(SCOPES_OF_ROLE[role]))}.", "no_scope")
    if more := sorted(wanted - SCOPES_OF_ROLE[role]):
        raise BadWish(f"A token never may more than whom it speaks for: a {role} has no {more[0]}.", "scope_missing")
    try:
        check_names(wish.pools)
        check_networks(wish.networks)
    except ValidationError as error:
        raise BadWish(" ".join(error.messages)) from error


def _check_no_more_than(actor: Actor, wish: Wish) -> None:
    """What one token makes may do no more than it: not elsewhere, nor for longer."""
    if more := sorted(set(wish.scopes) - actor.scopes):
        raise Forbidden("scope_missing", f"You lack the scope {more[0]}, so a token that you make cannot have it.")
    maker = actor.token
    if maker is None:
        return
    if maker.pools and not (wish.pools and set(wish.pools) <= set(maker.pools)):
        raise Forbidden("other_pool", f"Your token is for {', '.join(maker.pools)} only: so is what it makes.")
    if maker.networks and not (wish.networks and all(_inside(one, maker.networks) for one in wish.networks)):
        raise Forbidden("other_network", "Your token is for some networks only: what it makes is for no others.")
    if maker.expires_at and not (wish.expires_at and wish.expires_at <= maker.expires_at):
        ends = f"{maker.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        raise Forbidden("lasts_longer", f"Your token ends at {ends}: what it makes must end by then.")


def _inside(network: str, others: list[str]) -> bool:
    one = ip_network(network)
    return any(one.version == each.version and one.subnet_of(each) for each in map(ip_network, others))  # type: ignore[arg-type]
