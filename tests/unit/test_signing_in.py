"""Passwords: who gets in, who is kept out and for how long, and which pages there are."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tenants.models import AuditEvent

pytestmark = pytest.mark.django_db
Action = AuditEvent.Action
NO_MATCH = "That name and password do not match."
TOO_MANY = "Too many attempts failed."
ELSEWHERE = "198.51.100.7"


def attempt(client: Client, name: str = "alice", password: str = "wrong", address: str = ELSEWHERE, **more: Any) -> Any:
    form = {"username": name, "password": password, **more}
    return client.post("/login", form, REMOTE_ADDR=address)


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_who_knows_the_password_gets_in_and_on_to_where_they_wanted(alice: Any) -> None:
    client = Client()
    answer = attempt(client, password="secret", next="/notebooks/trash")
    assert (answer.status_code, answer["Location"]) == (302, "/notebooks/trash")
    assert signed_in(client)
    event = AuditEvent.objects.get(action=Action.SIGNED_IN)
    assert (event.user_id, event.address, event.new) == (alice.pk, ELSEWHERE, {"by": ["password"]})


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(alice: Any, place: str) -> None:
    assert attempt(Client(), password="secret", next=place)["Location"] == "/notebooks/"


def test_the_answer_is_the_same_whether_an_account_is_there_or_not(alice: Any) -> None:
    pages = [attempt(Client(), name).content.decode() for name in ("alice", "nobody", "Alice")]
    plain = {re.sub(r'(value|content)="[^"]*"', "", page) for page in pages}
    assert len(plain) == 1
    assert NO_MATCH in pages[0]


@pytest.mark.parametrize("name", ["alice", "nobody", "robot"])
def test_it_takes_one_hash_whether_an_account_is_there_or_not(
    alice: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    get_user_model().objects.create_user("robot")  # without a password
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    attempt(Client(), name)
    assert len(hashed) == 1


def test_a_name_is_exact(alice: Any, member: Any, acme: Any) -> None:
    member(acme, "Alice")
    client = Client()
    attempt(client, "ALICE", "secret")
    assert not signed_in(client)
    attempt(client, "Alice", "secret")
    assert signed_in(client)


def test_a_disabled_account_is_told_so_only_with_its_password(alice: Any) -> None:
    alice.is_active = False
    alice.save()
    assert NO_MATCH in attempt(Client()).content.decode()
    client = Client()
    assert attempt(client, password="secret")["Location"] == reverse("account_inactive")
    assert not signed_in(client)
    assert "disabled" in client.get(reverse("account_inactive")).content.decode()


# --- Lock-out ---


def test_after_five_failures_an_account_is_closed_to_unknown_browsers(alice: Any) -> None:
    for number in range(5):
        assert NO_MATCH in attempt(Client(), address=f"198.51.100.{number}").content.decode()
    client = Client()
    answer = attempt(client, password="secret", address="203.0.113.1").content.decode()
    assert TOO_MANY in answer
    assert not signed_in(client)
    assert AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED, why="too many attempts").exists()


def test_an_account_that_is_not_there_is_closed_alike() -> None:
    for _ in range(5):
        attempt(Client(), "nobody")
    assert TOO_MANY in attempt(Client(), "nobody").content.decode()


def test_a_browser_that_the_account_knows_is_not_locked_out_by_others(alice: Any) -> None:
    browser = Client()
    attempt(browser, password="secret")
    browser.post("/logout")
    assert not signed_in(browser)
    for number in range(6):
        attempt(Client(), address=f"198.51.100.{number}")
    attempt(browser, password="secret")
    assert signed_in(browser)


def test_a_known_browser_has_a_count_too_and_no_forged_one_helps(alice: Any, bob: Any) -> None:
    browser = Client()
    attempt(browser, password="secret")
    browser.post("/logout")
    for number in range(5):
        attempt(browser, address=f"198.51.100.{number}")
    assert TOO_MANY in attempt(browser, password="secret", address="203.0.113.1").content.decode()
    # What alice's browser remembers is alice's: bob is a stranger there. What nobody signed is nothing.
    for number in range(5):
        attempt(browser, "bob", address=f"198.51.100.{number}")
    assert TOO_MANY in attempt(Client(), "bob", "secret", "203.0.113.2").content.decode()
    forger = Client()
    forger.cookies["known"] = "eyJib2IiOiJ4In0:1aaaaa:forged"
    assert TOO_MANY in attempt(forger, "bob", "secret", "203.0.113.3").content.decode()


def test_an_address_that_fails_for_many_accounts_is_closed(alice: Any) -> None:
    for number in range(20):
        attempt(Client(), f"guess{number}")
    assert TOO_MANY in attempt(Client(), password="secret").content.decode()
    client = Client()
    attempt(client, password="secret", address="203.0.113.1")
    assert signed_in(client)


def test_an_address_counts_by_its_network_and_as_proxies_tell_it(alice: Any, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["192.0.2.0/24"]
    for number in range(20):
        form = {"username": f"guess{number}", "password": "x"}
        where = f"2001:db8:1:2::{number}"
        Client().post("/login", form, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, {where}")
    form = {"username": "alice", "password": "secret"}
    for where, closed in (("2001:db8:1:2::99", True), ("2001:db8:9:9::1", False)):
        answer = Client().post("/login", form, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=where)
        assert (answer.status_code == 200) is closed


def test_who_gets_in_uses_up_nothing(alice: Any) -> None:
    for _ in range(8):  # more than an account has
        client = Client()
        attempt(client, password="secret")
        assert signed_in(client)


def test_attempts_are_counted_in_the_database_under_hashed_names(alice: Any, settings: Any) -> None:
    from django.db import connection

    from project.settings import CACHES

    settings.CACHES = CACHES
    cache.clear()
    try:
        for _ in range(6):
            last = attempt(Client())
        assert TOO_MANY in last.content.decode()
        with connection.cursor() as cursor:
            cursor.execute("SELECT cache_key FROM thermae_cache")
            keys = [row[0] for row in cursor.fetchall()]
        assert keys
        assert {len(key) for key in keys} == {64}
    finally:
        cache.clear()


# --- Any bytes ---


class Fuzz(TestCase):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(name=st.text(max_size=400), password=st.text(max_size=5000), following=st.text(max_size=200))
    def test_the_form_takes_any_text(self, name: str, password: str, following: str) -> None:
        cache.clear()
        form = {"username": name, "password": password, "next": following}
        body = {key: value.encode(errors="surrogatepass") for key, value in form.items()}
        answer = Client().post("/login", body)
        assert answer.status_code in (200, 400)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        body=st.binary(max_size=3000),
        kind=st.sampled_from(
            [
                "application/x-www-form-urlencoded", "application/json", "text/plain", "multipart/form-data",
                "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16", "",
            ]
        ),
        query=st.text(max_size=80),
    )  # fmt: skip
    def test_the_form_takes_any_bytes(self, body: bytes, kind: str, query: str) -> None:
        cache.clear()
        for path in ("/login", "/login/passkey", "/login/second-factor"):
            answer = Client().generic(
                "POST", path, body, content_type=kind, query_params={"tenant": query, "next": query}
            )
            assert answer.status_code < 500


def test_a_page_for_a_tenant_takes_any_name(acme: Any) -> None:
    for slug in ("acme", "nobody", "a\0", "x" * 5000, "ü/../", "' OR 1=1"):
        answer = Client().get("/login", {"tenant": slug})
        assert answer.status_code == 200
        assert "has a sign-in of its own" in answer.content.decode()


# --- Passwords ---


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("Sh0rt!x", "at least 10"),
        ("1029384756473829", "numeric"),
        ("password123", "common"),
        ("alice@example", "similar"),
    ],
)
def test_weak_passwords_are_refused_and_the_page_says_the_rules(alice: Any, password: str, word: str) -> None:
    client = Client()
    attempt(client, password="secret")
    page = client.get(reverse("account_change_password")).content.decode()
    assert "at least 10 characters" in page
    form = {"oldpassword": "secret", "password1": password, "password2": password}
    answer = client.post(reverse("account_change_password"), form)
    assert word in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password("secret")


def test_a_new_password_signs_out_elsewhere(alice: Any) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        attempt(client, password="secret")
    good = "correct horse battery"
    form = {"oldpassword": "secret", "password1": good, "password2": good}
    assert here.post(reverse("account_change_password"), form).status_code == 302
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert AuditEvent.objects.filter(action=Action.PASSWORD_CHANGED, user=alice).count() == 1


def test_an_operators_link_sets_a_password_once(alice: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("password_link", "alice")
    link = capsys.readouterr().out.split()[-1]
    client = Client()
    page = client.get(link)
    assert page.status_code == 302
    form = {"password1": "correct horse battery", "password2": "correct horse battery"}
    assert client.get(page["Location"]).status_code == 200
    assert client.post(page["Location"], form).status_code == 302
    assert "over" in Client().get(link).content.decode()
    alice.refresh_from_db()
    assert alice.check_password("correct horse battery")
    assert not signed_in(client)
    assert [event.action for event in AuditEvent.objects.filter(name="alice").order_by("pk")][-2:] == [
        Action.PASSWORD_LINK_MADE, Action.PASSWORD_CHANGED,
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["1-x", "zzzzzzzzzzzz-x", "1-set-password", "0-0"])
def test_a_link_that_nobody_made_sets_none(key: str) -> None:
    answer = Client().get(f"/login/password/{key}")
    assert "This link is over" in answer.content.decode()


# --- Which pages there are ---


@pytest.mark.parametrize(
    "name",
    [
        "account_signup", "account_email", "account_confirm_email", "account_reset_password",
        "account_confirm_login_code", "account_request_reauthentication_code", "socialaccount_signup",
        "account_verify_phone", "mfa_trust",
    ],
)  # fmt: skip
def test_there_is_no_sign_up_and_nothing_by_e_mail(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def views(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
        else:
            yield pattern


def test_of_allauths_pages_there_are_those_that_we_list() -> None:
    from frontend.account_urls import urlpatterns

    ours = {pattern.name for pattern in urlpatterns}
    theirs = {
        pattern.name
        for pattern in views(get_resolver().url_patterns)
        if "allauth" in getattr(pattern.callback, "__module__", "")
    }
    assert theirs <= ours
    for path in (
        "/accounts/signup/",
        "/accounts/login/",
        "/signup/",
        "/2fa/",
        "/3rdparty/",
        "/sessions/",
        "/oidc/x/login/",
    ):
        assert Client().get(path).status_code == 404


def test_one_s_own_pages_want_a_sign_in() -> None:
    from frontend.account_urls import own

    for pattern in own:
        path = reverse(pattern.name, kwargs={"pk": 1} if "int:pk" in str(pattern.pattern) else None)
        for answer in (Client().get(path), Client().post(path)):
            assert answer.status_code in (302, 405), path
            if answer.status_code == 302:
                assert answer["Location"].startswith("/login"), path


def test_the_admin_has_no_sign_in_of_its_own(alice: Any, bob: Any, admin_client: Client) -> None:
    assert Client().get("/admin/login/")["Location"] == "/login?next=/admin/"
    assert Client().post("/admin/login/", {"username": "alice", "password": "secret"})["Location"].startswith("/login")
    assert Client().get("/admin/tenants/tenant/")["Location"].startswith("/admin/login/")
    assert admin_client.get("/admin/login/", {"next": "https://evil.example"})["Location"] == "/admin/"
    member = Client()
    member.force_login(bob)
    assert member.get("/admin/login/").status_code == 403
    assert admin_client.get("/admin/password_change/")["Location"] == reverse("account_change_password")
    assert get_user_model().objects.get(username="admin").check_password("password")


def test_signing_out_takes_a_form(alice: Any) -> None:
    client = Client()
    attempt(client, password="secret")
    assert client.get("/logout").status_code == 200
    assert signed_in(client)
    client.post("/logout")
    assert not signed_in(client)
    assert AuditEvent.objects.filter(action=Action.SIGNED_OUT, user=alice).exists()
