"""Members come, change and go by rules: the last owner stays, nobody gives more than they have, nothing is left."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from frontend.models import Collaborator, Notebook
from interpreters.lifecycle import State
from interpreters.models import Session, Workspace
from tenants.departures import departed
from tenants.models import (
    ApiToken,
    AuditEvent,
    Invitation,
    LastOwner,
    Membership,
    PeopleRefusal,
    Role,
    Tenant,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


def place(user: Any, tenant: Tenant | None = None) -> Membership:
    rows = Membership.objects.filter(user=user)
    return (rows.filter(tenant=tenant) if tenant else rows).select_related("tenant", "user").get()


def told(*actions: str) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(action__in=actions).order_by("pk")
    return [(event.action, event.who) for event in rows]


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def said(answer: Any) -> str:
    return str(answer.content.decode())


# --- The last owner ---


def test_the_last_owner_neither_leaves_nor_is_removed_nor_demoted(
    acme: Tenant, alice: Any, bob: Any, django_user_model: Any
) -> None:
    operator = django_user_model.objects.create_superuser("root")
    for by in (alice, operator):
        with pytest.raises(LastOwner, match="make somebody else an owner first"):
            place(alice).remove(by=by)
        with pytest.raises(LastOwner):
            place(alice).change_role(Role.ADMIN, by=by)
    assert place(alice).role == Role.OWNER
    place(bob).change_role(Role.OWNER, by=alice)
    place(alice).leave()
    assert [one.user for one in acme.memberships.all()] == [bob]


def test_an_owner_who_is_switched_off_does_not_count(acme: Tenant, alice: Any, member: Callable[..., Any]) -> None:
    second = member(acme, "olga", "owner")
    type(second).objects.filter(pk=second.pk).update(is_active=False)
    with pytest.raises(LastOwner):
        place(alice).leave()


def at_once(do: list[Callable[[], object]]) -> list[str]:
    def one(work: Callable[[], object]) -> str:
        try:
            work()
        except PeopleRefusal as refusal:
            return type(refusal).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(do)) as threads:
        return list(threads.map(one, do))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ways", ["both leave", "one leaves, one is demoted", "each removes the other"])
def test_of_two_owners_who_go_at_once_one_stays(
    acme: Tenant, alice: Any, member: Callable[..., Any], ways: str
) -> None:
    olga = member(acme, "olga", "owner")
    a, o = place(alice), place(olga)
    if ways == "both leave":
        results = at_once([a.leave, o.leave])
    elif ways == "one leaves, one is demoted":
        results = at_once([a.leave, lambda: o.change_role(Role.MEMBER, by=olga)])
    else:
        results = at_once([lambda: a.remove(by=olga), lambda: o.remove(by=alice)])
    assert sorted(results) in (["LastOwner", "done"], ["NotTheirs", "done"])
    assert acme.memberships.filter(role=Role.OWNER).count() == 1


# --- Who may change whom ---


@pytest.mark.parametrize(
    ("by", "whom", "role", "allowed"),
    [
        ("admin", "member", "admin", True),
        ("admin", "admin", "viewer", True),
        ("admin", "viewer", "owner", False),
        ("admin", "owner", "member", False),
        ("admin", "self", "owner", False),
        ("owner", "admin", "owner", True),
        ("owner", "owner", "member", True),
        ("member", "viewer", "member", False),
        ("member", "self", "admin", False),
        ("viewer", "self", "member", False),
        ("stranger", "member", "viewer", False),
        ("operator", "member", "owner", True),
    ],
)
def test_who_may_change_whom(
    acme: Tenant, alice: Any, charlie: Any, member: Callable[..., Any], django_user_model: Any,
    by: str, whom: str, role: str, allowed: bool,
) -> None:  # fmt: skip
    if by == "operator":
        me = django_user_model.objects.create_superuser("me")
    else:
        me = charlie if by == "stranger" else member(acme, "me", by)
    them = me if whom == "self" else member(acme, "them", whom)
    before = place(them).role
    if allowed:
        place(them).change_role(role, by=me)
        assert place(them).role == role
        place(them).remove(by=me)
        assert not Membership.objects.filter(user=them).exists()
    else:
        with pytest.raises(PeopleRefusal):
            place(them).change_role(role, by=me)
        if whom in ("owner", "viewer") and by != "admin":
            with pytest.raises(PeopleRefusal):
                place(them).remove(by=me)
        assert place(them).role == before


def test_no_role_is_made_up(alice: Any, bob: Any) -> None:
    for role in ("", "operator", "root"):
        with pytest.raises(PeopleRefusal):
            place(bob).change_role(role, by=alice)


# --- What is left behind ---


def test_whoever_goes_leaves_nothing_behind(
    acme: Tenant, other: Tenant, alice: Any, bob: Any, pool: Any, leased: Any
) -> None:
    Membership.objects.create(tenant=other, user=bob)
    session_of = {name: ApiToken.issue(tenant=t, user=bob, name=name)[0] for name, t in (("a", acme), ("b", other))}
    hers = ApiToken.issue(tenant=acme, user=alice, name="hers")[0]
    Membership.objects.filter(user=bob, tenant=acme).update(role=Role.ADMIN)
    invitation, _ = Invitation.issue(acme, Role.MEMBER, by=bob)
    elsewhere = pool.sessions.create(tenant=other, user=bob, identifier="x", state=State.LEASED)
    running = pool.sessions.create(tenant=acme, user=bob, identifier="x", state=State.LEASED)
    not_his = pool.sessions.create(tenant=acme, user=alice, identifier="y", state=State.LEASED)
    heard: list[dict[str, Any]] = []

    def hear(sender: Any, **about: Any) -> None:
        heard.append(about)

    departed.connect(hear)
    try:
        place(bob, acme).remove(by=alice)
    finally:
        departed.disconnect(hear)
    assert [(one["tenant"], one["user"], one["heir"], one["by"]) for one in heard] == [(acme, bob, alice, alice)]
    for token in (*session_of.values(), hers):
        token.refresh_from_db()
    assert [session_of["a"].usable, session_of["b"].usable, hers.usable] == [False, True, True]
    invitation.refresh_from_db()
    assert invitation.state == "revoked"
    states = [Session.objects.get(pk=each.pk).state for each in (elsewhere, running, not_his)]
    assert states == ["leased", "stopping", "leased"]
    assert told("member.removed", "member.left") == [("member.removed", "")]
    assert signed_in(bob).get(reverse("organisation")).wsgi_request.tenant == other  # type: ignore[attr-defined]


def notebook_of(user: Any, tenant: Tenant, title: str, **fields: Any) -> Notebook:
    return Notebook.objects.create(tenant=tenant, owner=user, title=title, pool="python", document={}, **fields)


def test_notebooks_go_to_the_heir_with_trash_sessions_outputs_and_files(
    acme: Tenant, other: Tenant, alice: Any, bob: Any, member: Callable[..., Any], pool: Any
) -> None:
    dora = member(acme, "dora")
    Membership.objects.create(tenant=other, user=bob)
    study = notebook_of(bob, acme, "Study")
    trashed = notebook_of(bob, acme, "Old")
    trashed.delete_softly()
    elsewhere = notebook_of(bob, other, "Elsewhere")
    hers = notebook_of(dora, acme, "Hers")
    study.collaborators.create(user=dora, role="viewer")
    hers.collaborators.create(user=bob, role="editor")
    old_name = study.identifier
    ended = pool.sessions.create(tenant=acme, user=bob, identifier=old_name, state=State.GONE)
    run = ended.executions.create(tenant=acme, user=bob, code="1", cell="c")
    begun = pool.sessions.create(tenant=acme, user=dora, identifier=old_name, state=State.LEASED)
    kept = Workspace.objects.create(tenant=acme, identifier=old_name, content="a" * 32)
    Workspace.objects.create(tenant=acme, identifier=f"notebook-{study.pk}-{dora.pk}", content="b" * 32)
    place(bob, acme).remove(by=alice, heir=dora)
    for notebook, owner in ((study, dora), (trashed, dora), (elsewhere, bob), (hers, dora)):
        notebook.refresh_from_db()
        assert notebook.owner == owner
    assert not Collaborator.objects.filter(user__in=[bob, dora]).exists()
    for row in (ended, begun, kept):
        row.refresh_from_db()
        assert row.identifier == study.identifier
    assert begun.state == "stopping"
    assert run.session == ended
    assert kept.content == "a" * 32
    [event] = AuditEvent.objects.filter(action="notebooks.transferred")
    assert {**event.new, "notebooks": sorted(event.new["notebooks"])} == {
        "from": "bob", "to": "dora", "notebooks": ["Old", "Study"],
    }  # fmt: skip


def test_what_cannot_be_handed_over_undoes_the_removal(
    acme: Tenant, alice: Any, bob: Any, member: Callable[..., Any]
) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=bob, name="t")

    def fail(sender: Any, **_: Any) -> None:
        raise RuntimeError("no")

    departed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            place(bob).remove(by=alice)
    finally:
        departed.disconnect(fail)
    token.refresh_from_db()
    assert token.usable
    assert place(bob).role == Role.MEMBER
    assert told("member.removed") == []


def test_an_heir_may_edit_and_is_a_member(
    acme: Tenant, alice: Any, bob: Any, charlie: Any, member: Callable[..., Any]
) -> None:
    for heir in (charlie, bob, member(acme, "vera", "viewer")):
        with pytest.raises(PeopleRefusal, match="choose a member who may edit"):
            place(bob).remove(by=alice, heir=heir)
    assert place(bob).role == Role.MEMBER


def test_without_a_choice_who_removes_gets_them_else_the_first_owner(
    acme: Tenant, alice: Any, bob: Any, member: Callable[..., Any], django_user_model: Any
) -> None:
    admin = member(acme, "anna", "admin")
    book = notebook_of(bob, acme, "Study")
    place(bob).remove(by=admin)
    book.refresh_from_db()
    assert book.owner == admin
    place(admin).remove(by=django_user_model.objects.create_superuser("root"))
    book.refresh_from_db()
    assert book.owner == alice


def test_who_is_removed_twice_is_told_so(alice: Any, bob: Any) -> None:
    same = place(bob)
    place(bob).remove(by=alice)
    with pytest.raises(PeopleRefusal, match="no member any more"):
        same.remove(by=alice)


# --- The page ---


def test_everybody_sees_the_people_and_whom_to_ask(
    acme: Tenant, alice: Any, bob: Any, charlie: Any, member: Callable[..., Any]
) -> None:
    vera = member(acme, "vera", "viewer")
    for user in (bob, vera):
        page = said(signed_in(user).get(reverse("organisation")))
        assert "ask <strong>alice</strong>" in page
        assert all(name in page for name in ("alice", "bob", "vera"))
        assert "charlie" not in page
        assert "Invite somebody" not in page
        assert "Remove" not in page
    assert "Invite somebody" in said(signed_in(alice).get(reverse("organisation")))
    assert Client().get(reverse("organisation")).status_code == 302


def test_the_page_changes_roles_and_removes(acme: Tenant, alice: Any, bob: Any, member: Callable[..., Any]) -> None:
    dora = member(acme, "dora")
    study = notebook_of(bob, acme, "Study")
    client = signed_in(alice)
    answer = client.post(reverse("change_role", args=[place(bob).pk]), {"role": "admin"}, follow=True)
    assert "bob is admin now" in said(answer)
    remove = reverse("remove_member", args=[place(bob).pk])
    page = said(client.get(remove))
    assert "1 notebook, with files, goes to" in page
    assert "dora (member)" in page
    assert "bob (" not in page
    answer = client.post(remove, {"heir": dora.pk}, follow=True)
    assert "bob is no longer a member" in said(answer)
    study.refresh_from_db()
    assert study.owner == dora
    assert told("member.removed", "notebooks.transferred") == [
        ("member.removed", "alice"), ("notebooks.transferred", "alice"),
    ]  # fmt: skip


@pytest.mark.parametrize("heir", ["charlie", "nonsense", "9" * 18, "9" * 40, "²"])
def test_an_heir_is_of_the_same_organisation_or_nothing_is_said_of_them(
    acme: Tenant, alice: Any, bob: Any, charlie: Any, heir: str
) -> None:
    wanted = charlie.pk if heir == "charlie" else heir
    answer = signed_in(alice).post(reverse("remove_member", args=[place(bob).pk]), {"heir": wanted}, follow=True)
    assert "Choose somebody from the list" in said(answer)
    assert "charlie" not in said(answer)
    assert place(bob)


def test_leaving_by_the_page(acme: Tenant, other: Tenant, alice: Any, bob: Any) -> None:
    Membership.objects.create(tenant=other, user=bob)
    study = notebook_of(bob, acme, "Study")
    client = signed_in(bob)
    assert "Leave Acme?" in said(client.get(reverse("leave_organisation")))
    answer = client.post(reverse("leave_organisation"), follow=True)
    assert "You have left Acme" in said(answer)
    study.refresh_from_db()
    assert study.owner == alice
    assert told("member.left") == [("member.left", "bob")]
    # Whoever has no organisation any more is told whom to ask.
    client.post(reverse("leave_organisation"))
    assert client.get(reverse("notebooks")).status_code == 403


def test_the_last_owner_is_told_why_they_cannot_leave(alice: Any) -> None:
    for method in ("get", "post"):
        answer = getattr(signed_in(alice), method)(reverse("leave_organisation"), follow=True)
        assert "needs an owner, and this is its last" in said(answer)
    assert place(alice)


def test_a_person_switches_between_organisations(acme: Tenant, other: Tenant, bob: Any, alice: Any) -> None:
    Membership.objects.create(tenant=other, user=bob, role=Role.ADMIN)
    client = signed_in(bob)
    assert '<button class="button" name="tenant" value="other">' in said(client.get(reverse("organisation")))
    client.post(reverse("switch_tenant"), {"tenant": "other"})
    assert "Invite somebody" in said(client.get(reverse("organisation")))


@pytest.mark.parametrize("name", ["change_role", "remove_member", "revoke_invitation"])
def test_a_stranger_finds_none_of_their_people(acme: Tenant, alice: Any, bob: Any, charlie: Any, name: str) -> None:
    invitation, _ = Invitation.issue(acme, Role.MEMBER, by=alice, note="for Ida")
    key = invitation.pk if name == "revoke_invitation" else place(bob).pk
    form = {"role": "viewer", "heir": str(charlie.pk)}
    stranger, owner = signed_in(charlie), signed_in(alice)
    answer = stranger.post(reverse(name, args=[key]), form)
    assert answer.status_code == 404
    assert stranger.post(reverse(name, args=[10**30]), form).status_code == 404
    assert "bob" not in said(answer)
    assert "Ida" not in said(stranger.get(reverse("organisation")))
    assert place(bob).role == Role.MEMBER
    assert invitation in acme.invitations.open()
    form["heir"] = ""
    assert owner.post(reverse(name, args=[key]), form).status_code == 302, "so that a 404 means what it says"


# --- The admin ---


def test_the_admin_keeps_the_rules(
    acme: Tenant, alice: Any, bob: Any, charlie: Any, member: Callable[..., Any]
) -> None:
    admin = member(acme, "anna", "admin")
    client, key = signed_in(admin), place(bob).pk
    listed = said(client.get(reverse("admin:tenants_membership_changelist")))
    assert "bob" in listed
    assert "charlie" not in listed
    change = reverse("admin:tenants_membership_change", args=[key])
    assert '<option value="owner"' not in said(client.get(change))
    assert client.post(change, {"role": "owner"}).status_code == 200
    assert client.post(change, {"role": "viewer"}).status_code == 302
    assert place(bob).role == Role.VIEWER
    # An owner is not theirs to change or to remove, one by one or in a row.
    owner = reverse("admin:tenants_membership_change", args=[place(alice).pk])
    assert client.post(owner, {"role": "member"}).status_code == 403
    delete = reverse("admin:tenants_membership_delete", args=[place(alice).pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    rows = {"action": "delete_selected", "_selected_action": [key, place(alice).pk], "post": "yes"}
    answer = client.post(reverse("admin:tenants_membership_changelist"), rows)
    assert "does not let you change or remove its owners" in said(answer)
    assert acme.memberships.count() == 3
    assert client.post(reverse("admin:tenants_membership_delete", args=[key]), {"post": "yes"}).status_code == 302
    assert not acme.memberships.filter(user=bob).exists()
    assert told("member.changed", "member.removed") == [("member.changed", "anna"), ("member.removed", "anna")]
    assert client.get(reverse("admin:tenants_membership_add")).status_code == 403


def test_the_admin_does_not_remove_the_last_owner(acme: Tenant, alice: Any, admin_client: Client) -> None:
    key = place(alice).pk
    answer = admin_client.post(reverse("admin:tenants_membership_delete", args=[key]), {"post": "yes"})
    assert "make somebody else an owner first" in said(answer)
    answer = admin_client.post(reverse("admin:tenants_membership_change", args=[key]), {"role": "viewer"})
    assert "make somebody else an owner first" in said(answer)
    assert place(alice).role == Role.OWNER


def test_the_admin_erases_tenants_and_deletes_none(acme: Tenant, admin_client: Client) -> None:
    page = reverse("admin:tenants_tenant_delete", args=[acme.pk])
    assert admin_client.post(page, {"post": "yes"}).status_code == 403
    assert Tenant.objects.filter(pk=acme.pk).exists()


# --- The operator ---


def test_a_tenant_is_made_with_its_owner(charlie: Any) -> None:
    out = StringIO()
    call_command("create_tenant", "bath", name="The Bath", owner="charlie", stdout=out)
    assert out.getvalue() == "charlie owns The Bath.\n"
    assert place(charlie, Tenant.objects.get(slug="bath")).role == Role.OWNER


def test_a_tenant_is_made_for_somebody_without_an_account(settings: Any, db: None) -> None:
    out, err = StringIO(), StringIO()
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.org", "https://thermae.example.org"]
    call_command("create_tenant", "bath", owner="ida@example.org", days=2, stdout=out, stderr=err)
    link = out.getvalue().strip()
    assert link.startswith("https://thermae.example.org/invitations/")
    client = Client()
    client.get(link.removeprefix("https://thermae.example.org"))
    form = {"username": "ida", "password1": "a sound pass phrase", "password2": "a sound pass phrase"}
    assert client.post(reverse("invitation"), form).status_code == 302
    assert Membership.objects.get(tenant__slug="bath").role == Role.OWNER


@pytest.mark.parametrize(("slug", "days", "says"), [("Ba th", 7, "slug"), ("acme", 7, "exists"), ("b", 0, "1 to 90")])
def test_a_tenant_that_cannot_be_made_says_why(acme: Tenant, slug: str, days: int, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("create_tenant", slug, owner="ida", days=days)
    assert Tenant.objects.count() == 1
