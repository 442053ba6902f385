"""API tokens in the admin: what an administrator may make of somebody else's, and which are listed."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from interpreters.models import Preview
from interpreters.upkeep_tasks import prune_session_tokens
from tenants.models import ApiToken, AuditEvent, Role, Scope, ServiceAccount

pytestmark = pytest.mark.django_db
LIST = reverse("admin:tenants_apitoken_changelist")
NARROW = {"pools": ["python", "r"], "networks": ["192.0.2.0/24"], "scopes": [Scope.SESSIONS_USE, Scope.POOLS_READ]}


@pytest.fixture
def admin(acme: Any, member: Any) -> Any:
    return member(acme, "dora", Role.ADMIN)


@pytest.fixture
def doras(admin: Any) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def owners(alice: Any, acme: Any) -> ApiToken:
    return ApiToken.issue(tenant=acme, user=alice, name="owner's", lifetime=timedelta(days=9), **NARROW)[0]


def change(client: Client, token: ApiToken, **values: Any) -> str:
    """What the page answers; "" if it is saved."""
    ends = values.pop("ends", token.expires_at)
    form: dict[str, Any] = {name: getattr(token, name) for name in ("name", "scopes", "pools", "networks")} | values
    form |= {name: "\n".join(form[name]) for name in ("pools", "networks")}
    form |= {"expires_at_0": f"{ends:%Y-%m-%d}" if ends else "", "expires_at_1": f"{ends:%H:%M:%S}" if ends else ""}
    answer = client.post(reverse("admin:tenants_apitoken_change", args=[token.pk]), form)
    return "" if answer.status_code == 302 else answer.content.decode()


WIDER: list[tuple[dict[str, Any], str]] = [
    ({"scopes": ["sessions:use", "pools:read", "admin"]}, "without the scope admin"),
    ({"pools": []}, "for the pools python, r only"),
    ({"pools": ["python", "other"]}, "for the pools python, r only"),
    ({"networks": []}, "for the networks 192.0.2.0/24 only"),
    ({"networks": ["192.0.0.0/16"]}, "for the networks 192.0.2.0/24 only"),
    ({"ends": None}, "valid until"),
    ({"ends": timezone.now() + timedelta(days=10)}, "valid until"),
]


@pytest.mark.parametrize(("wider", "words"), WIDER)
def test_nobody_widens_somebody_elses(
    doras: Client, owners: ApiToken, admin_client: Client, wider: dict[str, Any], words: str
) -> None:
    before = ApiToken.objects.filter(pk=owners.pk).values().get()
    for client in (doras, admin_client):
        page = change(client, owners, **wider)
        assert "It is not yours to widen" in page
        assert words in page
    assert ApiToken.objects.filter(pk=owners.pk).values().get() == before


@pytest.mark.parametrize("whose", ["their own", "a service account's"])
@pytest.mark.parametrize("wider", [wider for wider, _ in WIDER])
def test_ones_own_is_widened_as_one_is_made(
    doras: Client, acme: Any, admin: Any, whose: str, wider: dict[str, Any]
) -> None:
    account = ServiceAccount.objects.create(tenant=acme, name="ci", role=Role.ADMIN)
    user = admin if whose == "their own" else account.user
    token, _ = ApiToken.issue(tenant=acme, user=user, name="x", lifetime=timedelta(days=9), **NARROW)
    assert change(doras, token, **wider) == ""
    token.refresh_from_db()
    for name in set(wider) - {"ends"}:
        assert getattr(token, name) == wider[name]


def test_somebody_elses_is_limited(doras: Client, owners: ApiToken) -> None:
    assert change(doras, owners, name="ci") == "", "as it is"
    ends = timezone.now() + timedelta(days=1)
    less: dict[str, Any] = {"scopes": ["pools:read"], "pools": ["r"], "networks": ["192.0.2.128/25"], "ends": ends}
    assert change(doras, owners, **less) == ""
    owners.refresh_from_db()
    assert (owners.scopes, owners.pools, owners.networks) == (["pools:read"], ["r"], ["192.0.2.128/25"])
    assert owners.expires_at == ends.replace(microsecond=0)
    assert "not yours to widen" in change(doras, owners, pools=["r", "python"]), "nor back"


def test_a_network_that_is_none_is_refused_in_words(doras: Client, owners: ApiToken) -> None:
    assert "write a network as" in change(doras, owners, networks=["here"])


@pytest.mark.parametrize("state", ["revoked", "expired"])
@pytest.mark.parametrize("whose", ["dora", "alice"])
def test_what_is_over_stays_so(doras: Client, acme: Any, admin: Any, alice: Any, state: str, whose: str) -> None:
    past = timezone.now() - timedelta(hours=1)
    token, _ = ApiToken.issue(tenant=acme, user=admin if whose == "dora" else alice, name="x")
    ApiToken.objects.update(**{"revoked_at" if state == "revoked" else "expires_at": past})
    for ends in (None, timezone.now() + timedelta(days=1)):
        assert "is over, and stays so" in change(doras, token, ends=ends)
    token.refresh_from_db()
    assert not token.usable


def test_one_that_is_revoked_while_it_is_edited_stays_so(
    doras: Client, owners: ApiToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenants import admin_tokens

    check = admin_tokens.check_change

    def meanwhile(*args: Any) -> None:
        check(*args)
        ApiToken.objects.get(pk=owners.pk).revoke()

    monkeypatch.setattr(admin_tokens, "check_change", meanwhile)
    assert change(doras, owners, name="renamed") == ""
    owners.refresh_from_db()
    assert (owners.name, owners.usable) == ("renamed", False)


def test_the_token_of_a_session_is_widened_by_nobody(doras: Client, acme: Any, admin: Any) -> None:
    maker, _ = ApiToken.issue(tenant=acme, user=admin, name="maker")
    token, _ = ApiToken.issue(
        tenant=acme, user=admin, name="s", session=maker.pk, maker=maker, lifetime=timedelta(hours=1), **NARROW
    )
    for wider, words in WIDER:
        assert words in change(doras, token, **wider)


def test_revoking_counts_what_took_their_place(doras: Client, owners: ApiToken) -> None:
    successor, _ = owners.rotate(timedelta(hours=1))
    for chosen, words in (([owners.pk], "Revoked 1, and 1 that took their place."), ([successor.pk], "Revoked 1.")):
        answer = doras.post(LIST, {"action": "revoke", "_selected_action": chosen}, follow=True)
        assert words in answer.content.decode()
    assert not ApiToken.objects.filter(revoked_at=None).exists()


# --- Those of sessions ---


def test_tokens_of_sessions_are_listed_when_they_are_asked_for(doras: Client, owners: ApiToken, acme: Any) -> None:
    ApiToken.issue(tenant=acme, user=owners.user, name="session one", session=owners.pk, lifetime=timedelta(hours=1))
    for query, listed in (("", ["owner&#x27;s"]), ("?session__isempty=0", ["session one"])):
        page = doras.get(f"{LIST}{query}").content.decode()
        assert [name for name in ("owner&#x27;s", "session one") if f"{name}</a>" in page] == listed
        assert "Not of one session" in page


def test_those_that_expired_long_ago_go_and_the_audit_log_stays(leased: Any, alice: Any, acme: Any) -> None:
    session = leased(alice)
    lasting, _ = ApiToken.issue(tenant=acme, user=alice, name="lasting", lifetime=timedelta(days=-30))
    for name, days in (("old", -8), ("late", -6), ("new", 1)):
        made, _ = ApiToken.issue(
            tenant=acme, user=alice, name=name, session=session.pk, maker=lasting, lifetime=timedelta(days=days)
        )
        Preview.issue(session, 8000, alice, made)
    told = AuditEvent.objects.count()
    prune_session_tokens()
    assert set(ApiToken.objects.values_list("name", flat=True)) == {"lasting", "late", "new"}
    assert Preview.objects.count() == 2
    assert AuditEvent.objects.count() == told
    prune_session_tokens()
