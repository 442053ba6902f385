"""Nothing changes without a trace: every route of the API that changes or hands out something, and every admin page.

A new route fails here until it is listed with the event that it leaves, or with the reason why it leaves none.
"""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse

from frontend.documents import new_document
from frontend.models import Collaborator, Notebook, ShareLink
from interpreters.api.v1 import api
from interpreters.models import Execution, InterpreterImage, RegistryCredential, Session, SessionPool, Workspace
from tenants.models import ApiToken, Archive, AuditEvent, Scope, ServiceAccount, Tenant
from tenants.scoping import TenantScopedAdmin
from tenants.watching import _watched
from tests.edges import Caller
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.django_db(transaction=True)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    return buffer.getvalue()


RAW = {"content_type": "application/octet-stream"}
S, E, W = "/sessions/{session}", "/executions/{execution}", "/workspaces/{workspace}"
POOL = {"name": "second", "image": "python"}
# What leaves an event: the event, and what is sent.
LEAVES: dict[tuple[str, str], tuple[str, Any]] = {
    ("POST", "/sessions"): ("session.opened", {"pool": "python", "identifier": "fresh"}),
    ("DELETE", S): ("session.ended", None),
    ("POST", f"{S}/tokens"): ("token.created", {"lifetime": 60}),
    ("POST", f"{S}/previews"): ("preview.opened", {"port": 8000}),
    ("POST", f"{S}/executions"): ("code.run", {"code": "hello", "mode": "async"}),
    ("PUT", f"{S}/files/{{path}}"): ("file.changed", b"x"),
    ("POST", f"{S}/files/{{path}}"): ("file.changed", None),
    ("PATCH", f"{S}/files/{{path}}"): ("file.changed", {"to": "b.txt"}),
    ("DELETE", f"{S}/files/{{path}}"): ("file.changed", None),
    ("POST", f"{S}/archive"): ("file.changed", zipped()),
    ("GET", f"{S}/files/{{path}}"): ("file.downloaded", None),
    ("GET", f"{S}/archive"): ("file.downloaded", None),
    ("GET", f"{W}/archive"): ("file.downloaded", None),
    ("GET", "/audit/export"): ("audit.exported", None),
    ("PUT", "/workspaces"): ("workspace.created", {"identifier": "fresh", "enabled": True}),
    ("DELETE", W): ("workspace.deleted", None),
    ("DELETE", f"{W}/archive"): ("workspace.changed", None),
    ("POST", "/images"): ("image.created", {"name": "new", "reference": "docker.io/library/python:3"}),
    ("PUT", "/images/{image}/archive"): ("image.created", b"x"),
    ("PUT", "/images/{image}/context"): ("image.created", b"FROM python"),
    ("POST", "/images/{image}/refresh"): ("image.refreshed", None),
    ("DELETE", "/images/{image}"): ("image.deleted", None),
    ("POST", "/registry-credentials"): (
        "credential.created", {"registry": "ghcr.io", "username": "other", "secret": "s"},
    ),
    ("DELETE", "/registry-credentials/{credential}"): ("credential.deleted", None),
    ("POST", "/pools"): ("pool.created", POOL),
    ("PATCH", "/pools/{name}"): ("pool.changed", {"cooldown": 60}),
    ("DELETE", "/pools/{name}"): ("pool.changed", None),
    ("POST", "/tokens"): ("token.created", {"name": "new"}),
    ("POST", "/tokens/{token}/rotate"): ("token.created", {}),
    ("DELETE", "/tokens/{token}"): ("token.changed", None),
    ("POST", "/tokens/current/rotate"): ("token.created", {}),
    ("POST", "/service-accounts"): ("service_account.created", {"name": "new"}),
    ("PATCH", "/service-accounts/{account}"): ("service_account.changed", {"enabled": False}),
    ("DELETE", "/service-accounts/{account}"): ("service_account.deleted", None),
    ("POST", "/webhooks"): ("webhook.created", {"url": "https://hooks.example.org/", "events": ["session.ended"]}),
    ("PATCH", "/webhooks/{webhook}"): ("webhook.changed", {"enabled": False}),
    ("POST", "/webhooks/{webhook}/rotate"): ("webhook.changed", {"overlap": 0}),
    ("DELETE", "/webhooks/{webhook}"): ("webhook.deleted", None),
    ("POST", "/archives"): ("archive.asked", {"of": "me"}),
}  # fmt: skip
WITHIN = "it is within a session, as what its code does is, whose opening and end are told"
LEAVES_NONE = {
    ("POST", f"{S}/keep-alive"): WITHIN,
    ("POST", f"{S}/interrupt"): WITHIN,
    ("POST", f"{S}/restart"): WITHIN,
    ("POST", f"{S}/complete"): "it asks",
    ("POST", f"{S}/inspect"): "it asks",
    ("POST", f"{S}/ask"): "it asks",
    ("DELETE", f"{S}/terminals/{{name}}"): WITHIN,
    ("DELETE", E): WITHIN,
    ("POST", f"{E}/input"): WITHIN,
    ("POST", "/webhooks/{webhook}/test"): "the deliveries have it",
    ("POST", "/webhooks/{webhook}/deliveries/{delivery}/send-again"): "the deliveries have it",
    ("DELETE", "/archives/{archive}"): "it goes by itself, too",
    ("POST", "/erasures"): "it ends the token that asks, and is told by test_erasing",
    ("POST", f"{W}/save"): "as happens by itself every minute",
}
# What is read without a trace: lists, states and what was put out, which whoever may see may see again.
READS = ("GET",)


def routes() -> set[tuple[str, str]]:
    schema = api.get_openapi_schema()["paths"]
    return {(method.upper(), path.removeprefix("/api/v1")) for path, ways in schema.items() for method in ways}


def test_every_route_that_changes_something_is_listed() -> None:
    changing = {route for route in routes() if route[0] not in READS}
    assert changing == {route for route in {*LEAVES, *LEAVES_NONE} if route[0] not in READS}
    assert {route for route in LEAVES if route[0] in READS} <= routes()
    # Whatever hands out bytes as a file is a download.
    files = {(method, path) for method, path in routes() if method == "GET" and path.endswith(("archive", "export"))}
    assert files <= set(LEAVES)


@pytest.fixture
def names(alice: Any, leased: Any, ready: Any, pool: SessionPool, agents: Any, settings: Any, tmp_path: Any) -> Any:
    """One of each of a tenant's own, by the names that addresses give them; and a second ready instance."""
    settings.WORKSPACES_DIR = tmp_path
    settings.PREVIEW_HOST = "preview.localhost"
    session: Session = leased(alice)
    ready()
    tenant = session.tenant
    assert tenant
    Tenant.objects.update(record_code=True)
    agents[session.pk].contents["a.txt"] = b"x"
    own = SessionPool.objects.create(name="own", tenant=tenant, image=pool.image)
    kept = Workspace.objects.create(tenant=tenant, identifier="kept", content="a" * 32, size=1)
    account = ServiceAccount.objects.create(tenant=tenant, name="robot")
    image = InterpreterImage.objects.create(
        tenant=tenant, name="mine", origin="registry", registry_reference="docker.io/library/python:3", reference="r"
    )
    return {
        "session": session.pk,
        "execution": Execution.objects.create(session=session, tenant=tenant, code="x").pk,
        "path": "a.txt",
        "workspace": kept.pk,
        "image": image.name,
        "credential": RegistryCredential.objects.create(tenant=tenant, registry="ghcr.io", username="r", secret="s").pk,
        "name": own.name,
        "token": ApiToken.issue(tenant=tenant, user=account.user, name="robot's")[0].pk,
        "account": account.name,
        "webhook": endpoint_of(tenant).pk,
    }


@pytest.mark.parametrize(("route", "event"), LEAVES.items(), ids=[" ".join(route) for route in LEAVES])
async def test_a_route_leaves_its_event(
    route: tuple[str, str], event: tuple[str, Any], names: dict[str, Any], alice: Any, token: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("interpreters.sessions.keeping.open_content", lambda _: io.BytesIO(b"x"))
    method, path = route
    action, body = event
    if path.endswith(("/images/{image}/archive", "/images/{image}/context")):
        names = {**names, "image": "new"}
    if (method, path) == ("POST", f"{S}/files/{{path}}"):
        names = {**names, "path": "folder"}
    secret = await sync_to_async(token)(alice, scopes=list(Scope.values))
    before = await AuditEvent.objects.filter(action=action).acount()
    raw = {"data": body, **RAW} if isinstance(body, bytes) else {}
    answer = await Caller(secret)(method, path.format(**names), None if raw else body, **raw)
    assert answer.status_code < 300, answer.content
    found = [each async for each in AuditEvent.objects.filter(action=action).order_by("pk")]
    assert len(found) > before
    last = found[-1]
    assert (last.who, last.address, last.tenant_id) == ("alice", "127.0.0.1", (await Tenant.objects.aget()).pk)
    assert last.token
    assert secret.startswith(last.token)
    assert secret not in str(vars(last))


# --- The admin ---

# Models whose admin changes rows that no watch tells of, and why that is well.
UNWATCHED: dict[Any, str] = {
    Group: "Django's groups count for nothing here",
    Archive: "archive.asked and archive.downloaded tell it",
}


def as_operator() -> Any:
    request = RequestFactory().get("/admin/")
    request.user = get_user_model()(is_superuser=True, is_staff=True, is_active=True)
    return request


def may_change(admin: Any) -> bool:
    request = as_operator()
    fields = {name for _, options in admin.get_fieldsets(request) for name in _flat(options["fields"])}
    writable = fields - set(_flat(admin.get_readonly_fields(request)))
    return bool(writable) and (admin.has_change_permission(request) or admin.has_add_permission(request))


def _flat(names: Any) -> set[str]:
    return {each for name in names for each in ([name] if isinstance(name, str) else name)}


def test_whatever_the_admin_changes_is_watched() -> None:
    for model, admin in site._registry.items():
        if may_change(admin) or admin.has_delete_permission(as_operator()):
            assert model in _watched or model in UNWATCHED, f"{model.__name__} is changed without a trace"


def test_every_action_of_the_admin_is_recorded_where_all_are() -> None:
    """By `response_action` of TenantScopedAdmin, whatever an action does; deletions are told row by row."""
    for model, admin in site._registry.items():
        others = set(admin.get_actions(as_operator())) - {"delete_selected"}
        if others:
            assert isinstance(admin, TenantScopedAdmin), f"{model.__name__}: {others}"
            assert type(admin).response_action is TenantScopedAdmin.response_action, model.__name__


def test_a_bulk_deletion_in_the_admin_is_told_row_by_row(acme: Any, alice: Any) -> None:
    client = Client()
    client.force_login(alice)
    chosen = [ServiceAccount.objects.create(tenant=acme, name=name).pk for name in ("one", "two")]
    data = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    client.post(reverse("admin:tenants_serviceaccount_changelist"), data)
    gone = AuditEvent.objects.filter(action="service_account.deleted")
    assert [(event.who, event.name) for event in gone.order_by("name")] == [
        ("alice", "service:one"), ("alice", "service:two"),
    ]  # fmt: skip


# --- Notebooks ---


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.mark.parametrize("form", ["ipynb", "html", "script"])
def test_an_export_of_a_notebook_is_a_download(notebook: Notebook, alice: Any, client: Client, form: str) -> None:
    client.force_login(alice)
    client.get(f"/notebooks/{notebook.pk}/export/{form}", REMOTE_ADDR="192.0.2.9")
    event = AuditEvent.objects.get(action="file.downloaded")
    assert (event.who, event.key, event.why) == ("alice", str(notebook.pk), f"as {form}")
    assert event.address == "192.0.2.9"


def test_what_a_notebook_s_readers_become_is_told(notebook: Notebook, alice: Any, bob: Any, client: Client) -> None:
    client.force_login(alice)
    at, json = f"/notebooks/{notebook.pk}/sharing", {"content_type": "application/json"}

    def told(*steps: Callable[[], Any]) -> list[str]:
        before = AuditEvent.objects.count()
        for step in steps:
            assert step().status_code < 400
        return list(AuditEvent.objects.order_by("pk")[before:].values_list("action", flat=True))

    assert told(
        lambda: client.put(f"{at}/people", {"user": "bob", "role": "viewer"}, **json),
        lambda: client.put(f"{at}/people", {"user": "bob", "role": "editor"}, **json),
        lambda: client.put(f"{at}/people", {"user": "bob", "role": None}, **json),
        lambda: client.put(f"{at}/tenant", {"view": True}, **json),
        lambda: client.post(f"{at}/links", {"public": False, "days": 1}, **json),
        lambda: client.post(f"{at}/links/{ShareLink.objects.get().pk}", {"do": "revoke"}, **json),
        lambda: client.post(f"/notebooks/{notebook.pk}/delete"),
    ) == [
        "notebook.shared", "notebook.sharing_changed", "notebook.unshared", "notebook.changed", "share_link.created",
        "share_link.changed", "notebook.changed",
    ]  # fmt: skip
    assert not Collaborator.objects.exists()
    assert "print" not in str(list(AuditEvent.objects.values()))


def test_a_download_by_a_share_link_is_told_to_its_tenant(notebook: Notebook, alice: Any, bob: Any) -> None:
    _, secret = ShareLink.issue(
        lifetime=None, notebook=notebook, created_by=alice, title="Study", language="Python", document={}
    )
    client = Client()
    client.force_login(bob)
    assert client.get(f"/shared/{secret}/download").status_code == 200
    event = AuditEvent.objects.get(action="file.downloaded")
    assert (event.who, event.tenant_id, event.kind) == ("bob", notebook.tenant_id, "sharelink")
    assert secret not in str(list(AuditEvent.objects.values()))


def test_models_that_are_watched_are_those_that_people_change() -> None:
    assert {model._meta.label for model in _watched} >= {
        "tenants.Tenant", "tenants.Membership", "tenants.ApiToken", "tenants.ServiceAccount", "frontend.Notebook",
        "frontend.Collaborator", "frontend.ShareLink", "interpreters.SessionPool", "interpreters.InterpreterImage",
        "interpreters.RegistryCredential", "interpreters.Workspace",
    }  # fmt: skip
    assert apps.ready
