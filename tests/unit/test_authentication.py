"""Who is asking: cookie or token, HTTP or WebSocket, and what that allows."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.utils import timezone

from tenants.authentication import (
    Forbidden,
    NotAllowed,
    Unauthenticated,
    aauthenticate,
    authenticate,
    authenticate_scope,
)
from tenants.middleware import TenantMiddleware
from tenants.models import ApiToken, Membership, Scope, Tenant

pytestmark = pytest.mark.django_db
IssueToken = Callable[..., str]


def asking(user: Any = None, session: dict[str, Any] | None = None, **headers: str) -> HttpRequest:
    request = RequestFactory().get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    request.user = user or AnonymousUser()
    request.session = session or {}  # type: ignore[assignment]
    return request


def bearer(secret: str) -> HttpRequest:
    return asking(authorization=f"Bearer {secret}")


def refusal(request: HttpRequest) -> str:
    with pytest.raises(NotAllowed) as refused:
        authenticate(request)
    return refused.value.code


def test_a_token_speaks_for_its_member_in_its_tenant(alice: Any, acme: Any, token: IssueToken) -> None:
    actor = authenticate(bearer(token(alice)))
    assert (actor.user, actor.tenant, actor.role) == (alice, acme, "owner")
    assert actor.may(Scope.SESSIONS_USE)


def test_a_secret_is_stored_hashed(alice: Any, token: IssueToken) -> None:
    secret = token(alice)
    row = ApiToken.objects.get()
    assert secret not in "".join(str(getattr(row, field.name)) for field in ApiToken._meta.fields)
    assert secret.startswith(row.prefix)


def test_each_refusal_of_a_token_says_why(alice: Any, token: IssueToken) -> None:
    good = token(alice)
    assert refusal(bearer(token(alice, lifetime=timedelta(seconds=-1)))) == "expired_token"
    assert refusal(bearer(token(alice, revoked_at=timezone.now()))) == "revoked_token"
    assert refusal(bearer(good[:-1])) == "bad_token"
    assert refusal(bearer("abc")) == "bad_token"
    assert refusal(bearer(good + "x" * 200)) == "bad_token"
    assert refusal(asking(authorization=f"Basic {good}")) == "bad_authorization"
    assert refusal(asking(authorization="Bearer ")) == "bad_authorization"


def test_a_token_dies_with_its_owners_membership(alice: Any, token: IssueToken) -> None:
    secret = token(alice)
    Membership.objects.all().delete()
    assert refusal(bearer(secret)) == "not_a_member"


def test_a_token_dies_with_its_owners_account(alice: Any, token: IssueToken) -> None:
    secret = token(alice)
    alice.is_active = False
    alice.save()
    assert refusal(bearer(secret)) == "not_a_member"


def test_a_token_of_another_tenant_gives_no_entrance_here(charlie: Any, acme: Any, token: IssueToken) -> None:
    assert authenticate(bearer(token(charlie))).tenant != acme
    assert refusal(bearer(token(charlie, tenant=acme))) == "not_a_member"


def test_a_bad_token_is_not_saved_by_a_good_cookie(alice: Any) -> None:
    assert refusal(asking(alice, authorization="Bearer thm_wrong")) == "bad_token"


def test_a_viewer_cannot_run_code(acme: Any, member: Callable[..., Any], token: IssueToken) -> None:
    dave = member(acme, "dave", role="viewer")
    for actor in (authenticate(bearer(token(dave))), authenticate(asking(dave))):
        actor.require(Scope.POOLS_READ)
        with pytest.raises(Forbidden, match="sessions:use"):
            actor.require(Scope.SESSIONS_USE)


def test_a_token_may_do_less_than_its_owner_and_never_more(alice: Any, token: IssueToken) -> None:
    actor = authenticate(bearer(token(alice, scopes=[Scope.POOLS_READ.value, "everything"])))
    assert actor.scopes == {"pools:read"}


def test_a_token_for_one_session_opens_no_other(alice: Any, token: IssueToken) -> None:
    mine = uuid4()
    actor = authenticate(bearer(token(alice, session=mine)))
    assert actor.reaches(mine)
    assert not actor.reaches(uuid4())
    actor.require(Scope.SESSIONS_USE, session=mine)
    for other in (uuid4(), None):
        with pytest.raises(Forbidden, match="one session only"):
            actor.require(Scope.SESSIONS_USE, session=other)


def test_the_last_use_is_noted_at_most_once_a_minute(
    alice: Any, token: IssueToken, django_assert_num_queries: Any
) -> None:
    secret = token(alice)
    with django_assert_num_queries(3):  # the last of them tells the audit log of a first use
        authenticate(bearer(secret))
    with django_assert_num_queries(1):
        authenticate(bearer(secret))
    noted = timezone.now() - timedelta(seconds=61)
    ApiToken.objects.update(last_used_at=noted)
    authenticate(bearer(secret))
    assert ApiToken.objects.get().last_used_at > noted


def test_a_cookie_speaks_for_the_tenant_chosen(alice: Any, acme: Any) -> None:
    second = Tenant.objects.create(name="Second", slug="second")
    Membership.objects.create(tenant=second, user=alice, role="viewer")
    assert authenticate(asking(alice)).tenant == acme
    assert authenticate(asking(alice, {"tenant": "second"})).tenant == second
    assert authenticate(asking(alice, {"tenant": "left long ago"})).tenant == acme
    actor = authenticate(asking(alice, {"tenant": "acme"}, X_Thermae_Tenant="second"))
    assert (actor.tenant, actor.role) == (second, "viewer")


def test_a_cookie_opens_no_foreign_tenant(alice: Any, other: Any) -> None:
    assert refusal(asking(alice, X_Thermae_Tenant="other")) == "not_a_member"
    assert authenticate(asking(alice, {"tenant": "other"})).tenant != other


def test_strangers_hear_what_to_do(db: None, django_user_model: Any) -> None:
    assert refusal(asking()) == "not_signed_in"
    assert refusal(asking(django_user_model.objects.create_user("eve"))) == "no_tenant"
    with pytest.raises(Unauthenticated, match="Sign in"):
        authenticate(asking())


@pytest.mark.parametrize("where", ["header", "subprotocol"])
def test_a_websocket_brings_its_token_in_header_or_subprotocol(
    alice: Any, charlie: Any, token: IssueToken, where: str
) -> None:
    secret = token(alice)
    scope: dict[str, Any] = {"headers": [], "subprotocols": [], "user": charlie}
    if where == "header":
        scope["headers"] = [(b"authorization", f"Bearer {secret}".encode())]
    else:
        scope["subprotocols"] = ["thermae", f"bearer.{secret}"]
    assert authenticate_scope(scope).user == alice


def test_a_websocket_by_cookie(alice: Any, acme: Any) -> None:
    assert authenticate_scope({"headers": [], "user": alice, "session": {"tenant": "acme"}}).tenant == acme
    with pytest.raises(Unauthenticated):
        authenticate_scope({"headers": []})


@pytest.mark.django_db(transaction=True)
async def test_the_same_from_asynchronous_code(alice: Any, token: IssueToken) -> None:
    secret = await sync_to_async(token)(alice)
    request = AsyncRequestFactory().get("/", headers={"authorization": f"Bearer {secret}"})
    actor = await aauthenticate(request)
    assert actor.user == alice
    assert await aauthenticate(request) is actor, "found once for each request"


def test_pages_know_the_tenant_of_who_is_signed_in(client: Any, alice: Any, acme: Any, rf: RequestFactory) -> None:
    seen: list[Any] = []

    def view(request: Any) -> HttpResponse:
        seen.append((request.actor, request.tenant))
        return HttpResponse()

    request = asking(alice)
    request.COOKIES["sessionid"] = "x"
    TenantMiddleware(view)(request)
    actor, tenant = seen[0]
    assert (actor.user, tenant) == (alice, acme)
    TenantMiddleware(view)(asking())
    assert seen[1] == (None, None)


@pytest.mark.django_db(transaction=True)
async def test_pages_that_are_asynchronous_too(alice: Any, acme: Any) -> None:
    async def view(request: Any) -> HttpResponse:
        return HttpResponse(request.tenant.slug)

    request = asking(alice)
    request.COOKIES["sessionid"] = "x"
    response = await TenantMiddleware(view)(request)  # type: ignore[misc]
    assert response.content == b"acme"


def test_a_token_is_made_at_the_command_line(alice: Any, acme: Any) -> None:
    out = StringIO()
    call_command("create_token", "acme", "alice", "--days", "1", "--scope", "pools:read", stdout=out)
    actor = authenticate(bearer(out.getvalue().strip()))
    assert (actor.user, actor.scopes) == (alice, {"pools:read"})
    with pytest.raises(CommandError, match="no member"):
        call_command("create_token", "acme", "charlie")
