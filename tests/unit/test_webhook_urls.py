"""Addresses of webhooks have one reading, or none."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.webhook_urls import LONGEST, BadUrl, WebhookUrl


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://hooks.example.org", "https://hooks.example.org/"),
        (" HTTPS://Hooks.Example.ORG:443/a?b=%20c ", "https://hooks.example.org/a?b=%20c"),
        ("https://hooks.example.org:8443/a", "https://hooks.example.org:8443/a"),
        ("https://hooks.example.org?a", "https://hooks.example.org/?a"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:2800::1]:8443/", "https://[2606:2800::1]:8443/"),
        ("https://[::ffff:127.0.0.1]/", "https://127.0.0.1/"),
    ],
)
def test_an_address_has_one_form(written: str, canonical: str) -> None:
    assert str(WebhookUrl.parse(written)) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "", "hooks.example.org", "//hooks.example.org/", "ftp://hooks.example.org/", "file:///etc/passwd",
        "http://hooks.example.org/",
        "https://user@hooks.example.org/", "https://user:word@hooks.example.org/", "https://good.example@127.0.0.1/",
        "https://hooks.example.org/#part", "https://hooks.example.org\\@127.0.0.1/", "https:\\\\hooks.example.org/",
        "https://hooks.example.org/a b", "https://hooks.example.org/\r\nX: y", "https://hooks.example.org/a\tb",
        "https://hooks.example.org/%0", "https://hooks.example.org/<x>", "https://hooks.example.org/\u00e9",
        "https://localhost/", "https://redis/", "https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/",
        "https://0177.0.0.1/", "https://[::1%lo]/", "https://[::1/", "https://::1/", "https:///path", "https://",
        "https://hooks.example.org:0/", "https://hooks.example.org:65536/", "https://hooks.example.org:/",
        "https://hooks.example.org:22/", "https://hooks.example.org:25/", "https://hooks.example.org:80/",
        "https://hooks.example.org:+443/", "https://hooks.example.org:443:443/",
        f"https://hooks.example.org/{'a' * LONGEST}",
    ],
)  # fmt: skip
def test_what_has_more_than_one_reading_is_refused_with_words(written: str) -> None:
    with pytest.raises(BadUrl) as refusal:
        WebhookUrl.parse(written)
    assert str(refusal.value).endswith(".")


def test_http_is_for_those_whose_operator_allows_it() -> None:
    assert str(WebhookUrl.parse("http://hooks.example.org:80/", allow_http=True)) == "http://hooks.example.org/"


PIECES = st.sampled_from(
    ["https://", "http://", "@", "#", "\\", "/", "?", ":", "[", "]", "%", "..", "127.0.0.1", "::1", "example.org", "a",
     "\r\n", "\t", " ", "\u3002", "\uff0f", "\u00df", "0x7f", "443", "\x00", "%00", "xn--"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join)))
def test_whatever_is_written_is_refused_or_has_one_reading(text: str) -> None:
    """What comes out is read by another parser as the same machine, port and path, and parses to itself."""
    for written in (text, f"https://{text}"):
        try:
            found = WebhookUrl.parse(written, allow_http=True)
        except BadUrl:
            continue
        again = urlsplit(str(found))
        assert str(WebhookUrl.parse(str(found), allow_http=True)) == str(found)
        assert (again.scheme, again.hostname, again.username) == (found.scheme, str(found.host), None)
        assert again.port in (found.port, None)
        assert found.target.startswith("/")
        assert str(found).isascii()
        assert str(found).isprintable()
        assert " " not in str(found)
