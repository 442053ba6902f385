"""What limits a token: networks, pools, time; and how one takes the place of another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import AsyncClient, Client
from django.utils import timezone

from interpreters.models import SessionPool
from tenants import addresses, authentication, issuing
from tenants.authentication import actor_from_token, actor_from_user
from tenants.models import ApiToken, CannotRotate, Scope
from tests.edges import bearer

pytestmark = pytest.mark.django_db(transaction=True)
IssueToken = Callable[..., str]

# --- Networks ---


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # a stranger is believed about itself only
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # proxies all the way: the farthest
        ("10.0.0.1", "198.51.100.1, nonsense", ""),
        ("", "198.51.100.1", "198.51.100.1"),  # a proxy by a Unix socket
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("[2001:db8::1]", "", "2001:db8::1"),
        ("nonsense", "198.51.100.1", ""),
    ],
)
def test_where_a_request_comes_from(settings: Any, peer: str, forwarded: str, client: str) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert addresses.client_of_request({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}) == client
    scope: dict[str, Any] = {"headers": [(b"x-forwarded-for", forwarded.encode())]}
    scope["client"] = (peer, 1) if peer else None
    assert addresses.client_of(scope) == client


@pytest.mark.parametrize("networks", ["10.0.0.0/8", ["10.0.0.1/8"], ["nonsense"], [7], ["10.0.0.0/8"] * 51])
def test_networks_that_are_none_are_refused_in_words(alice: Any, acme: Any, networks: Any) -> None:
    made, _ = ApiToken.issue(tenant=acme, user=alice, name="x")
    made.networks = networks
    with pytest.raises(ValidationError, match="network"):
        made.full_clean()


async def test_a_token_is_refused_from_elsewhere(
    alice: Any, token: IssueToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await sync_to_async(token)(alice, networks=["192.0.2.0/24", "2001:db8::/32"])
    for address, status in (("192.0.2.9", 200), ("2001:db8::5", 200), ("192.0.3.9", 403), ("127.0.0.1", 403)):
        monkeypatch.setattr(authentication, "client_of_request", lambda meta, address=address: address)
        answer = await AsyncClient().get("/api/v1/pools", headers=bearer(secret))
        assert answer.status_code == status, address
        if status == 403:
            assert answer.json()["error"] == "foreign_network"
            assert address in answer.json()["message"]


# --- Pools ---


@pytest.fixture
def two_pools(pool: Any, python_image: Any) -> Any:
    return pool, SessionPool.objects.create(name="other", image=python_image)


async def test_a_token_of_one_pool_sees_and_uses_no_other(
    alice: Any, token: IssueToken, two_pools: Any, leased: Any
) -> None:
    session = await sync_to_async(leased)(alice)
    assert session.pool.name == "python"
    limited = await sync_to_async(token)(alice, pools=["other"])
    whole = await sync_to_async(token)(alice)

    async def ask(method: str, path: str, secret: str = limited, **more: Any) -> Any:
        return await getattr(AsyncClient(), method)(f"/api/v1{path}", headers=bearer(secret), **more)

    assert [each["name"] for each in (await ask("get", "/pools")).json()] == ["other"]
    assert {each["name"] for each in (await ask("get", "/pools", whole)).json()} == {"python", "other"}
    assert (await ask("get", "/sessions")).json() == []
    assert len((await ask("get", "/sessions", whole)).json()) == 1
    wanted = {"pool": "python", "identifier": "mine"}
    opened = await ask("post", "/sessions", data=wanted, content_type="application/json")
    assert opened.status_code == 404
    for method, path in (("get", ""), ("delete", ""), ("get", "/files"), ("get", "/executions")):
        assert (await ask(method, f"/sessions/{session.pk}{path}")).status_code == 404
    fresh = {"name": "third", "image": "python"}
    made = await ask("post", "/pools", data=fresh, content_type="application/json")
    assert made.status_code == 403  # nor does it make one


# --- Rotation ---


def test_a_successor_may_do_the_same_and_the_former_ends_after_the_overlap(alice: Any, acme: Any) -> None:
    limits = {"scopes": [Scope.POOLS_READ], "pools": ["python"], "networks": ["192.0.2.0/24"]}
    former, old = ApiToken.issue(tenant=acme, user=alice, name="ci", lifetime=timedelta(days=90), **limits)
    new, secret = former.rotate(timedelta(hours=1))
    assert {name: getattr(new, name) for name in limits} == limits
    assert (new.name, new.tenant, new.user, new.successor_of) == ("ci", acme, alice, former)
    assert new.expires_at
    assert timedelta(days=89) < new.expires_at - timezone.now() <= timedelta(days=90)
    assert former.expires_at
    assert former.expires_at - timezone.now() <= timedelta(hours=1)
    for each in (old, secret):
        assert actor_from_token(each, "192.0.2.1").token is not None
    with pytest.raises(CannotRotate, match="before"):
        former.rotate(timedelta(hours=1))


def test_a_rotation_makes_nothing_last_longer(alice: Any, acme: Any) -> None:
    former, _ = ApiToken.issue(tenant=acme, user=alice, name="ci", lifetime=timedelta(minutes=5))
    ends = former.expires_at
    former.rotate(timedelta(days=7))
    assert former.expires_at == ends


@pytest.mark.parametrize("state", ["revoked", "expired", "of one session"])
def test_only_a_valid_token_is_rotated(alice: Any, acme: Any, state: str) -> None:
    former, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")
    match state:
        case "revoked":
            former.revoke()
        case "expired":
            former.expires_at = timezone.now()
        case _:
            former.session = former.pk
    former.save()
    with pytest.raises(CannotRotate):
        former.rotate(timedelta(hours=1))
    assert ApiToken.objects.count() == 1


def test_of_many_who_rotate_at_once_one_does(alice: Any, acme: Any) -> None:
    former, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")

    def rotate(_: int) -> bool:
        try:
            ApiToken.objects.get(pk=former.pk).rotate(timedelta(hours=1))
        except CannotRotate:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(rotate, range(6))) == 1
    assert ApiToken.objects.count() == 2


def test_a_token_that_rotates_itself_gains_no_time_and_a_person_gives_it_all_of_it(alice: Any, acme: Any) -> None:
    former, secret = ApiToken.issue(tenant=acme, user=alice, name="ci", lifetime=timedelta(days=90))
    ends = former.expires_at
    for _ in range(3):
        new, secret = issuing.rotate(actor_from_token(secret, ""), ApiToken.objects.latest("created_at"), timedelta())
        assert new.expires_at == ends
    new.expires_at = timezone.now() + timedelta(days=1)  # who runs the tenant limits it
    new.save()
    limited, secret = issuing.rotate(actor_from_token(secret, ""), new, timedelta())
    assert limited.expires_at is not None
    assert limited.expires_at <= timezone.now() + timedelta(days=1)
    whole, _ = issuing.rotate(actor_from_user(alice), limited, timedelta())
    assert whole.expires_at is not None
    assert timedelta(days=89) < whole.expires_at - timezone.now() <= timedelta(days=90)


def test_revoking_reaches_whatever_took_its_place(alice: Any, acme: Any) -> None:
    """A thief who rotates what he found has no more by it."""
    first, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")
    line = [first]
    for _ in range(3):
        line.append(line[-1].rotate(timedelta(), by_itself=True)[0])
    other, _ = ApiToken.issue(tenant=acme, user=alice, name="other")
    made, _ = ApiToken.issue(
        tenant=acme, user=alice, name="s", session=first.pk, maker=line[-1], lifetime=timedelta(hours=1)
    )
    assert first.revoke() == [line[-1]], "the others had ended"
    for each in (*line, made):
        each.refresh_from_db()
        assert each.revoked_at is not None
    other.refresh_from_db()
    assert other.usable
    with pytest.raises(CannotRotate):
        line[-1].rotate(timedelta())
    assert first.revoke() == []


def test_one_that_is_read_before_it_is_revoked_is_not_rotated_after(alice: Any, acme: Any) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")
    stale = ApiToken.objects.get()
    token.revoke()
    with pytest.raises(CannotRotate):
        stale.rotate(timedelta(hours=1))
    assert ApiToken.objects.count() == 1


def test_of_rotating_and_revoking_at_once_nothing_is_left(alice: Any, acme: Any) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")

    def do(number: int) -> None:
        try:
            found = ApiToken.objects.get(pk=token.pk)
            if number == 3:
                found.revoke()
            else:
                list(found.line())[-1].rotate(timedelta(hours=1))
        except CannotRotate:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(do, range(6)))
    assert not [each for each in ApiToken.objects.all() if each.usable]


def test_a_token_that_is_deleted_takes_its_successors_with_it(alice: Any, acme: Any) -> None:
    first, _ = ApiToken.issue(tenant=acme, user=alice, name="ci")
    first.rotate(timedelta())[0].rotate(timedelta())
    first.delete()
    assert not ApiToken.objects.exists()


async def test_a_program_rotates_its_own_token(alice: Any, token: IssueToken) -> None:
    secret = await sync_to_async(token)(alice)
    client = AsyncClient()
    about = (await client.get("/api/v1/tokens/current", headers=bearer(secret))).json()
    assert (about["name"], about["user"], about["pools"]) == ("test", "alice", [])
    assert secret not in str(about)
    options: dict[str, Any] = {"data": {"overlap": 0}, "content_type": "application/json"}
    answer = await client.post("/api/v1/tokens/current/rotate", headers=bearer(secret), **options)
    assert answer.status_code == 201
    assert (await client.get("/api/v1/tokens/current", headers=bearer(secret))).status_code == 401
    assert (await client.get("/api/v1/tokens/current", headers=bearer(answer.json()["token"]))).status_code == 200
    for overlap in (-1, 7 * 24 * 3600 + 1):
        options["data"] = {"overlap": overlap}
        refused = await client.post("/api/v1/tokens/current/rotate", headers=bearer(answer.json()["token"]), **options)
        assert refused.status_code == 400


def test_an_administrator_rotates_in_the_admin(alice: Any, acme: Any) -> None:
    former, _ = ApiToken.issue(tenant=acme, user=alice, name="ci", pools=["python"])
    client = Client()
    client.force_login(alice)
    page = "/admin/tenants/apitoken/"
    answer = client.post(page, {"action": "rotate", "_selected_action": [str(former.pk)]}, follow=True)
    successor = ApiToken.objects.get(successor_of=former)
    assert successor.prefix in answer.content.decode()
    assert successor.pools == ["python"]
