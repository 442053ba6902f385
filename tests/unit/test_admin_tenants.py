"""The admin shows a tenant's administrator what is the tenant's, and nothing of anybody else's."""

import re
from typing import Any

import pytest
from django.contrib.admin import site
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.test import Client
from django.urls import include, path, reverse

from interpreters.lifecycle import State
from interpreters.models import (
    EgressDecision,
    Execution,
    InterpreterImage,
    RegistryCredential,
    Session,
    SessionPool,
    SessionUsage,
    WebhookDelivery,
    WebhookEndpoint,
    Workspace,
)
from interpreters.webhooks import outbox
from tenants.authentication import actor_from_token
from tenants.models import ApiToken, AuditEvent, IdentityProvider, Invitation, Membership, Role, ServiceAccount, Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("admin/", site.urls), path("", include("frontend.account_urls"))]


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Plain, so that these tests need no front end."""
    return HttpResponseForbidden()


MODELS = (
    Tenant,
    Membership,
    Invitation,
    ApiToken,
    InterpreterImage,
    RegistryCredential,
    SessionPool,
    Session,
    Execution,
    EgressDecision,
    Workspace,
    SessionUsage,
    ServiceAccount,
    WebhookEndpoint,
    WebhookDelivery,
    IdentityProvider,
)


def rows_of(tenant: Tenant, user: Any, word: str) -> dict[type, Any]:
    """One row of each model, each carrying a word that can be looked for on a page."""
    image = InterpreterImage.objects.create(tenant=tenant, name=f"{word}-image", language=word, reference="r")
    pool = SessionPool.objects.create(tenant=tenant, name=f"{word}-pool", image=image)
    session = pool.sessions.create(tenant=tenant, user=user, identifier=f"{word}-id", state=State.LEASED)
    token, _ = ApiToken.issue(tenant=tenant, user=user, name=f"{word}-token")
    execution = session.executions.create(tenant=tenant, user=user, code=f"{word}-code")
    credential = RegistryCredential.objects.create(
        tenant=tenant, registry="ghcr.io", username=f"{word}-robot", secret=f"{word}-secret"
    )
    decision = EgressDecision.objects.create(
        tenant=tenant, pool=pool, session=session.pk, host=f"{word}.example", port=443, allowed=True
    )
    kept = Workspace.objects.create(tenant=tenant, identifier=f"{word}-kept")
    member = Membership.objects.get(tenant=tenant, user=user)
    invitation, _ = Invitation.issue(tenant, Role.MEMBER, by=user, note=f"{word}-guest")
    used = SessionUsage.objects.create(
        session=session.pk, tenant=tenant, user=user, member=f"{word}-member", pool=pool.name, identifier=word,
        cpu=1, memory=1, started_at=session.created_at,
    )  # fmt: skip
    account = ServiceAccount.objects.create(tenant=tenant, name=f"{word}-robot", purpose=word)
    made = (tenant, member, invitation, token, image, credential, pool, session)
    webhook = WebhookEndpoint.objects.create(
        tenant=tenant, url=f"https://{word}.example/", description=f"{word}-words", events=["session.ended"]
    )
    told = outbox.write_test(webhook)
    provider = IdentityProvider.objects.create(
        tenant=tenant, name=f"{word}-id", issuer=f"https://{word}.example", client_id=word
    )
    rows = (*made, execution, decision, kept, used, account, webhook, told, provider)
    return dict(zip(MODELS, rows, strict=True))


@pytest.fixture
def ours(acme: Any, alice: Any) -> dict[type, Any]:
    return rows_of(acme, alice, "ours")


@pytest.fixture
def theirs(other: Any, charlie: Any) -> dict[type, Any]:
    Tenant.objects.filter(pk=other.pk).update(name="theirs")
    type(charlie).objects.filter(pk=charlie.pk).update(username="theirs")
    other.refresh_from_db()
    charlie.refresh_from_db()
    return rows_of(other, charlie, "theirs")


@pytest.fixture
def staff(alice: Any) -> Client:
    """Alice, owner of acme, and no staff."""
    client = Client()
    client.force_login(alice)
    return client


def url(model: type, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_a_stranger_sees_nothing(staff: Client, ours: dict[type, Any], theirs: dict[type, Any], model: type) -> None:
    listed = staff.get(url(model, "changelist"))
    assert listed.status_code == 200
    assert "theirs" not in listed.content.decode()
    assert str(ours[model].pk) in listed.content.decode()
    assert staff.get(url(model, "change", ours[model].pk)).status_code == 200
    for page in ("change", "delete", "history"):
        answer = staff.get(url(model, page, theirs[model].pk))
        assert answer.status_code in (302, 403, 404), page
        assert "theirs" not in answer.content.decode()


@pytest.mark.parametrize("model", [ApiToken, InterpreterImage, Invitation, RegistryCredential, SessionPool])
def test_no_choice_of_a_form_tells_of_others(
    staff: Client, ours: dict[type, Any], theirs: dict[type, Any], model: type
) -> None:
    for page in (url(model, "add"), url(model, "change", ours[model].pk)):
        answer = staff.get(page)
        assert answer.status_code == 200
        assert "theirs" not in answer.content.decode()


def test_a_pool_cannot_be_put_into_another_tenant(
    staff: Client, ours: dict[type, Any], theirs: dict[type, Any]
) -> None:
    pool = ours[SessionPool]
    fields = ("name", "ready_instances", "max_concurrent", "cooldown", "max_alive", "cpu", "memory", "disk", "pids",
              "lifecycle", "egress")  # fmt: skip
    form = {name: getattr(pool, name) for name in fields} | {"image": pool.image_id, "environment": "{}"}
    for tenant in (theirs[Tenant].pk, ""):
        answer = staff.post(url(SessionPool, "change", pool.pk), {**form, "tenant": tenant})
        assert answer.status_code == 302, "whose a pool is stays, whatever is sent"
        pool.refresh_from_db()
        assert pool.tenant == ours[Tenant]
    answer = staff.post(url(SessionPool, "change", pool.pk), {**form, "tenant": pool.tenant_id, "memory": 2048})
    assert answer.status_code == 302
    pool.refresh_from_db()
    assert (pool.tenant, pool.memory) == (ours[Tenant], 2048)


def test_an_action_does_not_reach_others(staff: Client, ours: dict[type, Any], theirs: dict[type, Any]) -> None:
    both = [ours[Session].pk, theirs[Session].pk]
    staff.post(url(Session, "changelist"), {"action": "end", "_selected_action": both})
    for rows in (ours, theirs):
        rows[Session].refresh_from_db()
    assert (ours[Session].state, ours[Session].reason) == ("stopping", "closed")
    assert theirs[Session].state == "leased"


def test_a_member_who_runs_no_tenant_sees_no_rows(ours: dict[type, Any], staff: Client) -> None:
    Membership.objects.update(role=Role.MEMBER)
    for model in MODELS:
        assert "ours" not in staff.get(url(model, "changelist")).content.decode()


def test_a_new_token_is_shown_once(staff: Client, alice: Any, acme: Any) -> None:
    form = {"tenant": acme.pk, "user": alice.pk, "name": "ci", "scopes": ["sessions:use"]}
    answer = staff.post(url(ApiToken, "add"), form, follow=True)
    found = re.search(r"thm_[\w-]{40,}", answer.content.decode())
    assert found
    assert actor_from_token(found[0], "").scopes == {"sessions:use"}
    assert found[0] not in staff.get(url(ApiToken, "changelist")).content.decode()
    assert found[0] not in staff.get(url(ApiToken, "change", ApiToken.objects.get().pk)).content.decode()


def test_a_token_is_made_for_nobody_else(staff: Client, bob: Any, acme: Any) -> None:
    form = {"tenant": acme.pk, "user": bob.pk, "name": "ci", "scopes": ["sessions:use"]}
    assert staff.post(url(ApiToken, "add"), form).status_code == 200
    assert not ApiToken.objects.exists()


def test_a_token_speaks_for_a_member_only(admin_client: Client, charlie: Any, acme: Any) -> None:
    form = {"tenant": acme.pk, "user": charlie.pk, "name": "ci", "scopes": ["sessions:use"]}
    assert "no member" in admin_client.post(url(ApiToken, "add"), form).content.decode()


def test_a_token_for_a_service_account_of_ones_own_tenant_is_made_and_for_no_other(
    staff: Client, ours: dict[type, Any], theirs: dict[type, Any], acme: Any
) -> None:
    form = {"tenant": acme.pk, "name": "cron", "scopes": ["sessions:use"]}
    for row, count in ((theirs[ServiceAccount], 0), (ours[ServiceAccount], 1)):
        answer = staff.post(url(ApiToken, "add"), {**form, "user": row.user_id})
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        assert ApiToken.objects.filter(name="cron").count() == count
    page = staff.post(url(ApiToken, "add"), {**form, "user": ours[ServiceAccount].user_id, "scopes": ["audit:read"]})
    assert "never may more" in page.content.decode()


def test_a_secret_goes_through_no_cookie(staff: Client, alice: Any, acme: Any) -> None:
    form = {"tenant": acme.pk, "user": alice.pk, "name": "ci", "scopes": ["sessions:use"]}
    answer = staff.post(url(ApiToken, "add"), form)
    found = re.search(r"thm_\w{40,}", answer.content.decode())
    assert found
    assert not any(found[0] in morsel.value for morsel in answer.cookies.values())
    assert not any(found[0] in str(value) for value in staff.session.values())


def test_nobody_is_shown_a_secret_of_another_person(staff: Client, acme: Any, bob: Any) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=bob, name="bob's")
    answer = staff.post(url(ApiToken, "changelist"), {"action": "rotate", "_selected_action": [token.pk]}, follow=True)
    assert "who alone may rotate it" in answer.content.decode()
    assert ApiToken.objects.count() == 1


def test_service_accounts_are_made_switched_off_and_deleted(staff: Client, acme: Any, other: Any) -> None:
    form = {"tenant": acme.pk, "name": "nightly", "role": "member", "purpose": ""}
    assert staff.post(url(ServiceAccount, "add"), {**form, "tenant": other.pk}).status_code == 200
    assert staff.post(url(ServiceAccount, "add"), {**form, "role": "owner"}).status_code == 200
    assert staff.post(url(ServiceAccount, "add"), {**form, "name": "a b"}).status_code == 200
    assert not ServiceAccount.objects.exists()
    assert staff.post(url(ServiceAccount, "add"), form).status_code == 302
    account = ServiceAccount.objects.get()
    for action, enabled in (("disable", False), ("enable", True)):
        staff.post(url(ServiceAccount, "changelist"), {"action": action, "_selected_action": [account.pk]})
        account.refresh_from_db()
        assert account.enabled is enabled
    chosen = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
    assert staff.post(url(ServiceAccount, "changelist"), chosen).status_code == 302
    assert not ServiceAccount.objects.exists()


def test_tokens_and_service_accounts_are_bounded_in_number(
    staff: Client, ours: dict[type, Any], acme: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.models.token.MOST", 1)
    monkeypatch.setattr("tenants.models.service.MOST", 1)
    token = {"tenant": acme.pk, "user": alice.pk, "name": "second", "scopes": ["sessions:use"]}
    account = {"tenant": acme.pk, "name": "second", "role": "member", "purpose": ""}
    assert "valid tokens already: revoke those" in staff.post(url(ApiToken, "add"), token).content.decode()
    assert "delete those that nobody uses" in staff.post(url(ServiceAccount, "add"), account).content.decode()
    assert not ApiToken.objects.filter(name="second").exists()
    assert not ServiceAccount.objects.filter(name="second").exists()
    changed = {"name": "ours-robot", "role": "viewer", "purpose": "other"}
    row = ours[ServiceAccount]
    assert staff.post(url(ServiceAccount, "change", row.pk), changed).status_code == 302, "it is there already"
    ours[ApiToken].revoke()
    assert "thm_" in staff.post(url(ApiToken, "add"), token).content.decode()


def test_revoking(staff: Client, ours: dict[type, Any]) -> None:
    token = ours[ApiToken]
    staff.post(url(ApiToken, "changelist"), {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert not token.usable


def test_a_superuser_sees_all_and_can_drain_and_rebuild(
    admin_client: Client, ours: dict[type, Any], theirs: dict[type, Any], django_capture_on_commit_callbacks: Any
) -> None:
    for model in MODELS:
        page = admin_client.get(url(model, "changelist")).content.decode()
        assert str(ours[model].pk) in page
        assert str(theirs[model].pk) in page
    pool = theirs[SessionPool]
    admin_client.post(url(SessionPool, "changelist"), {"action": "drain", "_selected_action": [pool.pk]})
    pool.refresh_from_db()
    assert not pool.enabled
    with django_capture_on_commit_callbacks() as callbacks:
        admin_client.post(
            url(InterpreterImage, "changelist"),
            {"action": "refresh", "_selected_action": [ours[InterpreterImage].pk]},
        )
    assert len(callbacks) == 1


def test_draining_and_enabling_tell_what_was_and_what_is(staff: Client, ours: dict[type, Any]) -> None:
    pool = ours[SessionPool]
    for action in ("drain", "drain", "enable"):  # twice: what changes nothing is no change
        staff.post(url(SessionPool, "changelist"), {"action": action, "_selected_action": [pool.pk]})
    told = AuditEvent.objects.filter(action="pool.changed", key=str(pool.pk)).order_by("pk")
    assert [(event.old, event.new, event.tenant_id) for event in told] == [
        ({"enabled": True}, {"enabled": False}, pool.tenant_id),
        ({"enabled": False}, {"enabled": True}, pool.tenant_id),
    ]
    assert {event.who for event in told} == {"alice"}


def test_what_runs_is_not_edited(admin_client: Client, ours: dict[type, Any]) -> None:
    assert admin_client.get(url(Session, "add")).status_code == 403
    admin_client.post(url(Session, "change", ours[Session].pk), {"state": "gone"})
    ours[Session].refresh_from_db()
    assert ours[Session].state == "leased"
    assert admin_client.post(url(Execution, "delete", ours[Execution].pk), {"post": "yes"}).status_code == 403


def test_every_model_of_ours_is_in_the_admin() -> None:
    assert {model for model in MODELS if not site.is_registered(model)} == set()
