"""Invitations: a link for one person, which gives what its maker may give, tells others nothing, and leaks nowhere."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants.models import AuditEvent, CannotInvite, Invitation, Membership, Role, Tenant
from tenants.models.invitation import LONGEST, MOST_OPEN
from tests.unit.test_people import at_once, place, said, signed_in, told

pytestmark = pytest.mark.django_db
PASSWORD = "a sound pass phrase"
FORM = {"username": "ida", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture(autouse=True)
def nobody_has_guessed() -> None:
    cache.clear()


@pytest.fixture
def invited(acme: Tenant, alice: Any) -> tuple[Invitation, str]:
    return Invitation.issue(acme, Role.MEMBER, by=alice, note="for Ida")


def opened(secret: str, client: Client | None = None) -> Client:
    """A browser that has opened the link."""
    client = client or Client()
    answer = client.get(reverse("open_invitation", args=[secret]))
    assert answer.status_code == 302
    assert answer["Location"] == reverse("invitation")
    return client


def shown(client: Client) -> tuple[int, str]:
    answer = client.get(reverse("invitation"))
    return answer.status_code, said(answer)


# --- Made and revoked ---


@pytest.mark.parametrize(
    ("by", "may"),
    [
        ("owner", ["owner", "admin", "member", "viewer"]),
        ("admin", ["admin", "member", "viewer"]),
        ("member", []),
        ("viewer", []),
        ("stranger", []),
        ("operator", ["owner", "admin", "member", "viewer"]),
    ],
)
def test_nobody_invites_to_more_than_they_may_give(
    acme: Tenant, charlie: Any, member: Callable[..., Any], django_user_model: Any, by: str, may: list[str]
) -> None:
    if by == "operator":
        me = django_user_model.objects.create_superuser("me")
    else:
        me = charlie if by == "stranger" else member(acme, "me", by)
    given = []
    for role in (*Role.values, "root", ""):
        try:
            Invitation.issue(acme, role, by=me)
        except CannotInvite:
            continue
        given.append(role)
    assert given == may


def test_the_secret_is_stored_as_its_hash_and_shown_once(acme: Tenant, alice: Any) -> None:
    client = signed_in(alice)
    form = {"role": "viewer", "note": "  Ida \n Lovelace ", "days": "3"}
    answer = client.post(reverse("invite"), form)
    found = re.search(r"http://testserver/invitations/([\w-]{43})/", said(answer))
    assert found
    assert answer["Cache-Control"] == "no-store"
    secret = found[1]
    invitation = Invitation.by_secret(secret)
    assert invitation
    assert (invitation.role, invitation.note, invitation.invited_by) == ("viewer", "Ida Lovelace", alice)
    assert timedelta(days=2, hours=23) < invitation.expires_at - timezone.now() <= timedelta(days=3)
    assert secret not in str(list(Invitation.objects.values()))
    assert secret not in str(list(AuditEvent.objects.values()))
    again = client.get(reverse("organisation"))
    assert secret not in said(again)
    assert "Ida Lovelace" in said(again)
    assert secret not in str(dict(client.session))
    assert secret not in str(client.cookies)
    assert told("invitation.created") == [("invitation.created", "alice")]


@pytest.mark.parametrize("days", ["0", "91", "-1", "9999"])
def test_an_invitation_ends_within_a_set_time(acme: Tenant, alice: Any, days: str) -> None:
    for lifetime in (timedelta(0), timedelta(seconds=-1), LONGEST + timedelta(seconds=1)):
        with pytest.raises(CannotInvite, match="lasts for 1 to 90 days"):
            Invitation.issue(acme, Role.MEMBER, by=alice, lifetime=lifetime)
    answer = signed_in(alice).post(reverse("invite"), {"role": "member", "days": days}, follow=True)
    assert "lasts for 1 to 90 days" in said(answer) or days == "-1"
    assert Invitation.objects.count() == (days == "-1")


def test_there_are_not_too_many_open_ones(acme: Tenant, alice: Any) -> None:
    fields = {"tenant": acme, "invited_by": alice, "expires_at": timezone.now() + timedelta(days=1)}
    Invitation.objects.bulk_create(Invitation(hashed=f"{n:064}", **fields) for n in range(MOST_OPEN))
    with pytest.raises(CannotInvite, match="revoke those"):
        Invitation.issue(acme, Role.MEMBER, by=alice)
    answer = signed_in(alice).post(reverse("admin:tenants_invitation_add"), {
        "tenant": acme.pk, "role": "member", "note": "", "days": "7",
    }, follow=True)  # fmt: skip
    assert "revoke those" in said(answer)


def test_the_admin_makes_invitations_and_shows_the_link_once(
    acme: Tenant, other: Tenant, alice: Any, member: Callable[..., Any]
) -> None:
    client = signed_in(member(acme, "anna", "admin"))
    add = reverse("admin:tenants_invitation_add")
    assert 'value="owner"' not in said(client.get(add))
    form = {"tenant": acme.pk, "role": "admin", "note": "Ida", "days": "7"}
    assert client.post(add, {**form, "role": "owner"}).status_code == 200
    assert client.post(add, {**form, "tenant": other.pk}).status_code == 200
    assert not Invitation.objects.exists()
    answer = client.post(add, form)
    found = re.search(r"/invitations/([\w-]{43})/", said(answer))
    assert found
    assert "no-store" in answer["Cache-Control"]
    assert Invitation.by_secret(found[1]) == Invitation.objects.get()
    assert found[1] not in str(client.cookies)
    listed = reverse("admin:tenants_invitation_changelist")
    assert found[1] not in said(client.get(listed))
    rows = {"action": "revoke", "_selected_action": [Invitation.objects.get().pk]}
    assert "Revoked 1" in said(client.post(listed, rows, follow=True))
    assert Invitation.by_secret(found[1]) is None
    assert told("invitation.created", "invitation.revoked") == [
        ("invitation.created", "anna"), ("invitation.revoked", "anna"),
    ]  # fmt: skip


def test_another_tenants_invitations_are_not_in_the_admin(
    acme: Tenant, charlie: Any, invited: tuple[Invitation, str]
) -> None:
    client, key = signed_in(charlie), invited[0].pk
    listed = reverse("admin:tenants_invitation_changelist")
    assert "for Ida" not in said(client.get(listed))
    client.post(listed, {"action": "revoke", "_selected_action": [key]})
    for page in ("change", "delete", "history"):
        answer = client.get(reverse(f"admin:tenants_invitation_{page}", args=[key]))
        assert answer.status_code in (302, 403, 404)
    assert invited[0] in acme.invitations.open()


# --- Accepted ---


def test_who_has_an_account_joins(acme: Tenant, other: Tenant, charlie: Any, invited: tuple[Invitation, str]) -> None:
    client = opened(invited[1], signed_in(charlie))
    status, page = shown(client)
    assert status == 200
    assert "Join Acme" in page
    assert "alice invites you as <strong>member</strong>" in page
    assert "for Ida" not in page
    assert invited[1] not in page
    answer = client.post(reverse("invitation"), follow=True)
    assert "Welcome to Acme" in said(answer)
    assert answer.wsgi_request.tenant == acme  # type: ignore[attr-defined]
    assert place(charlie, acme).role == Role.MEMBER
    assert place(charlie, other).role == Role.OWNER
    assert told("invitation.accepted", "member.added")[-2:] == [
        ("invitation.accepted", "charlie"), ("member.added", "charlie"),
    ]  # fmt: skip
    assert shown(client)[0] == 404


def test_who_has_none_makes_one(acme: Tenant, invited: tuple[Invitation, str]) -> None:
    client = opened(invited[1])
    assert "Make an account" in shown(client)[1]
    answer = client.post(reverse("invitation"), FORM, follow=True)
    assert "Welcome to Acme" in said(answer)
    [member] = acme.memberships.filter(role=Role.MEMBER).select_related("user")
    assert member.user.username == "ida"
    assert member.user.check_password(PASSWORD)
    assert (member.user.is_staff, member.user.is_superuser) == (False, False)
    assert told("invitation.accepted") == [("invitation.accepted", "ida")]
    assert ("member.added", "ida") in told("member.added")
    assert client.get("/notebooks/").status_code == 200, "and is signed in"
    assert UserSession.objects.filter(user=member.user).exists(), "as the list of sign-ins tells"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password1": "1234567890", "password2": "1234567890"}, "entirely numeric"),
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password2": "another one"}, "match"),
        ({"username": "ALICE"}, "already exists"),
        ({"username": "<script>"}, "valid username"),
        ({"username": "a\0b"}, "Null characters"),
        ({"username": ""}, "required"),
    ],
)
def test_a_new_account_is_a_sound_one(
    acme: Tenant, alice: Any, invited: tuple[Invitation, str], change: dict[str, str], says: str
) -> None:
    client = opened(invited[1])
    answer = client.post(reverse("invitation"), {**FORM, **change})
    assert answer.status_code == 400
    assert says in said(answer)
    assert PASSWORD not in said(answer)
    assert acme.memberships.count() == 1
    assert invited[0] in acme.invitations.open()


def test_the_operator_may_switch_accounts_by_invitation_off(
    acme: Tenant, invited: tuple[Invitation, str], settings: Any, charlie: Any
) -> None:
    settings.INVITED_SIGN_UP = False
    client = opened(invited[1])
    page = shown(client)[1]
    assert "Make an account" not in page
    assert f"{reverse('login')}?next={reverse('invitation')}" in page
    client.post(reverse("invitation"), FORM)
    assert acme.memberships.count() == 1
    # Who signs in comes back to the invitation that the browser has opened.
    answer = client.post(f"{reverse('login')}?next=/invitations/", {"username": "charlie", "password": "secret"})
    assert answer["Location"] == reverse("invitation")
    client.post(reverse("invitation"))
    assert place(charlie, acme)


def test_a_member_uses_up_nothing(acme: Tenant, bob: Any, invited: tuple[Invitation, str]) -> None:
    client = opened(invited[1], signed_in(bob))
    assert "belong to Acme already" in shown(client)[1]
    client.post(reverse("invitation"))
    assert invited[0] in acme.invitations.open()
    assert place(bob).role == Role.MEMBER


def test_it_is_for_one_person(acme: Tenant, charlie: Any, invited: tuple[Invitation, str]) -> None:
    late = opened(invited[1])
    opened(invited[1], signed_in(charlie)).post(reverse("invitation"))
    assert late.post(reverse("invitation"), FORM).status_code == 404
    assert acme.memberships.count() == 2
    assert not Membership.objects.filter(user__username="ida").exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_accept_at_once_one_joins(
    acme: Tenant, other: Tenant, alice: Any, member: Callable[..., Any]
) -> None:
    invitation, secret = Invitation.issue(acme, Role.MEMBER, by=alice)
    people = [member(other, f"p{n}") for n in range(6)]
    joined: list[Any] = []

    def accept(user: Any) -> Callable[[], object]:
        def work() -> None:
            found = Invitation.by_secret(secret)
            if found and found.accept(user):
                joined.append(user)

        return work

    at_once([accept(user) for user in people])
    assert len(joined) == 1
    assert [one.user for one in acme.memberships.exclude(user=alice)] == joined
    invitation.refresh_from_db()
    assert invitation.accepted_by == joined[0]


# --- Not accepted ---


@pytest.mark.parametrize(
    "why", ["expired", "revoked", "used", "tampered", "made up", "demoted", "removed", "switched off", "erased"]
)
def test_what_cannot_be_accepted_is_one_page_whatever_the_reason(
    acme: Tenant, alice: Any, charlie: Any, member: Callable[..., Any], why: str
) -> None:
    anna = member(acme, "anna", "admin")
    invitation, secret = Invitation.issue(acme, Role.ADMIN, by=anna)
    early = opened(secret)  # had it on the screen when it ended
    match why:
        case "expired":
            Invitation.objects.update(expires_at=timezone.now())
        case "revoked":
            invitation.revoke()
        case "used":
            invitation.accept(charlie)
        case "tampered":
            early, secret = Client(), f"{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}"
        case "made up":
            early, secret = Client(), "y" * 200
        case "demoted":
            place(anna).change_role(Role.MEMBER, by=alice)
        case "removed":
            place(anna).remove(by=alice)
        case "switched off":
            type(anna).objects.filter(pk=anna.pk).update(is_active=False)
        case "erased":
            anna.delete()
    before = acme.memberships.count()
    for client in (early, opened(secret)):
        status, page = shown(client)
        assert status == 404
        assert "This invitation cannot be used" in page
        assert not any(word in page for word in ("Acme", "anna", "admin"))
        assert client.post(reverse("invitation"), FORM).status_code == 404
    assert acme.memberships.count() == before


def test_the_operators_own_needs_nobody_behind_it(acme: Tenant) -> None:
    _, secret = Invitation.issue(acme, Role.OWNER, by=None)
    client = opened(secret)
    assert "The operator of this installation invites you" in shown(client)[1]
    client.post(reverse("invitation"), FORM)
    assert acme.memberships.get().role == Role.OWNER


def test_guesses_are_bounded(invited: tuple[Invitation, str]) -> None:
    client = Client()
    answers = [client.get(f"/invitations/{'x' * 43}/").status_code for _ in range(21)]
    assert answers == [302] * 20 + [429]
    refused = client.get(reverse("open_invitation", args=[invited[1]]))
    assert refused.status_code == 429
    assert refused["Retry-After"] == "60"
    assert opened(invited[1], Client(REMOTE_ADDR="192.0.2.9"))


def test_names_are_not_listed_by_trying_them(alice: Any, invited: tuple[Invitation, str]) -> None:
    client = opened(invited[1])
    answers = [client.post(reverse("invitation"), {**FORM, "username": "alice"}).status_code for _ in range(21)]
    assert answers == [400] * 20 + [429]


# --- No leak ---


def test_the_secret_is_in_no_page_log_or_referer(
    invited: tuple[Invitation, str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = invited[1]
    client = Client()
    for written in (secret, f"{secret}.", secret[:-1]):
        answer = client.get(f"/invitations/{written}/")
        assert answer["Referrer-Policy"] == "strict-origin"
        assert answer["Cache-Control"] == "no-store"
        assert "noindex" in answer["X-Robots-Tag"]
        follow = client.get(answer["Location"])
        assert secret[:20] not in said(follow)
        assert follow["Referrer-Policy"] == "strict-origin"
    assert secret[:20] not in caplog.text
    assert secret not in str(dict(client.session))


def test_a_forged_form_joins_nobody(charlie: Any, acme: Tenant, invited: tuple[Invitation, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(charlie)
    opened(invited[1], client)
    assert client.post(reverse("invitation")).status_code == 403
    assert acme.memberships.count() == 1
