"""One way, at least, to do each thing that differs by role: real requests, told by what they did.

A probe goes by a door: pages and the API are for members of the tenant, the admin for who runs it and for the operator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend.models import Notebook
from interpreters.lifecycle import State
from interpreters.models import InterpreterImage, Session, SessionPool, WebhookEndpoint
from tenants.audit import Action, record
from tenants.models import (
    ApiToken,
    Archive,
    Erasure,
    IdentityProvider,
    Invitation,
    Membership,
    Role,
    ServiceAccount,
    Tenant,
)
from tenants.roles import ADMINISTERS, MEMBERS, OPERATOR, Ability

DOORS: dict[str, frozenset[str]] = {
    "page": MEMBERS,
    "api": MEMBERS,
    "admin": frozenset({*ADMINISTERS, OPERATOR}),
}
SECRET = "nobody-shared-this"


class World:
    """Acme, with somebody of each role and what is theirs, and `me`, who asks. Nobody is the last owner."""

    def __init__(self, standing: str, pool: SessionPool) -> None:
        User = get_user_model()
        self.tenant = Tenant.objects.create(name="Acme", slug="acme")
        self.pool = pool
        self.places = {
            name: Membership.objects.create(tenant=self.tenant, user=User.objects.create_user(name), role=role)
            for name, role in (("olga", "owner"), ("otto", "owner"), ("anna", "admin"), ("mia", "member"))
        }
        self.mia = self.places["mia"].user
        self.stranger = User.objects.create_user("somebody")
        if standing == OPERATOR:
            self.me = User.objects.create_superuser("me")
        else:
            self.me = User.objects.create_user("me")
            self.places["me"] = Membership.objects.create(tenant=self.tenant, user=self.me, role=standing)
        image = InterpreterImage.objects.create(tenant=self.tenant, name="ours", language="Ours", reference="r")
        self.own_pool = SessionPool.objects.create(tenant=self.tenant, name="ours", image=image)
        self.session = self.own_pool.sessions.create(
            tenant=self.tenant, user=self.mia, identifier="hers", state=State.LEASED
        )
        self.run = self.session.executions.create(tenant=self.tenant, user=self.mia, code=SECRET)
        cell = {"id": "a", "cell_type": "markdown", "source": SECRET, "metadata": {}}
        document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
        hers: dict[str, Any] = {"tenant": self.tenant, "owner": self.mia, "pool": pool.name, "document": document}
        self.private = Notebook.objects.create(title="Private", **hers)
        self.shared = Notebook.objects.create(title="Shared", open_to_tenant=True, **hers)
        self.token, _ = ApiToken.issue(tenant=self.tenant, user=self.mia, name="hers")
        self.invitation, _ = Invitation.issue(self.tenant, Role.MEMBER, by=self.places["olga"].user)
        self.event = record(Action.CODE_RUN, tenant=self.tenant, name="an event")
        self.client = Client(raise_request_exception=False)
        self.client.force_login(self.me)

    # --- asking ---

    def get(self, name: str, *args: Any) -> str:
        """The page, if it is given; "" otherwise."""
        return self._read(self.client.get(name if name.startswith("/") else reverse(name, args=args)))

    def post(self, name: str, /, *args: Any, **form: Any) -> None:
        self.client.post(reverse(name, args=args), form)

    def act(self, model: str, action: str, row: Any) -> None:
        """One of the admin's actions on one row."""
        self.post(f"admin:{model}_changelist", action=action, _selected_action=[row.pk])

    def api(self, method: str, path: str, body: Any = None) -> str:
        return self._read(getattr(self.client, method)(f"/api/v1{path}", body, content_type="application/json"))

    def _read(self, answer: Any) -> str:
        assert answer.status_code < 500, answer.content
        return str(answer.content.decode()) if answer.status_code < 300 else ""

    def changes_token(self, whose: str, is_: dict[str, Any], wish: dict[str, Any]) -> bool:
        """Whether the admin makes of somebody's token, which may read pools and `is_`, what is wished."""
        fields = {"scopes": ["pools:read"], **is_}
        token, _ = ApiToken.issue(tenant=self.tenant, user=self.places[whose].user, name="theirs", **fields)
        before = ApiToken.objects.filter(pk=token.pk).values().get()
        form = {"name": "theirs", "scopes": fields["scopes"], "expires_at_0": "", "expires_at_1": ""}
        form |= {name: "\n".join(fields.get(name, ())) for name in ("pools", "networks")}
        self.post("admin:tenants_apitoken_change", token.pk, **{**form, **wish})
        return bool(ApiToken.objects.filter(pk=token.pk).values().get() != before)

    # --- what is there now ---

    def role_of(self, name: str) -> str | None:
        rows = Membership.objects.filter(tenant=self.tenant, user__username=name)
        return rows.values_list("role", flat=True).first()

    def tenant_form(self, **change: Any) -> dict[str, Any]:
        form = {"name": "Acme", "slug": "acme", "allowed_registries": "[]", "egress_ceiling": "", "egress_allowed": ""}
        return {**form, "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0, **change}

    def pool_form(self, **change: Any) -> dict[str, Any]:
        fields = ("ready_instances", "max_concurrent", "cooldown", "max_alive", "cpu", "memory", "disk", "pids")
        form = {name: getattr(self.pool, name) for name in (*fields, "lifecycle", "egress")}
        return {**form, "name": "new", "image": self.pool.image_id, "environment": "{}", **change}


@dataclass(frozen=True)
class Probe:
    ability: Ability
    door: str
    does: Callable[[World], bool]

    @property
    def name(self) -> str:
        return f"{self.ability.value}, {self.door}: {self.does.__name__}"


PROBES: list[Probe] = []


def probe(ability: Ability, door: str) -> Callable[[Callable[[World], bool]], Callable[[World], bool]]:
    """`door`: a key of DOORS. What is decorated says whether it was done."""

    def add(does: Callable[[World], bool]) -> Callable[[World], bool]:
        PROBES.append(Probe(ability, door, does))
        return does

    return add


# --- Pools, sessions, notebooks ---


@probe(Ability.POOLS_SEE, "api")
def lists_pools(w: World) -> bool:
    return '"ours"' in w.api("get", "/pools")


@probe(Ability.POOLS_SEE, "admin")
def finds_pools(w: World) -> bool:
    return f"/sessionpool/{w.own_pool.pk}/" in w.get("admin:interpreters_sessionpool_changelist")


@probe(Ability.SESSIONS_USE, "api")
def opens_a_session(w: World) -> bool:
    w.api("post", "/sessions", {"pool": "python", "identifier": "mine"})
    return Session.objects.filter(tenant=w.tenant, identifier="mine").exists()


@probe(Ability.SESSIONS_USE, "api")
def reads_a_session(w: World) -> bool:
    return "hers" in w.api("get", f"/sessions/{w.session.pk}")


@probe(Ability.SESSIONS_END, "admin")
def ends_a_session(w: World) -> bool:
    w.act("interpreters_session", "end", w.session)
    return Session.objects.get(pk=w.session.pk).state == State.STOPPING


@probe(Ability.CODE_SEE, "admin")
def reads_what_ran(w: World) -> bool:
    return SECRET in w.get("admin:interpreters_execution_change", w.run.pk)


@probe(Ability.NOTEBOOKS_SEE, "page")
def looks_at_a_shared_notebook(w: World) -> bool:
    return "Shared" in w.get("notebook", w.shared.pk) and SECRET in w.get("notebook_document", w.shared.pk)


@probe(Ability.NOTEBOOKS_WRITE, "page")
def makes_a_notebook(w: World) -> bool:
    w.post("new_notebook", pool="python")
    return Notebook.objects.filter(tenant=w.tenant, owner=w.me).exists()


@probe(Ability.NOTEBOOKS_WRITE, "page")
def renames_a_notebook_of_their_own(w: World) -> bool:
    Notebook.objects.filter(pk=w.private.pk).update(owner=w.me)
    w.post("rename_notebook", w.private.pk, title="Mine")
    return Notebook.objects.get(pk=w.private.pk).title == "Mine"


@probe(Ability.NOTEBOOKS_READ, "page")
def opens_a_private_notebook(w: World) -> bool:
    return "Private" in w.get("notebook", w.private.pk)


@probe(Ability.NOTEBOOKS_READ, "page")
def reads_a_private_document(w: World) -> bool:
    return SECRET in w.get("notebook_document", w.private.pk)


@probe(Ability.NOTEBOOKS_READ, "page")
def downloads_a_private_notebook(w: World) -> bool:
    return SECRET in w.get("download_notebook", w.private.pk)


@probe(Ability.NOTEBOOKS_READ, "admin")
def reads_a_private_notebook_in_the_admin(w: World) -> bool:
    return SECRET in w.get("admin:frontend_notebook_change", w.private.pk)


@probe(Ability.NOTEBOOKS_FIND, "admin")
def finds_a_private_notebook(w: World) -> bool:
    return "Private" in w.get("admin:frontend_notebook_changelist")


@probe(Ability.NOTEBOOKS_FIND, "admin")
def brings_back_a_deleted_one(w: World) -> bool:
    w.private.delete_softly()
    form = {"title": "Private", "pool": "python", "deleted_at_0": "", "deleted_at_1": ""}
    w.post("admin:frontend_notebook_change", w.private.pk, **form)
    return Notebook.objects.get(pk=w.private.pk).deleted_at is None


# --- People ---


@probe(Ability.PEOPLE_SEE, "page")
def sees_who_is_a_member(w: World) -> bool:
    return "olga" in w.get("organisation")


@probe(Ability.PEOPLE_SEE, "admin")
def lists_members(w: World) -> bool:
    return "olga" in w.get("admin:tenants_membership_changelist")


@probe(Ability.LEAVE, "page")
def leaves(w: World) -> bool:
    w.post("leave_organisation")
    return "me" in w.places and w.role_of("me") is None


@probe(Ability.INVITE, "page")
def invites_an_admin(w: World) -> bool:
    w.post("invite", role="admin", days="1")
    return w.tenant.invitations.filter(role=Role.ADMIN).exists()


@probe(Ability.INVITE, "page")
def sees_open_invitations(w: World) -> bool:
    return "Open invitations" in w.get("organisation")


@probe(Ability.INVITE, "page")
def revokes_an_invitation(w: World) -> bool:
    w.post("revoke_invitation", w.invitation.pk)
    return not w.tenant.invitations.open().exists()


@probe(Ability.INVITE, "admin")
def invites_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_invitation_add", tenant=w.tenant.pk, role="viewer", days="1")
    return w.tenant.invitations.filter(role=Role.VIEWER).exists()


@probe(Ability.INVITE, "admin")
def revokes_in_the_admin(w: World) -> bool:
    w.act("tenants_invitation", "revoke", w.invitation)
    return not w.tenant.invitations.open().exists()


@probe(Ability.PEOPLE_CHANGE, "page")
def changes_an_admin(w: World) -> bool:
    w.post("change_role", w.places["anna"].pk, role="viewer")
    return w.role_of("anna") == "viewer"


@probe(Ability.PEOPLE_CHANGE, "page")
def removes_a_member(w: World) -> bool:
    w.post("remove_member", w.places["mia"].pk)
    return w.role_of("mia") is None


@probe(Ability.PEOPLE_CHANGE, "admin")
def changes_a_member_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_membership_change", w.places["mia"].pk, role="admin")
    return w.role_of("mia") == "admin"


@probe(Ability.PEOPLE_CHANGE, "admin")
def removes_an_admin_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_membership_delete", w.places["anna"].pk, post="yes")
    return w.role_of("anna") is None


@probe(Ability.OWNERS_CHANGE, "page")
def makes_an_owner(w: World) -> bool:
    w.post("change_role", w.places["mia"].pk, role="owner")
    return w.role_of("mia") == "owner"


@probe(Ability.OWNERS_CHANGE, "page")
def makes_themselves_an_owner(w: World) -> bool:
    if "me" in w.places:
        Membership.objects.exclude(user=w.me).filter(role=Role.OWNER, user__username="otto").update(role=Role.ADMIN)
        w.post("change_role", w.places["me"].pk, role="owner")
    return w.role_of("me") == "owner"


@probe(Ability.OWNERS_CHANGE, "page")
def changes_an_owner(w: World) -> bool:
    w.post("change_role", w.places["olga"].pk, role="member")
    return w.role_of("olga") == "member"


@probe(Ability.OWNERS_CHANGE, "page")
def removes_an_owner(w: World) -> bool:
    w.post("remove_member", w.places["olga"].pk)
    return w.role_of("olga") is None


@probe(Ability.OWNERS_CHANGE, "page")
def invites_an_owner(w: World) -> bool:
    w.post("invite", role="owner", days="1")
    return w.tenant.invitations.filter(role=Role.OWNER).exists()


@probe(Ability.OWNERS_CHANGE, "admin")
def makes_an_owner_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_membership_change", w.places["mia"].pk, role="owner")
    return w.role_of("mia") == "owner"


@probe(Ability.OWNERS_CHANGE, "admin")
def changes_an_owner_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_membership_change", w.places["olga"].pk, role="viewer")
    return w.role_of("olga") == "viewer"


@probe(Ability.OWNERS_CHANGE, "admin")
def removes_an_owner_in_the_admin(w: World) -> bool:
    rows = {"_selected_action": [w.places["olga"].pk], "post": "yes"}
    w.post("admin:tenants_membership_changelist", action="delete_selected", **rows)
    return w.role_of("olga") is None


@probe(Ability.OWNERS_CHANGE, "admin")
def invites_an_owner_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_invitation_add", tenant=w.tenant.pk, role="owner", days="1")
    return w.tenant.invitations.filter(role=Role.OWNER).exists()


@probe(Ability.NOTEBOOKS_GIVE, "page")
def gives_away_the_notebooks_of_whom_they_remove(w: World) -> bool:
    w.post("remove_member", w.places["mia"].pk, heir=w.places["anna"].user_id)
    return bool(Notebook.objects.get(pk=w.private.pk).owner == w.places["anna"].user)


@probe(Ability.PEOPLE_ADD, "admin")
def adds_somebody_without_asking(w: World) -> bool:
    w.post("admin:tenants_membership_add", tenant=w.tenant.pk, user=w.stranger.pk, role="viewer")
    return w.role_of("somebody") == "viewer"


# --- What the tenant has ---


@probe(Ability.POOLS_MANAGE, "api")
def makes_a_pool(w: World) -> bool:
    w.api("post", "/pools", {"name": "mine", "image": "python"})
    return SessionPool.objects.filter(tenant=w.tenant, name="mine").exists()


@probe(Ability.POOLS_MANAGE, "api")
def lists_images(w: World) -> bool:
    return '"ours"' in w.api("get", "/images")


@probe(Ability.POOLS_MANAGE, "admin")
def drains_a_pool(w: World) -> bool:
    w.act("interpreters_sessionpool", "drain", w.own_pool)
    return not SessionPool.objects.get(pk=w.own_pool.pk).enabled


@probe(Ability.TOKENS_MAKE, "admin")
def makes_a_token(w: World) -> bool:
    form = {"tenant": w.tenant.pk, "user": w.me.pk, "name": "mine", "scopes": ["pools:read"]}
    w.post("admin:tenants_apitoken_add", **form)
    return ApiToken.objects.filter(user=w.me).exists()


@probe(Ability.TOKENS_GIVE, "admin")
def makes_a_token_for_another(w: World) -> bool:
    form = {"tenant": w.tenant.pk, "user": w.mia.pk, "name": "given", "scopes": ["pools:read"]}
    w.post("admin:tenants_apitoken_add", **form)
    return ApiToken.objects.filter(name="given").exists()


@probe(Ability.TOKENS_GIVE, "admin")
def makes_a_token_for_an_owner(w: World) -> bool:
    form = {"tenant": w.tenant.pk, "user": w.places["olga"].user_id, "name": "given", "scopes": ["admin"]}
    w.post("admin:tenants_apitoken_add", **form)
    return ApiToken.objects.filter(name="given").exists()


@probe(Ability.TOKENS_MANAGE, "api")
def sees_a_token_of_another(w: World) -> bool:
    return str(w.token.pk) in w.api("get", "/tokens")


@probe(Ability.TOKENS_MANAGE, "api")
def revokes_a_token_by_rest(w: World) -> bool:
    w.api("delete", f"/tokens/{w.token.pk}")
    return not ApiToken.objects.get(pk=w.token.pk).usable


@probe(Ability.TOKENS_MANAGE, "admin")
def revokes_a_token(w: World) -> bool:
    w.act("tenants_apitoken", "revoke", w.token)
    return not ApiToken.objects.get(pk=w.token.pk).usable


@probe(Ability.TOKENS_MANAGE, "admin")
def limits_a_token(w: World) -> bool:
    return w.changes_token("mia", {"scopes": ["pools:read", "sessions:use"]}, {"scopes": ["pools:read"]})


@probe(Ability.TOKENS_MANAGE, "admin")
def limits_a_token_of_an_owner(w: World) -> bool:
    return w.changes_token("olga", {}, {"pools": "ours"})


@probe(Ability.TOKENS_WIDEN, "admin")
def gives_a_token_of_an_owner_more_scopes(w: World) -> bool:
    return w.changes_token("olga", {}, {"scopes": ["pools:read", "admin"]})


@probe(Ability.TOKENS_WIDEN, "admin")
def gives_a_token_of_a_member_more_scopes(w: World) -> bool:
    return w.changes_token("mia", {}, {"scopes": ["pools:read", "sessions:use"]})


@probe(Ability.TOKENS_WIDEN, "admin")
def gives_a_token_more_pools(w: World) -> bool:
    return w.changes_token("mia", {"pools": ["ours"]}, {"pools": ""})


@probe(Ability.TOKENS_WIDEN, "admin")
def gives_a_token_more_networks(w: World) -> bool:
    return w.changes_token("mia", {"networks": ["198.51.100.0/24"]}, {"networks": ""})


@probe(Ability.TOKENS_WIDEN, "admin")
def gives_a_token_more_time(w: World) -> bool:
    return w.changes_token("mia", {"expires_at": timezone.now() + timedelta(days=1)}, {"expires_at_0": ""})


@probe(Ability.AUDIT_READ, "api")
def reads_the_audit_log(w: World) -> bool:
    return "an event" in w.api("get", "/audit?limit=1000")


@probe(Ability.AUDIT_READ, "admin")
def looks_through_the_audit_log(w: World) -> bool:
    return "an event" in w.get("admin:tenants_auditevent_changelist")


@probe(Ability.AUDIT_READ, "admin")
def takes_the_audit_log_away(w: World) -> bool:
    answer = w.client.get(reverse("admin:tenants_auditevent_export"))
    return answer.status_code == 200 and b"an event" in b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@probe(Ability.SERVICES_MANAGE, "api")
def makes_a_service_account(w: World) -> bool:
    w.api("post", "/service-accounts", {"name": "robot"})
    return ServiceAccount.objects.filter(tenant=w.tenant, name="robot").exists()


@probe(Ability.SERVICES_MANAGE, "api")
def issues_a_token_of_a_service_account(w: World) -> bool:
    account = ServiceAccount.objects.create(tenant=w.tenant, name="robot")
    w.api("post", "/tokens", {"name": "its", "service_account": "robot", "scopes": ["pools:read"]})
    return bool(ApiToken.objects.filter(user=account.user).exists())


@probe(Ability.SERVICES_MANAGE, "admin")
def makes_a_service_account_in_the_admin(w: World) -> bool:
    w.post("admin:tenants_serviceaccount_add", tenant=w.tenant.pk, name="robot", role="member", purpose="")
    return ServiceAccount.objects.filter(tenant=w.tenant, name="robot").exists()


@probe(Ability.USAGE_OWN, "api")
def reads_their_own_usage(w: World) -> bool:
    return '"sessions"' in w.api("get", "/usage/own")


@probe(Ability.USAGE_READ, "api")
def reads_the_usage_of_all(w: World) -> bool:
    return '"rows"' in w.api("get", "/usage?by=member")


@probe(Ability.USAGE_READ, "admin")
def looks_at_the_usage_of_all(w: World) -> bool:
    return "Acme" in w.get("admin:interpreters_sessionusage_tenant", w.tenant.pk)


@probe(Ability.WEBHOOKS_MANAGE, "api")
def asks_for_webhooks(w: World) -> bool:
    w.api("post", "/webhooks", {"url": "https://hooks.example.org/", "events": ["session.ended"]})
    return WebhookEndpoint.objects.filter(tenant=w.tenant).exists()


@probe(Ability.WEBHOOKS_MANAGE, "admin")
def asks_for_webhooks_in_the_admin(w: World) -> bool:
    form = {"tenant": w.tenant.pk, "url": "https://hooks.example.org/", "events": ["session.ended"], "enabled": "on"}
    w.post("admin:interpreters_webhookendpoint_add", **form)
    return WebhookEndpoint.objects.filter(tenant=w.tenant).exists()


@probe(Ability.PROVIDERS_MANAGE, "admin")
def names_a_provider(w: World) -> bool:
    form = {"tenant": w.tenant.pk, "name": "Corp", "issuer": "https://id.example.org", "client_id": "x"}
    w.post(
        "admin:tenants_identityprovider_add", **form, new_secret="s", secret="s", default_role="member", enabled="on"
    )
    return IdentityProvider.objects.filter(tenant=w.tenant).exists()


@probe(Ability.DASHBOARD_SEE, "admin")
def sees_the_dashboard(w: World) -> bool:
    return "Wait for a session" in w.get("admin:interpreters_poolsample_changelist")


@probe(Ability.TENANT_CHANGE, "admin")
def renames_the_tenant(w: World) -> bool:
    w.post("admin:tenants_tenant_change", w.tenant.pk, **w.tenant_form(name="Apex"))
    return Tenant.objects.get(pk=w.tenant.pk).name == "Apex"


@probe(Ability.DATA_OWN, "page")
def asks_for_what_is_theirs(w: World) -> bool:
    w.post("data_ask", of="me")
    return Archive.objects.filter(tenant=w.tenant, user=w.me).exists()


@probe(Ability.TENANT_ERASE, "admin")
def erases_the_tenant(w: World) -> bool:
    w.post("admin:tenants_tenant_erase", w.tenant.pk, name=w.tenant.slug)
    return Erasure.objects.filter(tenant_key=w.tenant.pk, user_key=None).exists()


# --- The operator's ---


@probe(Ability.TENANT_ALLOW, "admin")
def sets_a_quota(w: World) -> bool:
    w.post("admin:tenants_tenant_change", w.tenant.pk, **w.tenant_form(max_sessions=3))
    return Tenant.objects.get(pk=w.tenant.pk).max_sessions == 3


@probe(Ability.TENANTS_MAKE, "admin")
def makes_a_tenant(w: World) -> bool:
    w.post("admin:tenants_tenant_add", **w.tenant_form(name="New", slug="new"))
    return Tenant.objects.filter(slug="new").exists()


@probe(Ability.SHARED_MANAGE, "admin")
def makes_a_shared_pool(w: World) -> bool:
    w.post("admin:interpreters_sessionpool_add", **w.pool_form())
    return SessionPool.objects.filter(tenant=None, name="new").exists()


@probe(Ability.SHARED_MANAGE, "admin")
def drains_a_shared_pool(w: World) -> bool:
    w.act("interpreters_sessionpool", "drain", w.pool)
    return not SessionPool.objects.get(pk=w.pool.pk).enabled


@probe(Ability.MACHINE_SEE, "admin")
def reads_reports_on_the_isolation(w: World) -> bool:
    return "Isolation reports" in w.get("admin:interpreters_isolationreport_changelist")
