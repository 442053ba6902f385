"""Who may see, make, change, rotate and revoke which tokens: the one place, for the API, the page and the admin.

A person has tokens of their own, and whoever runs a tenant sees all of it, limits and revokes any. A secret is shown to
whom it speaks for, and, of a service account, to who runs the tenant: nobody makes a token that speaks for another
person, nor one that they may know the secret of do more. A token manages no token but itself unless it has the scope
`admin`, and what it makes may never do more than it may.
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
    try:
        ApiToken(tenant=actor.tenant, user=user).clean()
    except ValidationError as full:
        raise BadWish(" ".join(full.messages), "too_many_tokens") from full
    return ApiToken.issue(
        tenant=actor.tenant, user=user, name=name, scopes=sorted(set(wish.scopes)), pools=wish.pools,
        networks=wish.networks, expires_at=wish.expires_at,
    )  # fmt: skip


def rotate(actor: Actor, token: ApiToken, overlap: timedelta) -> tuple[ApiToken, str]:
    """A successor with its secret. Raises CannotRotate, Forbidden."""
    by_itself = actor.token is not None and actor.token.pk == token.pk
    if not by_itself:
        _check_manages(actor)
        check_secret_may_be_shown(actor, token)
        ends = timezone.now() + token.lasts if token.lasts else None
        _check_no_more_than(actor, Wish(token.name, token.scopes, token.pools, token.networks, ends))
    return token.rotate(overlap, by_itself=by_itself)


def check_change(actor: Actor, token: ApiToken, wish: Wish, role: Role) -> None:
    """Whether a token may become what is wished. One whose secret the actor might be shown may become what they could
    make; any other only less than it is. `role`: of whom it speaks for. Raises BadWish, Forbidden."""
    _check_manages(actor, others=token.user_id != actor.user.pk)
    if not token.usable:
        raise BadWish("This token is over, and stays so: make a new one.", "token_over")
    _check_makes_sense(wish, role)
    if token.session is None and _secret_may_be_shown(actor, token):
        _check_no_more_than(actor, wish)
    elif beyond := _beyond(token, wish):
        code, words = beyond
        raise Forbidden(code, f"It is not yours to widen, and is {words}. You may limit it further, or revoke it.")


def check_secret_may_be_shown(actor: Actor, token: ApiToken) -> None:
    """Raises Forbidden."""
    if not _secret_may_be_shown(actor, token):
        raise Forbidden("not_your_token", f"It speaks for {token.user}, who alone may rotate it. You may revoke it.")


def _secret_may_be_shown(actor: Actor, token: ApiToken) -> bool:
    return token.user_id == actor.user.pk or (is_service(token.user) and actor.may(Scope.ADMIN))


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
    if actor.token is not None and (beyond := _beyond(actor.token, wish)):
        code, words = beyond
        raise Forbidden(code, f"Your token is {words}: so must be what it makes.")


def _beyond(token: ApiToken, wish: Wish) -> tuple[str, str] | None:
    """The limit of a token that a wish goes beyond, if it does: a code, and what the token is."""
    if more := sorted(set(wish.scopes) - set(token.scopes)):
        return "scope_missing", f"without the scope {more[0]}"
    if token.pools and not (wish.pools and set(wish.pools) <= set(token.pools)):
        return "other_pool", f"for the pools {', '.join(token.pools)} only"
    if token.networks and not (wish.networks and all(_inside(one, token.networks) for one in wish.networks)):
        return "other_network", f"for the networks {', '.join(token.networks)} only"
    if token.expires_at and not (wish.expires_at and wish.expires_at <= token.expires_at):
        return "lasts_longer", f"valid until {token.expires_at:%Y-%m-%dT%H:%M:%SZ} only"
    return None


def _inside(network: str, others: list[str]) -> bool:
    one = ip_network(network)
    return any(one.version == each.version and one.subnet_of(each) for each in map(ip_network, others))  # type: ignore[arg-type]
