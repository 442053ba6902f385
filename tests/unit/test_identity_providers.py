"""A tenant's own provider, and a hostile one: what its word is good for. tests/integration tries a real provider."""

import base64
import json
import time
from typing import Any

import pytest
import requests
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from frontend.identity import oidc
from frontend.urls import urlpatterns
from tenants import erasing
from tenants.models import AuditEvent, IdentityProvider, Invitation, Membership, Tenant
from tenants.models.identity import check_domains, check_issuer
from tests.edges import tab

pytestmark = pytest.mark.django_db
ISSUER = "https://login.example.org"


class Provider(requests.Session):
    """Whatever a tenant's admin lets their provider say, in place of the network."""

    says: dict[str, Any] = {}
    whole: dict[str, Any] = {}

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        path = url.removeprefix(ISSUER)
        config = {name: f"{ISSUER}/{name}" for name in oidc.ENDPOINTS} | {"issuer": ISSUER}
        claims = {
            "iss": ISSUER,
            "aud": "us",
            "exp": time.time() + 60,
            "sub": "1",
            "email": "eve@evil.example",
            **self.says,
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "1"}, claims, "signature")]
        id_token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        answers: dict[str, Any] = {
            "/.well-known/openid-configuration": config,
            "/token_endpoint": {"access_token": "x", "id_token": id_token},
            "/userinfo_endpoint": claims,
        }
        response = requests.Response()
        response.status_code = 200
        response.headers["content-type"] = "application/json"
        response._content = json.dumps(self.whole.get(path, answers[path])).encode()
        return response


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> type[Provider]:
    """All that it says may be changed: `says` are its claims, `whole` is an answer in one piece."""
    monkeypatch.setattr(oidc, "GuardedSession", Provider)
    monkeypatch.setattr(Provider, "says", {})
    monkeypatch.setattr(Provider, "whole", {})
    return Provider


@pytest.fixture
def row(acme: Tenant) -> IdentityProvider:
    return IdentityProvider.objects.create(
        tenant=acme, name="Acme ID", issuer=ISSUER, client_id="us", secret="s", creates_members=True
    )


def begin(client: Client, row: IdentityProvider, process: str = "login") -> dict[str, Any]:
    """Go to the provider; what we keep of it until the answer."""
    page = client.post(f"{reverse('openid_connect_login', args=[row.pk])}?process={process}")
    assert page.status_code == 200, page.content
    ((state, kept),) = client.session["socialaccount_states"].items()
    return {"state": state, **kept[0]}


def come_back(client: Client, row: IdentityProvider, state: str, **query: str) -> Any:
    return client.get(reverse("openid_connect_callback", args=[row.pk]), {"state": state, "code": "c", **query})


def sign_in(client: Client, row: IdentityProvider, process: str = "login", **says: Any) -> Any:
    begun = begin(client, row, process)
    Provider.says = {"nonce": begun["nonce"], **says}
    return come_back(client, row, begun["state"])


def by_password(name: str, *, confirmed: bool = True) -> Client:
    client = Client()
    client.post("/login", {"username": name, "password": "secret"})
    if confirmed:
        client.post(reverse("account_reauthenticate"), {"password": "secret"})
    return client


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# --- The usual way ---


def test_the_button_leads_there_with_pkce_nonce_and_state(row: IdentityProvider) -> None:
    assert "Sign in with Acme ID" in Client().get("/login", {"tenant": "acme"}).content.decode()
    client = Client()
    page = client.post(
        f"{reverse('openid_connect_login', args=[row.pk])}?auth_params=nonce%3Dmine%26prompt%3Dnone&scope=admin"
    )
    address = page.context["address"]
    assert address.startswith(f"{ISSUER}/authorization_endpoint?")
    for part in ("code_challenge=", "code_challenge_method=S256", "nonce=", "state=", "response_type=code"):
        assert part in address
    assert "nonce=mine" not in address
    assert "admin" not in address
    assert "prompt" not in address
    assert 'http-equiv="refresh"' in page.content.decode()
    assert Client().get(reverse("openid_connect_login", args=[row.pk])).status_code == 405


def test_a_first_sign_in_makes_a_member_of_that_tenant(row: IdentityProvider, acme: Tenant) -> None:
    client = Client()
    answer = sign_in(client, row, preferred_username="eve", name="Eve Adams")
    assert answer["Location"] == "/notebooks/"
    user = get_user_model().objects.get(username="acme.eve")
    assert (user.first_name, user.email, user.is_superuser, user.has_usable_password()) == (
        "Eve", "eve@evil.example", False, False,
    )  # fmt: skip
    assert [(m.tenant, m.role) for m in user.memberships.all()] == [(acme, "member")]
    assert client.get("/notebooks/").status_code == 200
    actions = [event.action for event in AuditEvent.objects.filter(tenant=acme).order_by("pk")]
    assert actions[-2:] == ["member.added", "account.signed_in"]
    again = Client()
    sign_in(again, row)
    assert again.session["_auth_user_id"] == str(user.pk)
    assert get_user_model().objects.count() == 1


def test_without_it_only_who_connected_signs_in(row: IdentityProvider, alice: Any) -> None:
    row.creates_members = False
    row.save()
    client = Client()
    assert sign_in(client, row).status_code == 403
    assert not signed_in(client)
    assert get_user_model().objects.count() == 1
    alices = by_password("alice")
    assert "Connect Acme ID" in alices.get("/account/identities").content.decode()
    assert sign_in(alices, row, "connect").status_code == 302
    assert SocialAccount.objects.get().user == alice
    assert AuditEvent.objects.filter(action="account.identity_connected").count() == 1
    sign_in(client, row)
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_connecting_asks_for_the_password_again(row: IdentityProvider, alice: Any) -> None:
    client = by_password("alice", confirmed=False)
    assert sign_in(client, row, "connect")["Location"] == reverse("account_reauthenticate")
    assert not SocialAccount.objects.exists()
    client.post(reverse("account_reauthenticate"), {"password": "secret"})
    assert SocialAccount.objects.get().user == alice


def test_who_disconnects_is_out_where_it_signed_in(row: IdentityProvider, alice: Any) -> None:
    mine, by_provider = by_password("alice"), Client()
    sign_in(mine, row, "connect")
    sign_in(by_provider, row)
    assert by_provider.get("/notebooks/").status_code == 200
    mine.post("/account/identities", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()
    assert by_provider.get("/notebooks/").status_code == 302
    assert mine.get("/notebooks/").status_code == 200


# --- A hostile provider ---


def test_it_signs_in_as_nobody_who_is_there(row: IdentityProvider, alice: Any, bob: Any, admin_user: Any) -> None:
    """Whatever addresses, names and numbers it says."""
    for number, victim in enumerate((alice, bob, admin_user)):
        client = Client()
        sign_in(
            client, row, sub=f"{victim.pk}", email=victim.email, email_verified=True, preferred_username=victim.username
        )
        assert client.session["_auth_user_id"] not in {str(user.pk) for user in (alice, bob, admin_user)}
        assert SocialAccount.objects.count() == number + 1
    assert get_user_model().objects.filter(username__startswith="acme.").count() == 3


def test_for_who_connected_it_it_reaches_its_own_tenant_alone(
    row: IdentityProvider, alice: Any, acme: Tenant, other: Tenant, settings: Any
) -> None:
    """Alice runs both; acme's admin lets the provider say that somebody is alice."""
    Membership.objects.create(tenant=other, user=alice, role="owner")
    sign_in(by_password("alice"), row, "connect")
    hostile = Client()
    sign_in(hostile, row)
    assert hostile.get("/api/v1/pools").status_code == 200
    named = hostile.get("/api/v1/pools", headers={"X-Thermae-Tenant": "other"})
    assert (named.status_code, named.json()["error"]) == (403, "not_a_member")
    assert hostile.post("/tenant", {"tenant": "other"}).status_code == 404
    session = hostile.session
    session["tenant"] = "other"
    session.save()
    assert hostile.get("/api/v1/pools").status_code == 200
    Tenant.objects.filter(pk=other.pk).update(name="Elsewhere")
    routes = [str(each.pattern) for each in urlpatterns if "<" not in str(each.pattern)]
    for path in (*(f"/{route}" for route in routes), "/account/sign-ins", "/admin/", "/admin/tenants/tenant/"):
        page = hostile.get(path).content.decode()
        assert "Elsewhere" not in page, path
    assert hostile.get(f"/admin/tenants/tenant/{other.pk}/change/").status_code == 302
    assert hostile.get(f"/admin/tenants/tenant/{acme.pk}/change/").status_code == 200


def test_nor_does_an_invitation_or_the_other_tenants_log_tell(row: IdentityProvider, alice: Any, other: Tenant) -> None:
    Membership.objects.create(tenant=other, user=alice)
    sign_in(by_password("alice"), row, "connect")
    hostile = Client()
    sign_in(hostile, row)
    hostile.get(reverse("open_invitation", args=[Invitation.issue(other, "member", by=None)[1]]))
    assert "already" not in hostile.get(reverse("invitation")).content.decode()
    hostile.post("/logout")
    told = AuditEvent.objects.filter(action="account.signed_out")
    assert [event.tenant_id for event in told] == [row.tenant_id]


@pytest.mark.django_db(transaction=True)
async def test_nor_by_a_websocket(row: IdentityProvider, alice: Any, other: Tenant, leased: Any, charlie: Any) -> None:
    def prepare() -> tuple[Any, str]:
        Membership.objects.create(tenant=other, user=alice, role="owner")
        sign_in(by_password("alice"), row, "connect")
        hostile = Client()
        sign_in(hostile, row)
        session = hostile.session
        session["tenant"] = "other"
        session.save()
        return leased(charlie), hostile.cookies["sessionid"].value

    theirs, key = await sync_to_async(prepare)()
    headers = {"host": "testserver", "origin": "http://testserver", "cookie": f"sessionid={key}"}
    async with tab(f"/ws/sessions/{theirs.pk}/channels", **headers) as page:
        assert await page.closed() == 4404


def test_it_changes_nothing_of_the_account_and_sees_no_other_sign_in(row: IdentityProvider, alice: Any) -> None:
    mine = by_password("alice")
    sign_in(mine, row, "connect")
    hostile = Client(headers={"User-Agent": "hostile"})
    sign_in(hostile, row)
    from frontend.account_urls import own

    free = {"account", "usersessions_list", "end_sign_in"}
    for pattern in own:
        if pattern.name not in free:
            path = reverse(pattern.name, kwargs={"pk": 1} if "int:pk" in str(pattern.pattern) else None)
            assert [hostile.get(path).status_code, hostile.post(path).status_code] == [403, 403], path
    listed = hostile.get("/account/sign-ins").content.decode()
    assert listed.count('class="list-row') == 1
    hostile.post("/account/sign-ins")
    assert mine.get("/account/").status_code == 200
    assert sign_in(hostile, row, "connect", sub="another").status_code == 403
    assert SocialAccount.objects.count() == 1


def test_an_operator_is_never_signed_in(row: IdentityProvider, alice: Any) -> None:
    sign_in(by_password("alice"), row, "connect")
    inside = Client()
    sign_in(inside, row)
    alice.is_superuser = True
    alice.save()
    assert inside.get("/admin/").status_code == 302
    assert not signed_in(inside)
    late = Client()
    assert sign_in(late, row).status_code == 403
    assert not signed_in(late)
    assert sign_in(by_password("alice"), row, "connect", sub="2").status_code == 403


def test_an_identity_connects_to_one_account_and_for_members_only(
    row: IdentityProvider, alice: Any, bob: Any, charlie: Any
) -> None:
    assert sign_in(by_password("charlie"), row, "connect").status_code == 403
    assert not SocialAccount.objects.exists()
    sign_in(by_password("alice"), row, "connect")
    sign_in(by_password("bob"), row, "connect")
    assert SocialAccount.objects.get().user == alice


def test_a_second_factor_is_asked_of_who_has_one(row: IdentityProvider, alice: Any) -> None:
    sign_in(by_password("alice"), row, "connect")
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    client = Client()
    assert sign_in(client, row)["Location"].startswith(reverse("mfa_authenticate"))
    assert not signed_in(client)


def test_after_the_second_factor_the_limit_is_there_too(row: IdentityProvider, alice: Any, other: Tenant) -> None:
    from tests.unit.test_second_factor import SECRET, code

    Membership.objects.create(tenant=other, user=alice, role="owner")
    sign_in(by_password("alice"), row, "connect")
    TOTP.activate(alice, SECRET)
    # Another tenant's provider with the same client id changes nothing.
    IdentityProvider.objects.create(tenant=other, name="Theirs", issuer=ISSUER, client_id="us", secret="t")
    client = Client()
    sign_in(client, row)
    client.post(reverse("mfa_authenticate"), {"code": code(SECRET)})
    assert client.session["identity_provider"] == str(row.pk)
    assert client.get("/api/v1/pools", headers={"X-Thermae-Tenant": "other"}).status_code == 403


def test_who_is_no_member_any_more_stays_out(row: IdentityProvider) -> None:
    client = Client()
    sign_in(client, row)
    Membership.objects.all().delete()
    assert client.get("/api/v1/pools").status_code == 403
    assert sign_in(Client(), row).status_code == 403
    assert not Membership.objects.exists()


def test_who_signs_in_while_the_tenant_is_being_erased_is_told_so_and_has_no_account(
    row: IdentityProvider, acme: Tenant
) -> None:
    erasing.begin(acme)
    IdentityProvider.objects.update(enabled=True)  # by an operator, or by who began to sign in just before
    answer = sign_in(Client(), row)
    assert (answer.status_code, "being erased" in answer.content.decode()) == (403, True)
    assert not get_user_model().objects.exists()
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("end", ["turned off", "deleted"])
def test_a_provider_that_is_gone_lets_nobody_in_or_stay(row: IdentityProvider, end: str) -> None:
    client, late = Client(), Client()
    sign_in(client, row)
    begun = begin(late, row)
    Provider.says = {"nonce": begun["nonce"]}
    if end == "deleted":
        IdentityProvider.objects.get().delete()
        assert not SocialAccount.objects.exists()
    else:
        IdentityProvider.objects.update(enabled=False)
    assert client.get("/api/v1/pools").status_code == 403
    assert come_back(late, row, begun["state"]).status_code == 404
    assert Client().post(reverse("openid_connect_login", args=[row.pk])).status_code == 404
    assert "Sign in with Acme" not in Client().get("/login", {"tenant": "acme"}).content.decode()


# --- Answers that are not for us ---


@pytest.mark.parametrize("nonce", ["another", None, "", 5, []])
def test_an_answer_with_another_nonce_is_refused(row: IdentityProvider, nonce: Any) -> None:
    client = Client()
    assert sign_in(client, row, nonce=nonce).status_code == 403
    assert not signed_in(client)
    assert AuditEvent.objects.filter(action="account.identity_refused").count() == 1
    assert not get_user_model().objects.exists()


def test_a_state_counts_once_in_its_browser_and_for_its_provider(row: IdentityProvider, other: Tenant) -> None:
    theirs = IdentityProvider.objects.create(
        tenant=other, name="B", issuer=ISSUER, client_id="us", secret="s", creates_members=True
    )
    client = Client()
    begun = begin(client, row)
    Provider.says = {"nonce": begun["nonce"]}
    assert come_back(Client(), row, begun["state"]).status_code == 401
    assert come_back(client, theirs, begun["state"]).status_code == 401
    assert come_back(client, row, "x" * 5000).status_code == 401
    assert come_back(client, row, begun["state"]).status_code == 302
    again = Client(headers={"User-Agent": "again"})
    again.cookies = client.cookies
    assert come_back(again, row, begun["state"]).status_code == 401


@pytest.mark.parametrize(
    "says",
    [
        {"iss": "https://other.example"}, {"aud": "others"}, {"exp": 1}, {"sub": ""}, {"sub": None}, {"sub": 7},
        {"sub": ["1"]}, {"sub": "x" * 5000}, {"sub": "a\0b"}, {"jti": "x" * 100_000, "sub": None},
    ],
)  # fmt: skip
def test_an_id_token_that_is_not_ours_or_nonsense_is_refused(row: IdentityProvider, says: dict[str, Any]) -> None:
    client = Client()
    assert sign_in(client, row, **says).status_code in (401, 403, 502)
    assert not signed_in(client)
    assert not get_user_model().objects.exists()


NONSENSE: list[Any] = [
    None,
    [],
    {},
    "x",
    5,
    {"a": None},
    [1, 2],
    {"issuer": ISSUER},
    {"access_token": 5, "id_token": 7},
]


@pytest.mark.parametrize("answer", NONSENSE, ids=str)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token_endpoint", "/userinfo_endpoint"])
def test_nonsense_is_told_in_words(row: IdentityProvider, path: str, answer: Any) -> None:
    client = Client()
    if path.startswith("/."):
        Provider.whole = {path: answer}
        assert client.post(reverse("openid_connect_login", args=[row.pk])).status_code == 502
        return
    begun = begin(client, row)
    Provider.says, Provider.whole = {"nonce": begun["nonce"]}, {path: answer}
    assert come_back(client, row, begun["state"]).status_code in (401, 502)
    assert not get_user_model().objects.exists()


@pytest.mark.parametrize("name", [*oidc.ENDPOINTS, "issuer"])
@pytest.mark.parametrize("value", ["http://login.example.org/x", "javascript:alert(1)", "file:///etc/passwd", None])
def test_endpoints_are_https_and_the_issuer_is_the_one_that_was_named(
    row: IdentityProvider, name: str, value: Any
) -> None:
    config = {each: f"{ISSUER}/{each}" for each in oidc.ENDPOINTS} | {"issuer": ISSUER, name: value}
    Provider.whole = {"/.well-known/openid-configuration": config}
    assert Client().post(reverse("openid_connect_login", args=[row.pk])).status_code == 502


def test_names_with_anything_in_them_do_no_harm(row: IdentityProvider) -> None:
    names = ["<b>\0é", "x" * 10_000, ["list"], {"a": 1}, "../../etc", "eve", "eve", "EVE"]
    for number, name in enumerate(names):
        answer = sign_in(Client(), row, sub=str(number), preferred_username=name, name=name, email=name)
        assert answer.status_code == 302, name
    made = list(get_user_model().objects.values_list("username", flat=True))
    assert len({name.lower() for name in made}) == len(names)
    assert all(name.startswith("acme.") for name in made)


# --- Who may ---


@pytest.mark.parametrize(
    ("says", "allowed"),
    [
        ({"email": "a@acme.example", "email_verified": True}, True),
        ({"email": "a@ACME.example", "email_verified": True}, True),
        ({"email": "a@acme.example"}, False),
        ({"email": "a@acme.example", "email_verified": "true"}, False),
        ({"email": "a@evil.example", "email_verified": True}, False),
        ({"email": "a@sub.acme.example", "email_verified": True}, False),
        ({"email": ["a@acme.example"], "email_verified": True}, False),
        ({"email": "acme.example", "email_verified": True}, True),
    ],
)
def test_domains(row: IdentityProvider, says: dict[str, Any], allowed: bool) -> None:
    row.allowed_domains = ["acme.example"]
    assert (row.objection(says) == "") is allowed


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("staff", True), (["x", "staff"], True), ("stafff", False), ([["staff"]], False), (None, False)],
)
def test_claims(row: IdentityProvider, value: Any, allowed: bool) -> None:
    row.claim, row.claim_value, row.allowed_domains = "groups", "staff", []
    row.save()
    client = Client()
    sign_in(client, row, groups=value)
    assert signed_in(client) is allowed


@pytest.mark.parametrize(
    "issuer", ["http://a.example", "https://", "https://u:p@a.example", "https://a.example/?x", "x"]
)
def test_an_issuer_is_an_https_address(issuer: str) -> None:
    with pytest.raises(ValidationError):
        check_issuer(issuer)


@pytest.mark.parametrize("domains", [["A.example"], ["*"], [""], "a.example", [5], ["a@b.example"], ["a.example"] * 51])
def test_domains_are_domains(domains: Any) -> None:
    with pytest.raises(ValidationError):
        check_domains(domains)


# --- In the admin ---


def form(tenant: Tenant, **more: Any) -> dict[str, Any]:
    return {
        "tenant": tenant.pk, "name": "ID", "issuer": ISSUER, "client_id": "us", "password": "hush-hush",
        "default_role": "member", **more,
    }  # fmt: skip


def test_who_runs_a_tenant_makes_one_and_its_secret_is_never_shown(alice: Any, acme: Tenant, other: Tenant) -> None:
    client = Client()
    client.force_login(alice)
    add = reverse("admin:tenants_identityprovider_add")
    assert client.post(add, form(other)).status_code == 200, "the form again"
    assert client.post(add, form(acme, default_role="owner")).status_code == 200
    assert client.post(add, form(acme)).status_code == 302
    made = IdentityProvider.objects.get()
    assert (made.tenant, made.secret) == (acme, "hush-hush")
    change = reverse("admin:tenants_identityprovider_change", args=[made.pk])
    page = client.get(change).content.decode()
    assert "hush-hush" not in page
    assert str(reverse("openid_connect_callback", args=[made.pk])) in page
    client.post(change, form(acme, name="New", password="", issuer="https://evil.example", enabled="on"))
    made.refresh_from_db()
    assert (made.name, made.issuer, made.secret) == ("New", ISSUER, "hush-hush")
    told = AuditEvent.objects.filter(action__startswith="identity_provider.", tenant=acme)
    assert {event.action for event in told} == {"identity_provider.created", "identity_provider.changed"}
    assert "hush-hush" not in json.dumps([[event.old, event.new] for event in told])


def test_a_stranger_and_a_member_see_none(row: IdentityProvider, bob: Any, charlie: Any) -> None:
    for person in (bob, charlie):
        client = Client()
        client.force_login(person)
        listed = client.get(reverse("admin:tenants_identityprovider_changelist"))
        assert "Acme ID" not in listed.content.decode()
        for page in ("change", "delete", "history"):
            answer = client.get(reverse(f"admin:tenants_identityprovider_{page}", args=[row.pk]))
            assert answer.status_code in (302, 403, 404)
            assert "Acme ID" not in answer.content.decode()
