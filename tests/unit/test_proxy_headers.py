"""What passes to a sandbox and back: pure decisions on addresses and headers."""

from typing import Any
from uuid import UUID

import pytest

from interpreters.proxy import addresses, headers
from interpreters.proxy.addresses import Identified, Known, Nowhere, find, is_proxied
from interpreters.proxy.headers import Came

SESSION = "12345678-1234-4234-8234-123456789abc"
HEX = SESSION.replace("-", "")
OURS = b"thermae.example.org"
CAME = Came("10.0.0.7", b"thermae.example.org", "https", b"/azure/acme/web")


@pytest.fixture(autouse=True)
def preview_host(settings: Any) -> None:
    settings.PREVIEW_HOST = "preview.example.net"


# --- Addresses ---


@pytest.mark.parametrize(
    ("path", "target", "passed_on"),
    [
        ("/azure/acme/web", Identified("acme", "web", "me"), b"/"),
        ("/azure/acme/web/a%2Fb//../c", Identified("acme", "web", "me"), b"/a%2Fb//../c"),
        (f"/api/v1/sessions/{SESSION}/proxy/x", Known(UUID(SESSION), None), b"/x"),
        (f"/api/v1/sessions/{SESSION}/ports/8000", Known(UUID(SESSION), 8000), b"/"),
    ],
)
def test_an_address_names_a_target_and_a_path_that_stays_as_it_is(path: str, target: Any, passed_on: bytes) -> None:
    found = find(OURS, path.encode(), b"identifier=me&x=1")
    assert found is not None
    assert (found.target, found.path, found.isolated) == (target, passed_on, False)
    assert found.prefix + (b"" if path.endswith(("web", "8000")) else passed_on) == path.encode()


@pytest.mark.parametrize(
    "path",
    [
        "/", "/azure/acme", "//azure/acme/web", "/azure/a%63me/web/", "/azure/ac me/web", "/api/v1/sessions/x/proxy/",
        f"/api/v1/sessions/{SESSION}/proxyx", f"/api/v1/sessions/{SESSION}/ports/", f"/api/v1/sessions/{SESSION}/files",
        f"/api/v1/sessions/{SESSION}/ports/123456/",
    ],
)  # fmt: skip
def test_what_is_not_for_a_sandbox_is_left_to_others(path: str) -> None:
    assert find(OURS, path.encode(), b"identifier=a") is None
    assert not is_proxied(OURS, path.encode())


@pytest.mark.parametrize("query", [b"", b"identifier=", b"identifier=a&identifier=b", b"x=1&" * 2000])
def test_an_identifier_is_named_once(query: bytes) -> None:
    found = find(OURS, b"/azure/acme/web/", query)
    assert found is not None
    assert found.target == Identified("acme", "web", "")


@pytest.mark.parametrize("host", [f"{HEX}-8000.preview.example.net", f"{HEX.upper()}-8000.Preview.Example.NET.:8443"])
def test_a_preview_is_named_by_its_host(host: str) -> None:
    found = find(host.encode(), b"/azure/acme/web/", b"")
    assert found is not None
    assert (found.target, found.path, found.isolated) == (Known(UUID(SESSION), 8000), b"/azure/acme/web/", True)


@pytest.mark.parametrize(
    "host",
    [
        "preview.example.net", "x.preview.example.net", f"{HEX}-0.preview.example.net",
        f"{HEX}-70000.preview.example.net",
        f"a.{HEX}-80.preview.example.net", f"{HEX}.preview.example.net", f"{SESSION}-80.preview.example.net",
    ],
)  # fmt: skip
def test_nothing_of_ours_is_on_the_domain_of_previews(host: str) -> None:
    with pytest.raises(Nowhere):
        find(host.encode(), b"/api/v1/pools", b"")


@pytest.mark.parametrize("host", ["evilpreview.example.net", "preview.example.net.evil", "example.net", ""])
def test_a_host_that_only_looks_like_it_is_none(host: str) -> None:
    assert find(host.encode(), b"/", b"") is None


def test_without_a_domain_there_are_no_previews(settings: Any) -> None:
    settings.PREVIEW_HOST = ""
    assert not addresses.is_preview(f"{HEX}-80.preview.example.net".encode())


# --- In ---


def inward(*fields: tuple[bytes, bytes], **options: Any) -> list[tuple[bytes, bytes]]:
    said = {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix"}
    return [field for field in headers.inward(fields, CAME, **options) if field[0] not in said]


@pytest.mark.parametrize("scheme", [b"Bearer thm_secret", b"bearer   thm_secret", b"Token thm_secret", b"thm_secret"])
def test_no_token_of_ours_passes(scheme: bytes) -> None:
    assert inward((b"authorization", scheme)) == []


def test_another_authorization_passes() -> None:
    assert inward((b"authorization", b"Basic eA==")) == [(b"authorization", b"Basic eA==")]


@pytest.mark.parametrize(
    ("cookie", "passed_on"),
    [
        (b"sessionid=x", b""),
        (b"a=1; sessionid=x; b=2", b"a=1; b=2"),
        (b"a=1;csrftoken =x;b", b"a=1; b"),
        (b'a="1; sessionid=x"', b'a="1'),
        (b"thermae_preview=x; __Host-thermae_preview=y; messages=z", b""),
        (b"; ;sessionid2=x", b"sessionid2=x"),
    ],
)
def test_no_cookie_of_ours_passes(cookie: bytes, passed_on: bytes) -> None:
    assert inward((b"cookie", cookie)) == ([(b"cookie", passed_on)] if passed_on else [])


def test_what_is_for_one_hop_or_said_by_us_does_not_pass() -> None:
    dropped = (
        b"connection", b"keep-alive", b"upgrade", b"proxy-authorization", b"host", b"forwarded", b"x-real-ip",
        b"x-forwarded-for", b"x-forwarded-user", b"x-thermae-tenant", b"sec-websocket-key", b"x-named",
    )  # fmt: skip
    given = [(name, b"close, X-Named" if name == b"connection" else b"1") for name in dropped]
    assert inward(*given, (b"accept", b"*/*")) == [(b"accept", b"*/*")]


def test_a_length_survives_who_names_it_in_connection() -> None:
    assert inward((b"connection", b"content-length"), (b"content-length", b"3")) == [(b"content-length", b"3")]


def test_where_a_request_came_from_is_said_by_us() -> None:
    said = dict(headers.inward([(b"x-forwarded-for", b"6.6.6.6")], CAME))
    assert said == {
        b"x-forwarded-for": b"10.0.0.7", b"x-forwarded-host": OURS, b"x-forwarded-proto": b"https",
        b"x-forwarded-prefix": b"/azure/acme/web",
    }  # fmt: skip
    assert b"x-forwarded-for" not in dict(headers.inward([], Came("a\r\nb", OURS, "http", b"")))


def test_a_page_of_the_isolated_origin_is_the_servers_own() -> None:
    own = b"https://x.preview.example.net"
    assert inward((b"origin", own), origin=own, port=8000) == [(b"origin", b"http://127.0.0.1:8000")]
    assert inward((b"origin", b"https://evil"), origin=own, port=8000) == [(b"origin", b"https://evil")]


# --- Out ---


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        (b"a=1; Path=/; Domain=example.net; Secure", b"a=1; Path=/; Secure"),
        (b"a=1;domain = .example.net;DOMAIN", b"a=1"),
        (b"sessionid=x; Path=/", b""),
        (b"SessionID=x", b""),
        (b"__Host-thermae_preview=x; Secure", b""),
        (b"=sessionid=x", b""),
        (b"nameless", b""),
    ],
)
def test_a_cookie_stays_with_its_host_and_takes_no_name_of_ours(cookie: bytes, kept: bytes) -> None:
    assert headers.host_only(cookie) == kept


def test_on_an_isolated_origin_a_page_is_what_it_says() -> None:
    given = [(b"content-type", b"text/html"), (b"strict-transport-security", b"max-age=1"), (b"clear-site-data", b"*")]
    assert headers.outward(given, isolated=True, port=80) == [given[0], given[2]]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (b"http://127.0.0.1:8000/a?b", b"/a?b"),
        (b"//localhost:8000", b"/"),
        (b"http://localhost:8001/a", b"http://localhost:8001/a"),
        (b"http://127.0.0.1:8000.evil/", b"http://127.0.0.1:8000.evil/"),
        (b"/a", b"/a"),
    ],
)
def test_a_server_that_names_itself_means_its_isolated_origin(location: bytes, told: bytes) -> None:
    assert headers.outward([(b"location", location)], isolated=True, port=8000) == [(b"location", told)]
