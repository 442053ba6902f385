"""Account → tokens: a person's own tokens, without the admin and without scripts."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants.authentication import actor_from_token
from tenants.models import ApiToken, AuditEvent, Membership, Role, ServiceAccount

pytestmark = pytest.mark.django_db
PAGE = "/account/tokens"


@pytest.fixture
def bobs(bob: Any) -> Client:
    client = Client()
    client.force_login(bob)
    return client


def made(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    assert "no-store" in answer["Cache-Control"]
    found = re.findall(r"thm_\w{49}", answer.content.decode())
    assert len(set(found)) == 1
    return str(found[0])


def test_a_member_makes_a_token_that_is_shown_once(bobs: Client, pool: Any) -> None:
    form = {"name": "my laptop", "scopes": ["pools:read"], "pools": ["python"], "networks": "192.0.2.0/24\n\n2001:db8::/32", "days": "30"}  # fmt: skip # noqa: E501
    secret = made(bobs.post(f"{PAGE}/new", form))
    actor = actor_from_token(secret, "192.0.2.1")
    assert (actor.user.username, actor.scopes, actor.only_pools) == ("bob", {"pools:read"}, ["python"])
    token = ApiToken.objects.get()
    assert token.networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert token.expires_at
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    page = bobs.get(PAGE).content.decode()
    assert "my laptop" in page
    assert secret not in page
    assert secret not in str(bobs.session.items())
    [event] = AuditEvent.objects.filter(action="token.created")
    assert (event.who, event.address) == ("bob", "127.0.0.1")


def test_it_is_rotated_and_revoked(bobs: Client, bob: Any, acme: Any) -> None:
    former, old = ApiToken.issue(tenant=acme, user=bob, name="ci")
    successor = made(bobs.post(f"{PAGE}/{former.pk}/rotate"))
    assert actor_from_token(old, "").token == former, "for one more day"
    assert bobs.post(f"{PAGE}/{former.pk}/rotate").status_code == 409
    new = ApiToken.objects.get(successor_of=former)
    answer = bobs.post(f"{PAGE}/{new.pk}/revoke", follow=True)
    assert "is revoked" in answer.content.decode()
    new.refresh_from_db()
    assert not new.usable
    assert successor.startswith(new.prefix)


def test_revoking_the_former_ends_its_successor_and_says_so(bobs: Client, bob: Any, acme: Any) -> None:
    former, _ = ApiToken.issue(tenant=acme, user=bob, name="ci")
    bobs.post(f"{PAGE}/{former.pk}/rotate")
    answer = bobs.post(f"{PAGE}/{former.pk}/revoke", follow=True)
    assert "“ci” and its successor are revoked" in answer.content.decode()
    assert not ApiToken.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.ADMIN])
def test_what_may_be_chosen_is_what_the_role_has(bobs: Client, role: Role) -> None:
    Membership.objects.filter(user__username="bob").update(role=role)
    page = bobs.get(PAGE).content.decode()
    assert ('value="sessions:use"' in page) == (role != Role.VIEWER)
    assert ('value="admin"' in page) == (role == Role.ADMIN)
    refused = bobs.post(f"{PAGE}/new", {"name": "x", "scopes": ["admin"], "days": "30"})
    assert refused.status_code == (200 if role == Role.ADMIN else 400)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "Name it"),
        ({"scopes": []}, "Choose at least one scope"),
        ({"scopes": ["root"]}, "There is no scope"),
        ({"days": "36500"}, "Choose for how long"),
        ({"networks": "here"}, "write a network as"),
        ({"pools": ["<b>"]}, "names of pools"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_typed(bobs: Client, change: dict[str, Any], words: str) -> None:
    form = {"name": "laptop", "scopes": ["pools:read"], "networks": "", "days": "30", **change}
    answer = bobs.post(f"{PAGE}/new", form)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert words in page
    assert 'role="alert"' in page
    if "name" not in change:
        assert 'value="laptop"' in page
    assert not ApiToken.objects.exists()


def test_nobody_sees_or_touches_the_tokens_of_others(
    bobs: Client, alice: Any, charlie: Any, acme: Any, other: Any
) -> None:
    account = ServiceAccount.objects.create(tenant=acme, name="robot")
    others = [
        ApiToken.issue(tenant=tenant, user=user, name="secretly")[0]
        for tenant, user in ((acme, alice), (other, charlie), (acme, account.user))
    ]
    assert "secretly" not in bobs.get(PAGE).content.decode()
    Membership.objects.filter(user__username="bob").update(role=Role.ADMIN)  # who has the admin for those
    assert "secretly" not in bobs.get(PAGE).content.decode()
    for token in others:
        for verb in ("rotate", "revoke"):
            assert bobs.post(f"{PAGE}/{token.pk}/{verb}").status_code == 404
    assert ApiToken.objects.filter(revoked_at=None, successor_of=None).count() == 3


def test_only_who_is_signed_in_and_by_forms_of_ours(bob: Any, acme: Any, django_user_model: Any) -> None:
    token, _ = ApiToken.issue(tenant=acme, user=bob, name="ci")
    stranger = Client()
    assert stranger.get(PAGE).status_code == 302
    for path in (f"{PAGE}/new", f"{PAGE}/{token.pk}/rotate", f"{PAGE}/{token.pk}/revoke"):
        assert stranger.post(path).status_code == 302
        assert stranger.get(path).status_code == 405
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(bob)
        assert careful.post(path).status_code == 403
    lonely = Client()
    lonely.force_login(django_user_model.objects.create_user("eve"))
    assert lonely.get(PAGE).status_code == 403
    assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_the_menu_leads_there(bobs: Client) -> None:
    assert f'href="{PAGE}"' in bobs.get("/notebooks/").content.decode()
