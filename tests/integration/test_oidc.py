"""Signing in by a certified provider of other people's (oidc-provider) on the loopback; and how we speak to one."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from frontend.identity import fetching
from frontend.identity.fetching import GuardedSession
from tenants.models import IdentityProvider, Membership, Tenant
from tests.third_party import oidc

pytestmark = [pytest.mark.django_db, pytest.mark.node, pytest.mark.timeout(300)]
ROW = "11111111-2222-4333-8444-555555555555"
BACK = f"http://testserver/login/with/{ROW}/callback"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[oidc.Provider]:
    with oidc.running(tmp_path_factory.mktemp("oidc"), BACK) as running:
        yield running


@pytest.fixture(autouse=True)
def opened(provider: oidc.Provider, settings: Any) -> None:
    settings.OIDC_CA_BUNDLE = str(provider.ca)
    settings.OIDC_PRIVATE_ALLOW = ["127.0.0.1/32"]


@pytest.fixture
def row(acme: Tenant, provider: oidc.Provider) -> IdentityProvider:
    return IdentityProvider.objects.create(
        pk=ROW, tenant=acme, name="Acme ID", issuer=provider.issuer, client_id=oidc.CLIENT, secret=oidc.SECRET,
        creates_members=True, allowed_domains=["acme.example"], claim="groups", claim_value="staff",
    )  # fmt: skip


def sign_in(client: Client, provider: oidc.Provider, name: str, process: str = "login") -> Any:
    page = client.post(f"{reverse('openid_connect_login', args=[ROW])}?process={process}")
    assert page.status_code == 200, page.content.decode()
    (address,) = re.findall(r'<a class="button primary wide" href="([^"]+)"', page.content.decode())
    return client.get(provider.sign_in(unescape(address), name, BACK).removeprefix("http://testserver"))


def test_a_first_and_a_second_sign_in(row: IdentityProvider, provider: oidc.Provider, acme: Tenant) -> None:
    first, second = Client(), Client()
    assert sign_in(first, provider, "eve")["Location"] == "/notebooks/"
    user = get_user_model().objects.get(username="acme.eve")
    assert (user.email, user.get_full_name()) == ("eve@acme.example", "eve of Acme")
    assert Membership.objects.get(user=user).tenant == acme
    assert first.get("/api/v1/pools").status_code == 200
    sign_in(second, provider, "eve")
    assert second.session["_auth_user_id"] == str(user.pk)
    assert get_user_model().objects.count() == 1


def test_an_address_that_is_not_verified_signs_nobody_in(row: IdentityProvider, provider: oidc.Provider) -> None:
    client = Client()
    assert sign_in(client, provider, "mallory").status_code == 403
    assert not get_user_model().objects.exists()


def test_connecting_an_account_and_its_limit(
    row: IdentityProvider, provider: oidc.Provider, alice: Any, other: Tenant
) -> None:
    Membership.objects.create(tenant=other, user=alice)
    mine, by_provider = Client(), Client()
    mine.post("/login", {"username": "alice", "password": "secret"})
    mine.post(reverse("account_reauthenticate"), {"password": "secret"})
    sign_in(mine, provider, "alice-at-work", "connect")
    sign_in(by_provider, provider, "alice-at-work")
    assert by_provider.session["_auth_user_id"] == str(alice.pk)
    assert mine.get("/api/v1/pools", headers={"X-Thermae-Tenant": "other"}).status_code == 200
    assert by_provider.get("/api/v1/pools", headers={"X-Thermae-Tenant": "other"}).status_code == 403


def test_a_code_is_good_once_and_for_its_own_request(row: IdentityProvider, provider: oidc.Provider) -> None:
    mine, theirs = Client(), Client()
    page = mine.post(reverse("openid_connect_login", args=[ROW]))
    stolen = provider.sign_in(page.context["address"], "eve", BACK).removeprefix("http://testserver")
    code = re.findall(r"code=([^&]+)", stolen)[0]
    theirs.post(reverse("openid_connect_login", args=[ROW]))
    ((state, _),) = theirs.session["socialaccount_states"].items()
    injected = theirs.get(reverse("openid_connect_callback", args=[ROW]), {"code": code, "state": state})
    assert injected.status_code == 401, "its PKCE belongs to another request"
    assert not get_user_model().objects.exists()


def test_a_wrong_secret_and_a_wrong_certificate_are_told_in_words(
    row: IdentityProvider, provider: oidc.Provider, settings: Any
) -> None:
    row.secret = "wrong"
    row.save()
    assert sign_in(Client(), provider, "eve").status_code == 401
    settings.OIDC_CA_BUNDLE = ""
    assert Client().post(reverse("openid_connect_login", args=[ROW])).status_code == 502


# --- How we fetch ---


def test_what_is_not_opened_is_not_reached(provider: oidc.Provider, settings: Any) -> None:
    assert GuardedSession().get(provider.issuer + "/.well-known/openid-configuration").status_code == 200
    for opened in ([], ["127.0.0.0/8"], ["10.0.0.0/8"]):
        settings.OIDC_PRIVATE_ALLOW = opened
        with pytest.raises(requests.ConnectionError, match=fetching.NOWHERE):
            GuardedSession().get(provider.issuer)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost", "https://[::1]", "https://169.254.169.254", "https://10.0.0.1", "https://0.0.0.0",
        "https://2130706433", "https://[::ffff:127.0.0.1]", "https://[64:ff9b::7f00:1]", "https://nowhere.invalid",
        "https://a..b", "https://" + "a" * 300,
    ],
)  # fmt: skip
def test_no_way_of_writing_it_leads_inside(url: str, settings: Any) -> None:
    settings.OIDC_PRIVATE_ALLOW = []
    with pytest.raises(requests.RequestException):
        GuardedSession().get(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "file:///etc/passwd", "ftp://127.0.0.1"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        GuardedSession().get(url)


Serve = Callable[[list[bytes]], str]


@pytest.fixture
def serve(provider: oidc.Provider) -> Iterator[Serve]:
    """A TLS server that answers one request with these bytes, again and again the last of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(provider.ca, provider.ca.parent / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def start(parts: list[bytes]) -> str:
        def run() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as talk:
                talk.recv(65536)
                try:
                    for part in parts:
                        talk.sendall(part)
                    while not over.wait(0.02):
                        talk.sendall(parts[-1])
                except OSError:
                    pass

        threading.Thread(target=run, daemon=True).start()
        return f"https://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    over.set()
    listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    url = serve([b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"])
    with pytest.raises(requests.TooManyRedirects):
        GuardedSession().get(url)


def test_an_answer_without_end_is_cut(serve: Serve) -> None:
    with pytest.raises(requests.RequestException):
        GuardedSession().get(serve([HEAD + b"\r\n", b"x" * 65536]))


@pytest.mark.parametrize("parts", [[HEAD, b"X-Slow: 1\r\n"], [HEAD + b"Content-Length: 99999\r\n\r\n", b"x"]])
def test_an_answer_that_drips_is_cut(serve: Serve, parts: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "ANSWER_WITHIN", 0.5)
    with pytest.raises(requests.RequestException):
        GuardedSession().get(serve(parts))


def test_nothing_of_the_environment_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login us password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    url = serve([HEAD + b"Content-Length: 2\r\n\r\n{}"])
    answer = GuardedSession().get(url)
    assert answer.json() == {}
    assert "Authorization" not in answer.request.headers
