"""Authenticator apps, recovery codes, and tenants that want a second factor. Passkeys are tried in a real browser."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.urls import reverse

from tenants.models import AuditEvent, Tenant
from tests.edges import bearer, tab

pytestmark = pytest.mark.django_db
Action = AuditEvent.Action
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(secret: str, ahead: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


def sign_in(client: Client, name: str = "alice") -> Any:
    return client.post("/login", {"username": name, "password": "secret"})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def app(alice: Any) -> Authenticator:
    """An authenticator app of alice's."""
    made: Authenticator = TOTP.activate(alice, SECRET).instance
    RecoveryCodes.activate(alice)
    return made


def test_an_app_is_set_up_after_the_password_was_asked_again(
    alice: Any, django_capture_on_commit_callbacks: Any
) -> None:
    client = Client()
    sign_in(client)
    page = client.get(reverse("mfa_activate_totp"))
    assert page["Location"].startswith(reverse("account_reauthenticate"))
    client.post(page["Location"], {"password": "secret"})
    shown = client.get(reverse("mfa_activate_totp")).content.decode()
    assert 'src="data:image/svg+xml;base64,' in shown
    (secret,) = re.findall(r'class="secret">(\w+)<', shown)
    with django_capture_on_commit_callbacks(execute=True):
        wrong = client.post(reverse("mfa_activate_totp"), {"code": "000000"})
        assert "wrong" in wrong.content.decode()
        assert client.post(reverse("mfa_activate_totp"), {"code": code(secret)})["Location"] == reverse(
            "mfa_view_recovery_codes"
        )
    kept = Authenticator.objects.get(user=alice, type="totp").data["secret"]
    assert secret not in kept
    codes = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    assert len(re.findall(r"<code>\d{8}</code>", codes)) == 10
    assert AuditEvent.objects.filter(action=Action.SECOND_FACTOR_ADDED, new={"kind": "totp"}).count() == 1


def test_then_a_password_alone_signs_nobody_in(app: Authenticator) -> None:
    client = Client()
    assert sign_in(client)["Location"].startswith(reverse("mfa_authenticate"))
    assert not signed_in(client)
    assert client.get("/notebooks/").status_code == 302
    assert "wrong" in client.post(reverse("mfa_authenticate"), {"code": "000000"}).content.decode()
    assert AuditEvent.objects.filter(action=Action.SECOND_FACTOR_FAILED).count() == 1
    client.post(reverse("mfa_authenticate"), {"code": code(SECRET)})
    assert signed_in(client)
    assert AuditEvent.objects.filter(action=Action.SIGNED_IN).get().new == {"by": ["password", "totp"]}


def test_a_code_counts_once(app: Authenticator) -> None:
    for expected in (True, False):
        client = Client()
        sign_in(client)
        client.post(reverse("mfa_authenticate"), {"code": code(SECRET)})
        assert signed_in(client) is expected


def test_guessing_codes_ends_after_five(app: Authenticator) -> None:
    client = Client()
    sign_in(client)
    for number in range(5):
        client.post(reverse("mfa_authenticate"), {"code": f"{number:06}"}, REMOTE_ADDR=f"198.51.100.{number}")
    answer = client.post(reverse("mfa_authenticate"), {"code": code(SECRET)}, REMOTE_ADDR="203.0.113.1")
    assert "Too many" in answer.content.decode()
    assert not signed_in(client)


def test_a_recovery_code_signs_in_once(app: Authenticator, alice: Any) -> None:
    spare = RecoveryCodes.activate(alice).get_unused_codes()[0]
    for expected in (True, False):
        client = Client()
        sign_in(client)
        client.post(reverse("mfa_authenticate"), {"code": spare})
        assert signed_in(client) is expected


def test_the_second_step_alone_is_nothing() -> None:
    for method in (Client().get, Client().post):
        assert method(reverse("mfa_authenticate"), {"code": "123456"})["Location"].startswith("/login")


def test_the_admin_wants_it_too(app: Authenticator) -> None:
    client = Client()
    sign_in(client)
    assert client.get("/admin/").status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": code(SECRET)})
    assert client.get("/admin/").status_code == 200


def test_who_lost_everything_is_helped_by_the_operator(app: Authenticator, alice: Any) -> None:
    call_command("password_link", "alice", "--without-second-factor")
    assert not Authenticator.objects.filter(user=alice).exists()
    client = Client()
    sign_in(client)
    assert signed_in(client)


def test_a_new_key_reads_them_and_reencrypts_them(app: Authenticator, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key of the same installation"
    call_command("reencrypt")
    settings.SECRET_KEY_FALLBACKS = []
    client = Client()
    sign_in(client)
    client.post(reverse("mfa_authenticate"), {"code": code(SECRET)})
    assert signed_in(client)


# --- A tenant that wants one ---


@pytest.fixture
def strict(acme: Tenant) -> Tenant:
    acme.requires_second_factor = True
    acme.save()
    return acme


def test_pages_lead_to_setting_one_up(strict: Tenant, alice: Any) -> None:
    client = Client()
    sign_in(client)
    for path in ("/notebooks/", "/notebooks/trash"):
        assert client.get(path)["Location"] == reverse("mfa_index")
    assert client.post("/notebooks/new", {"pool": "python"})["Location"] == reverse("mfa_index")
    assert client.get("/admin/")["Location"] == reverse("mfa_index")
    assert client.get("/admin/tenants/tenant/")["Location"] == reverse("mfa_index")
    assert "is wanted" in client.get(reverse("mfa_index")).content.decode()
    TOTP.activate(alice, SECRET)
    assert client.get("/notebooks/").status_code == 200
    assert client.get("/admin/").status_code == 200


def test_the_api_refuses_a_cookie_and_not_a_token(strict: Tenant, alice: Any, token: Any) -> None:
    client = Client()
    sign_in(client)
    answer = client.get("/api/v1/pools")
    assert (answer.status_code, answer.json()["error"]) == (403, "second_factor_required")
    assert Client().get("/api/v1/pools", headers=bearer(token(alice))).status_code == 200
    TOTP.activate(alice, SECRET)
    assert client.get("/api/v1/pools").status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_a_websocket_refuses_a_cookie(strict: Tenant, alice: Any, leased: Any) -> None:
    session = await sync_to_async(leased)(alice)
    client = AsyncClient()
    await client.aforce_login(alice)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    headers = {"host": "testserver", "origin": "http://testserver", "cookie": cookie}
    async with tab(f"/ws/sessions/{session.pk}/channels", **headers) as page:
        assert await page.closed() == 4403


def test_another_tenant_of_theirs_asks_for_nothing(strict: Tenant, other: Tenant, alice: Any) -> None:
    other.memberships.create(user=alice, role="owner")
    client = Client()
    sign_in(client)
    assert client.get("/api/v1/pools", headers={"X-Thermae-Tenant": "other"}).status_code == 200
    client.post("/tenant", {"tenant": "other"})
    assert client.get("/notebooks/").status_code == 200


def test_operators_and_who_runs_a_tenant_need_one_where_the_operator_says_so(
    settings: Any, alice: Any, bob: Any, admin_client: Client
) -> None:
    settings.ADMIN_SECOND_FACTOR = True
    owner, member = Client(), Client()
    owner.force_login(alice)
    member.force_login(bob)
    for client in (owner, admin_client):
        assert client.get("/admin/")["Location"] == reverse("mfa_index")
        assert client.post("/admin/tenants/tenant/add/", {})["Location"] == reverse("mfa_index")
    assert owner.get("/notebooks/").status_code == 200
    assert member.get("/notebooks/").status_code == 200
    TOTP.activate(alice, SECRET)
    assert owner.get("/admin/").status_code == 200
