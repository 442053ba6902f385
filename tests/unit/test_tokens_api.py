"""Tokens and service accounts by the API: who makes which, what none may ever do, and what is shown once."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, get_user_model
from django.test import AsyncClient, Client
from django.utils import timezone

from interpreters.models import SessionPool
from interpreters.sessions import standing
from tenants import issuing, service_accounts
from tenants.authentication import Actor, NotAllowed, actor_from_token, actor_from_user
from tenants.issuing import BadWish, Wish
from tenants.models import ApiToken, AuditEvent, CannotRotate, Membership, Role, Scope, ServiceAccount, Tenant
from tenants.roles import SCOPES_OF_ROLE
from tests.edges import Caller

pytestmark = pytest.mark.django_db(transaction=True)
ALL = list(Scope.values)


@pytest.fixture
def call(alice: Any, token: Any) -> Caller:
    """By an owner's token that may all."""
    return Caller(token(alice, scopes=ALL))


@pytest.fixture
def account(acme: Any) -> ServiceAccount:
    return ServiceAccount.objects.create(tenant=acme, name="ci")


def acting(user: Any, **fields: Any) -> Actor:
    """As somebody who came by a token."""
    _, secret = ApiToken.issue(tenant=user.memberships.get().tenant, user=user, name="x", **fields)
    return actor_from_token(secret, "192.0.2.1")


# --- What a token may never do ---


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_token_never_may_more_than_whom_it_speaks_for(acme: Any, member: Any, role: Role, scope: Scope) -> None:
    actor = actor_from_user(member(acme, "dora", role))
    if scope not in SCOPES_OF_ROLE[role]:
        with pytest.raises(BadWish) as refused:
            issuing.issue(actor, Wish("x", [scope]))
        assert refused.value.code == "scope_missing"
        return
    _, secret = issuing.issue(actor, Wish("x", [scope]))
    assert actor_from_token(secret, "").scopes == {scope}
    Membership.objects.update(role=Role.VIEWER)
    assert actor_from_token(secret, "").scopes <= SCOPES_OF_ROLE[Role.VIEWER]


FUTURE = timezone.now() + timedelta(days=30)


@pytest.mark.parametrize(
    ("limits", "wish", "code"),
    [
        ({"scopes": ["admin"]}, Wish("x", ["sessions:use"]), "scope_missing"),
        ({"scopes": ["sessions:use"]}, Wish("x", ["sessions:use"]), "scope_missing"),
        ({"pools": ["python"]}, Wish("x", ["admin"]), "other_pool"),
        ({"pools": ["python"]}, Wish("x", ["admin"], ["python", "r"]), "other_pool"),
        ({"networks": ["192.0.2.0/24"]}, Wish("x", ["admin"]), "other_network"),
        ({"networks": ["192.0.2.0/24"]}, Wish("x", ["admin"], [], ["192.0.0.0/16"]), "other_network"),
        ({"networks": ["192.0.2.0/24"]}, Wish("x", ["admin"], [], ["2001:db8::/32"]), "other_network"),
        ({"lifetime": timedelta(days=1)}, Wish("x", ["admin"]), "lasts_longer"),
        ({"lifetime": timedelta(days=1)}, Wish("x", ["admin"], [], [], FUTURE), "lasts_longer"),
    ],
)
def test_what_a_token_makes_may_do_no_more_than_it(
    alice: Any, account: ServiceAccount, limits: dict[str, Any], wish: Wish, code: str
) -> None:
    actor = acting(alice, **{"scopes": ALL, **limits})
    account.role = Role.ADMIN
    account.save()
    for speaks_for in (None, account):
        with pytest.raises(NotAllowed) as refused:
            issuing.issue(actor, wish, speaks_for)
        assert refused.value.code == code
    assert ApiToken.objects.count() == 1


def test_what_is_within_the_limits_is_made(alice: Any) -> None:
    limits = {"pools": ["python", "r"], "networks": ["192.0.2.0/24", "2001:db8::/32"]}
    actor = acting(alice, scopes=ALL, lifetime=timedelta(days=90), **limits)
    made, _ = issuing.issue(actor, Wish("x", ["sessions:use"], ["r"], ["192.0.2.128/25"], FUTURE))
    assert (made.pools, made.networks, made.expires_at) == (["r"], ["192.0.2.128/25"], FUTURE)


def test_rotating_is_no_way_to_more(alice: Any, bob: Any, account: ServiceAccount, acme: Any) -> None:
    wide, _ = ApiToken.issue(tenant=acme, user=account.user, name="wide", scopes=["sessions:use", "pools:read"])
    with pytest.raises(NotAllowed, match="sessions:use"):
        issuing.rotate(acting(alice, scopes=["admin", "pools:read"]), wide, timedelta())
    with pytest.raises(NotAllowed, match="scope admin"):
        issuing.rotate(acting(alice, scopes=["sessions:use"]), wide, timedelta())
    theirs, _ = ApiToken.issue(tenant=acme, user=bob, name="bob's")
    with pytest.raises(NotAllowed, match="bob, who alone"):
        issuing.rotate(actor_from_user(alice), theirs, timedelta())
    theirs.refresh_from_db()
    assert theirs.usable
    assert issuing.rotate(actor_from_user(alice), wide, timedelta())[0].successor_of == wide


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish("", ["pools:read"]), "bad_token_wish"),
        (Wish("x" * 101, ["pools:read"]), "bad_token_wish"),
        (Wish("a\0b", ["pools:read"]), "bad_token_wish"),
        (Wish("x", []), "no_scope"),
        (Wish("x", ["everything"]), "no_such_scope"),
        (Wish("x", ["pools:read"], ["a b"]), "bad_token_wish"),
        (Wish("x", ["pools:read"], [], ["10.0.0.1/8"]), "bad_token_wish"),
        (Wish("x", ["pools:read"], [], [], timezone.now() - timedelta(seconds=1)), "bad_token_wish"),
    ],
)
def test_a_wish_that_is_no_sense_is_refused_in_words(alice: Any, wish: Wish, code: str) -> None:
    with pytest.raises(BadWish) as refused:
        issuing.issue(actor_from_user(alice), wish)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_there_are_only_so_many(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.models.token.MOST", 2)
    actor = actor_from_user(alice)
    made = [issuing.issue(actor, Wish("x", ["pools:read"]))[0] for _ in range(2)]
    with pytest.raises(BadWish, match="valid tokens already"):
        issuing.issue(actor, Wish("x", ["pools:read"]))
    made[0].revoke()
    issuing.issue(actor, Wish("x", ["pools:read"]))


def test_there_are_only_so_many_service_accounts(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.models.service.MOST", 1)
    actor = actor_from_user(alice)
    service_accounts.create(actor, "one", "member")
    with pytest.raises(BadWish, match="at most 1 service accounts") as refused:
        service_accounts.create(actor, "two", "member")
    assert refused.value.code == "too_many"


# --- By the API ---


async def test_a_token_s_life(call: Caller, acme: Any) -> None:
    wish = {"name": "nightly", "scopes": ["sessions:use"], "pools": ["python"], "expires_at": FUTURE.isoformat()}
    answer = await call("POST", "/tokens", wish)
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    made = answer.json()
    secret = made.pop("token")
    assert (made["name"], made["user"], made["service_account"], made["valid"]) == ("nightly", "alice", None, True)
    assert (await Caller(secret)("GET", "/pools")).json()["error"] == "scope_missing"
    listed = await call.want("GET", "/tokens")
    assert {one["name"] for one in listed} == {"nightly", "test"}
    assert secret not in str(listed)
    rotated = await call("POST", f"/tokens/{made['id']}/rotate", {"overlap": 0})
    assert rotated["Cache-Control"] == "no-store"
    assert (await Caller(secret)("GET", "/tokens/current")).status_code == 401
    successor = rotated.json()
    gone = await call.want("DELETE", f"/tokens/{successor['id']}")
    assert gone["revoked_at"] is not None
    assert (await Caller(successor["token"])("GET", "/tokens/current")).json()["error"] == "revoked_token"
    assert (await call.want("GET", f"/tokens/{successor['id']}"))["valid"] is False
    assert [one["name"] for one in await call.want("GET", "/tokens")] == ["test"]
    assert len(await call.want("GET", "/tokens?all=true")) == 3


async def test_a_token_without_admin_manages_itself_only(bob: Any, token: Any) -> None:
    secret = await sync_to_async(token)(bob)
    other, _ = await sync_to_async(ApiToken.issue)(tenant=await Tenant.objects.aget(), user=bob, name="other")
    call = Caller(secret)
    wish = {"name": "more", "scopes": ["pools:read"]}
    for method, path, body in (
        ("GET", "/tokens", None), ("POST", "/tokens", wish), ("GET", f"/tokens/{other.pk}", None),
        ("DELETE", f"/tokens/{other.pk}", None), ("POST", f"/tokens/{other.pk}/rotate", {}),
    ):  # fmt: skip
        answer = await call(method, path, body)
        assert (answer.status_code, answer.json()["error"]) == (403, "scope_missing"), path
    assert (await call("POST", "/tokens/current/rotate", {})).status_code == 201


async def test_an_administrator_sees_all_of_the_tenant_and_revokes_any(
    call: Caller, bob: Any, charlie: Any, token: Any
) -> None:
    secret = await sync_to_async(token)(bob, name="bob's")
    await sync_to_async(token)(charlie, name="charlie's")
    listed = {one["name"]: one for one in await call.want("GET", "/tokens")}
    assert set(listed) == {"test", "bob's"}
    theirs = listed["bob's"]["id"]
    refused = await call("POST", f"/tokens/{theirs}/rotate", {})
    assert refused.json()["error"] == "not_your_token"
    await call.want("DELETE", f"/tokens/{theirs}")
    assert (await Caller(secret)("GET", "/pools")).status_code == 401


async def test_a_person_manages_their_own_by_cookie_with_its_csrf_token(bob: Any, alice: Any, acme: Any) -> None:
    theirs, _ = await sync_to_async(ApiToken.issue)(tenant=acme, user=alice, name="alice's")
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(bob)
    page = await client.get("/account/tokens")
    assert page.status_code == 200
    options: dict[str, Any] = {"content_type": "application/json", "data": {"name": "mine", "scopes": ["pools:read"]}}
    refused = await client.post("/api/v1/tokens", **options)
    assert refused.json()["error"] == "csrf_failed"
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
    made = await client.post("/api/v1/tokens", headers=headers, **options)
    assert made.status_code == 201
    assert [one["name"] for one in (await client.get("/api/v1/tokens", headers=headers)).json()] == ["mine"]
    assert (await client.delete(f"/api/v1/tokens/{theirs.pk}", headers=headers)).status_code == 404
    assert (await client.get("/api/v1/service-accounts", headers=headers)).status_code == 403


async def test_session_tokens_are_in_no_list_and_end_with_their_maker(
    call: Caller, leased: Any, alice: Any, token: Any
) -> None:
    session = await sync_to_async(leased)(alice)
    maker = await sync_to_async(token)(alice, name="maker")
    answer = await Caller(maker)("POST", f"/sessions/{session.pk}/tokens", {"lifetime": 600})
    assert answer["Cache-Control"] == "no-store"
    small = Caller(answer.json()["token"])
    await small.want("GET", f"/sessions/{session.pk}")
    listed = await call.want("GET", "/tokens")
    assert {one["name"] for one in listed} == {"test", "maker"}
    for path in ("/tokens", "/service-accounts"):
        assert (await small("GET", path)).json()["error"] in ("scope_missing", "session_token")
    await call.want("DELETE", f"/tokens/{next(one['id'] for one in listed if one['name'] == 'maker')}")
    assert (await small("GET", f"/sessions/{session.pk}")).json()["error"] == "revoked_token"


async def test_a_session_token_has_the_limits_of_its_maker(alice: Any, leased: Any, token: Any) -> None:
    session = await sync_to_async(leased)(alice)
    limits: dict[str, Any] = {"pools": ["python"], "networks": ["127.0.0.0/8"]}
    secret = await sync_to_async(token)(alice, **limits, lifetime=timedelta(minutes=5))
    maker = await ApiToken.objects.aget()
    answer = await Caller(secret).want("POST", f"/sessions/{session.pk}/tokens", {"lifetime": 3600})
    made = await ApiToken.objects.aget(session=session.pk)
    assert {name: getattr(made, name) for name in limits} == limits
    assert maker.expires_at is not None
    assert (made.expires_at, answer["expires_at"]) == (maker.expires_at, maker.expires_at.timestamp())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"networks": ["192.0.2.0/24"]}, "foreign_network"),
        ({"scopes": ["pools:read"]}, "scope_missing"),
        ({"pools": ["other"]}, "not_found"),
        ({"expires_at": timezone.now()}, "expired_token"),
        ({"revoked_at": timezone.now()}, "revoked_token"),
    ],
)
async def test_what_its_maker_loses_later_a_session_token_loses(
    alice: Any, leased: Any, token: Any, change: dict[str, Any], code: str
) -> None:
    session = await sync_to_async(leased)(alice)
    maker = Caller(await sync_to_async(token)(alice, name="maker"))
    small = (await maker.want("POST", f"/sessions/{session.pk}/tokens", {"lifetime": 600}))["token"]
    await Caller(small).want("GET", f"/sessions/{session.pk}")
    await ApiToken.objects.filter(name="maker").aupdate(**change)  # by no way that would tell it
    assert (await Caller(small)("GET", f"/sessions/{session.pk}")).json()["error"] == code


async def test_a_session_token_ends_when_its_maker_is_rotated(alice: Any, leased: Any, token: Any) -> None:
    session = await sync_to_async(leased)(alice)
    maker = Caller(await sync_to_async(token)(alice))
    small = (await maker.want("POST", f"/sessions/{session.pk}/tokens", {"lifetime": 600}))["token"]
    await maker.want("POST", "/tokens/current/rotate", {"overlap": 60})
    actor = await sync_to_async(actor_from_token)(small, "127.0.0.1")
    assert 50 < (standing.left(actor) or 0) < 61, "what is open by it is looked at then"
    await ApiToken.objects.filter(session=None, successor=None).aupdate(expires_at=timezone.now())
    await sync_to_async(actor_from_token)(small, "127.0.0.1")
    await ApiToken.objects.exclude(successor=None).aupdate(expires_at=timezone.now())
    assert (await Caller(small)("GET", f"/sessions/{session.pk}")).json()["error"] == "expired_token"


# --- Service accounts ---


async def test_a_service_account_s_life(call: Caller, ready: Any, pool: Any, acme: Any) -> None:
    await sync_to_async(ready)()
    made = await call("POST", "/service-accounts", {"name": "nightly", "purpose": "Reports. Ask Alice."})
    assert made.status_code == 201
    assert (await call("POST", "/service-accounts", {"name": "nightly"})).json()["error"] == "exists"
    issued = await call.want("POST", "/tokens", {"name": "cron", "service_account": "nightly"})
    assert (issued["user"], issued["service_account"]) == ("service:nightly", "nightly")
    program = Caller(issued["token"])
    opened = await program.want("POST", "/sessions", {"pool": "python", "identifier": "report"})
    events = await sync_to_async(lambda: list(AuditEvent.objects.filter(who="service:nightly")))()
    assert {event.action for event in events} >= {"token.used", "session.opened"}
    assert {event.user_id for event in events} == {(await ServiceAccount.objects.aget()).user_id}
    [listed] = await call.want("GET", "/service-accounts")
    assert (listed["name"], listed["valid_tokens"], listed["enabled"]) == ("nightly", 1, True)
    assert len(await call.want("GET", "/tokens?service_account=nightly")) == 1
    await call.want("PATCH", "/service-accounts/nightly", {"enabled": False})
    refused = await program("GET", f"/sessions/{opened['id']}")
    assert (refused.status_code, refused.json()["error"]) == (401, "disabled_account")
    await call.want("PATCH", "/service-accounts/nightly", {"enabled": True, "role": "viewer"})
    assert (await program("GET", f"/sessions/{opened['id']}")).status_code == 403
    assert (await program("GET", "/pools")).status_code == 200
    await call.want("DELETE", "/service-accounts/nightly")
    assert (await program("GET", "/pools")).status_code == 401
    assert not await get_user_model().objects.filter(username__startswith="service:").aexists()
    assert {e.action async for e in AuditEvent.objects.filter(tenant=acme)} >= {
        "service_account.created", "service_account.changed", "service_account.deleted", "token.deleted",
    }  # fmt: skip


@pytest.mark.parametrize("role", ["owner", "root", ""])
async def test_a_service_account_owns_nothing(call: Caller, account: ServiceAccount, role: str) -> None:
    made = await call("POST", "/service-accounts", {"name": "x", "role": role})
    assert (made.status_code, made.json()["error"]) == (400, "bad_role")
    assert (await call("PATCH", "/service-accounts/ci", {"role": role})).status_code == 400
    await account.arefresh_from_db()
    assert account.role == "member"


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 61, "-x", "../x", "a.b"])
async def test_a_name_that_is_none_is_refused(call: Caller, name: str) -> None:
    assert (await call("POST", "/service-accounts", {"name": name})).status_code in (400, 422)


def test_only_who_runs_a_tenant_makes_them(acme: Any, bob: Any, alice: Any) -> None:
    with pytest.raises(NotAllowed):
        service_accounts.create(actor_from_user(bob), "x", "member")
    with pytest.raises(NotAllowed):
        service_accounts.create(acting(alice, scopes=["sessions:use"]), "x", "member")
    service_accounts.create(actor_from_user(alice), "x", "member")


def test_two_tenants_may_use_one_name_and_one_rename_keeps_them_apart(acme: Any, other: Any) -> None:
    ours = ServiceAccount.objects.create(tenant=acme, name="ci")
    theirs = ServiceAccount.objects.create(tenant=other, name="ci")
    assert ours.user.username != theirs.user.username
    ours.name = "cd"
    ours.save()
    ours.user.refresh_from_db()
    assert ours.user.username.startswith("service:cd.")


def test_it_cannot_sign_in(account: ServiceAccount, acme: Any, client: Client) -> None:
    user = account.user
    assert not user.is_active
    assert not user.has_usable_password()
    client.force_login(user)
    assert client.get("/notebooks/").status_code == 302, "to the sign-in"
    # Not even if somebody switches its row on and gives it a password and a place.
    user.is_active = True
    user.set_password("secret")
    user.save()
    Membership.objects.create(tenant=acme, user=user)
    assert authenticate(username=user.username, password="secret") is not None
    with pytest.raises(NotAllowed) as refused:
        actor_from_user(user)
    assert refused.value.code == "not_signed_in"


def test_nothing_that_lists_people_lists_it(account: ServiceAccount, acme: Any, alice: Any, client: Client) -> None:
    assert not Membership.objects.filter(user=account.user).exists()
    client.force_login(alice)
    from frontend.documents import new_document
    from frontend.models import Notebook

    document = new_document("python3", "Python")
    notebook = Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)
    assert "service:" not in client.get(f"/notebooks/{notebook.pk}/sharing").content.decode()
    body = {"username": account.user.username, "role": "viewer"}
    shared = client.put(f"/notebooks/{notebook.pk}/sharing/people", body, content_type="application/json")
    assert shared.status_code >= 400


def test_a_service_account_has_no_more_sessions_than_a_member(
    account: ServiceAccount, acme: Any, ready: Any, pool: SessionPool
) -> None:
    from interpreters.models import QuotaReached

    Tenant.objects.update(max_member_sessions=1)
    acme.refresh_from_db()
    for _ in range(2):
        ready()
    pool.lease(acme, account.user, "one")
    with pytest.raises(QuotaReached):
        pool.lease(acme, account.user, "two")


@pytest.mark.parametrize("gone", ["tenant", "account", "user"])
def test_none_of_it_is_left_behind(account: ServiceAccount, acme: Any, gone: str) -> None:
    ApiToken.issue(tenant=acme, user=account.user, name="x")
    victim: Any = {"tenant": acme, "account": account, "user": account.user}[gone]
    victim.delete()
    assert not ServiceAccount.objects.exists()
    assert not ApiToken.objects.exists()
    assert not get_user_model().objects.filter(username__startswith="service:").exists()


def test_a_token_of_a_service_account_is_of_its_tenant_only(account: ServiceAccount, other: Any) -> None:
    _, secret = ApiToken.issue(tenant=other, user=account.user, name="x")
    with pytest.raises(NotAllowed) as refused:
        actor_from_token(secret, "")
    assert refused.value.code == "not_a_member"


def test_rotation_of_an_account_s_token_is_its_own(account: ServiceAccount, acme: Any) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=account.user, name="x", maker=None)
    successor, _ = token.rotate(timedelta())
    assert successor.user == account.user
    with pytest.raises(CannotRotate):
        token.rotate(timedelta())
