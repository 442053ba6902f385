"""Where somebody is signed in: listed, and ended."""

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from tenants.signals import sign_in_ended

pytestmark = pytest.mark.django_db
LIST = "/account/sign-ins"


def browser(agent: str, name: str = "alice") -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post("/login", {"username": name, "password": "secret"}, REMOTE_ADDR="198.51.100.7")
    return client


def test_each_is_listed_with_browser_address_and_time(alice: Any, bob: Any) -> None:
    here, _, _ = browser("Firefox <b>"), browser("Chromium"), browser("Opera", "bob")
    page = here.get(LIST).content.decode()
    for words in ("Firefox &lt;b&gt;", "Chromium", "198.51.100.7", "this one"):
        assert words in page
    assert "Opera" not in page


def test_one_is_ended_from_its_next_request_on(alice: Any) -> None:
    here, there = browser("here"), browser("there")
    told: list[Any] = []
    hear = lambda sender, user, **_: told.append(user)  # noqa: E731
    sign_in_ended.connect(hear)
    ended = UserSession.objects.get(user_agent="there")
    assert here.post(f"{LIST}/{ended.pk}/end")["Location"] == LIST
    assert there.get("/api/v1/pools").status_code == 401
    assert there.get("/notebooks/").status_code == 302
    assert here.get("/notebooks/").status_code == 200
    assert told == [alice]


def test_all_others_are_ended_at_once(alice: Any, bob: Any) -> None:
    here, others, stranger = browser("here"), [browser("x"), browser("y")], browser("z", "bob")
    here.post(LIST)
    assert [client.get("/account/").status_code for client in (here, *others, stranger)] == [200, 302, 302, 200]


def test_a_stranger_ends_none(alice: Any, charlie: Any) -> None:
    here, stranger = browser("here"), browser("stranger", "charlie")
    theirs = UserSession.objects.get(user_agent="here")
    assert stranger.post(f"{LIST}/{theirs.pk}/end").status_code == 404
    assert stranger.post(f"{LIST}/999999/end").status_code == 404
    assert here.get("/account/").status_code == 200
    assert Client().post(f"{LIST}/{theirs.pk}/end").status_code == 302
    assert here.get(f"{LIST}/{theirs.pk}/end").status_code == 405


def test_ending_this_one_signs_out(alice: Any) -> None:
    here = browser("here")
    assert here.post(f"{LIST}/{UserSession.objects.get().pk}/end")["Location"] == reverse("account_login")
    assert here.get("/account/").status_code == 302


@pytest.mark.parametrize("page", ["mfa_remove_webauthn", "mfa_edit_webauthn"])
def test_a_passkey_of_somebody_else_is_not_found(alice: Any, charlie: Any, page: str) -> None:
    from allauth.mfa.models import Authenticator

    theirs = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "alice's", "credential": {}})
    stranger = browser("stranger", "charlie")
    stranger.post(reverse("account_reauthenticate"), {"password": "secret"})
    for method in (stranger.get, stranger.post):
        assert method(reverse(page, args=[theirs.pk]), {"name": "x"}).status_code == 404
    assert Authenticator.objects.get().data["name"] == "alice's"
