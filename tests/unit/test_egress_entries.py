"""What people write into lists, and the ceiling above them."""

import pytest

from tenants.egress import MOST_ENTRIES, BadEntry, Ceiling, Mode, parse_entries, parse_entry
from tenants.hosts import BadHost, parse_host

GOOD = {
    "example.org": "example.org",
    " example.org ": "example.org",
    "EXAMPLE.Org": "example.org",
    "example.org.": "example.org",
    "example.org:8443": "example.org:8443",
    "example.org.:22": "example.org:22",
    "*.Example.ORG.:8443": "*.example.org:8443",
    "*.org": "*.org",
    "my_bucket.s3.example.com": "my_bucket.s3.example.com",
    "bücher.example": "xn--bcher-kva.example",
    "*.bücher.example": "*.xn--bcher-kva.example",
    "straße.example": "xn--strae-oqa.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "EXAMPLE。org": "example.org",
    "ｅxample.org": "example.org",
    "203.0.113.7": "203.0.113.7",
    "203.0.113.7/32": "203.0.113.7",
    "203.0.113.0/24": "203.0.113.0/24",
    "203.0.113.0/24:22": "203.0.113.0/24:22",
    "203.0.113.7:5432": "203.0.113.7:5432",
    "2001:DB8::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:22": "[2001:db8::1]:22",
    "2001:db8::/32": "2001:db8::/32",
    "[2001:db8::/32]:443": "[2001:db8::/32]:443",
    "::ffff:203.0.113.7": "203.0.113.7",
    "10.0.0.0/8": "10.0.0.0/8",
}
BAD = {
    "": "characters",
    "   ": "characters",
    "a" * 301: "characters",
    "https://example.org": "only a name",
    "http://example.org/path": "only a name",
    "user@example.org": "only a name",
    "example.org?q": "only a name",
    "example.org/path": "leave out the path",
    "*": "stands only in front",
    "*.*.org": "stands only in front",
    "a.*.org": "stands only in front",
    "ex*mple.org": "stands only in front",
    "*example.org": "stands only in front",
    ".example.org": r"write \*\.example\.org",
    "localhost": "no dot",
    "*.": "no dot",
    "example.org..": "is no name",
    "a..b.org": "is no name",
    "-a.org": "is no name",
    "a-.org": "is no name",
    "exa mple.org": "is no name",
    "example.org\n.evil.org": "is no name",
    "exam\0ple.org": "is no name",
    f"{'a' * 64}.org": "is no name",
    ".".join(["a" * 55] * 5): "is no name",
    "💩.example": "international name",
    "a\u200d.example": "international name",
    "127.1": "four decimal numbers",
    "2130706433": "four decimal numbers",
    "0x7f000001": "four decimal numbers",
    "0x7f.0.0.1": "four decimal numbers",
    "example.0x7f": "four decimal numbers",
    "*.10.0.0.1": "four decimal numbers",
    "1.2.3.4.5": "four decimal numbers",
    "010.0.0.1": "without leading zeros",
    "1.2.3.256": "0 to 255",
    "١٢٧.0.0.1": "international name",
    "１２７.0.0.1": "plain digits",
    "203.0.113.7/24": "write 203.0.113.0/24",
    "2001:db8::1/32": "write 2001:db8::/32",
    "203.0.113.0/33": "no network",
    "203.0.113.0/255.255.255.0": "no network",
    "203.0.113/24": "no network",
    "0/8": "no network",
    "203.0.113.0/": "no network",
    "::ffff:203.0.113.0/120": "IPv4 network as such",
    "0.0.0.0/0": "too wide",
    "128.0.0.0/1": "too wide",
    "::/0": "too wide",
    "2000::/3": "too wide",
    "fe80::1%eth0": "without a zone",
    "2001:db8::zz": "no IPv6 address",
    "[203.0.113.7]:80": "brackets are for IPv6",
    "[2001:db8::1": "no IPv6 address",
    "example.org:": "1 to 65535",
    "example.org:0": "1 to 65535",
    "example.org:65536": "1 to 65535",
    "example.org:-1": "1 to 65535",
    "example.org:+1": "1 to 65535",
    "example.org:٣": "1 to 65535",
    "example.org:*": "1 to 65535",
    "[2001:db8::1]:x": "1 to 65535",
}


@pytest.mark.parametrize(("written", "canonical"), GOOD.items())
def test_an_entry_has_one_canonical_form(written: str, canonical: str) -> None:
    entry = parse_entry(written)
    assert str(entry) == canonical
    assert parse_entry(canonical) == entry


@pytest.mark.parametrize(("written", "words"), BAD.items())
def test_what_cannot_be_used_is_refused_in_words(written: str, words: str) -> None:
    with pytest.raises(BadEntry, match=words) as caught:
        parse_entry(written)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("written", [None, "example.org", {"a": 1}, [1], [None], [["example.org"]]])
def test_a_list_is_a_list_of_texts(written: object) -> None:
    with pytest.raises(BadEntry, match="list of texts"):
        parse_entries(written)


def test_a_list_is_bounded_and_has_each_entry_once() -> None:
    assert len(parse_entries(["example.org", "EXAMPLE.org", "example.org."])) == 1
    with pytest.raises(BadEntry, match=str(MOST_ENTRIES)):
        parse_entries([f"{n}.example.org" for n in range(MOST_ENTRIES + 1)])


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("example.org", "example.org", 22, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "badexample.org", 443, False),
        ("example.org", "example.org.evil.net", 443, False),
        ("example.org:22", "example.org", 22, True),
        ("example.org:22", "example.org", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("203.0.113.0/24", "203.0.113.200", 443, True),
        ("203.0.113.0/24", "203.0.114.1", 443, False),
        ("203.0.113.0/24", "203-0-113-1.example.org", 443, False),
        ("2001:db8::/32", "2001:db8:1::1", 80, True),
        ("2001:db8::/32", "203.0.113.1", 80, False),
        ("203.0.113.7", "::ffff:203.0.113.7", 80, True),
    ],
)
def test_what_an_entry_allows(entry: str, host: str, port: int, allowed: bool) -> None:
    assert parse_entry(entry).allows(parse_host(host), port) is allowed


@pytest.mark.parametrize(
    ("outer", "inner", "covers"),
    [
        ("*.example.org", "www.example.org", True),
        ("*.example.org", "*.a.example.org", True),
        ("*.example.org", "*.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "*.org", False),
        ("*.a.org", "*.ba.org", False),
        ("example.org", "*.example.org", False),
        ("example.org", "example.org:443", True),
        ("example.org", "example.org:22", False),
        ("example.org:443", "example.org", False),
        ("203.0.113.0/24", "203.0.113.128/25", True),
        ("203.0.113.0/24", "203.0.113.7", True),
        ("203.0.113.0/24", "203.0.112.0/23", False),
        ("203.0.113.0/24", "2001:db8::/32", False),
        ("203.0.113.0/24", "example.org", False),
        ("example.org", "203.0.113.7", False),
    ],
)
def test_what_an_entry_covers(outer: str, inner: str, covers: bool) -> None:
    assert parse_entry(outer).covers(parse_entry(inner)) is covers


@pytest.mark.parametrize("host", ["", ".", "..", "*", "a b.org", "[::1", "::1]", "1::2::3", "example.org/", "a.org:80"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(BadHost):
        parse_host(host)


def objections(mode: str, entries: list[str], ceiling: str, allowed: list[str]) -> dict[str, str]:
    above = Ceiling(Mode(ceiling), parse_entries(allowed))
    return dict(above.objections(Mode(mode), parse_entries(entries)))


def test_a_pool_within_its_ceiling_meets_no_objection() -> None:
    for mode in Mode:
        assert not objections(mode, [], "open", [])
        assert not objections("none", [], mode, [])
    assert not objections("allow_list", ["anything.example", "198.51.100.0/24:22"], "allow_list", [])
    assert not objections("allow_list", ["www.example.org"], "allow_list", ["*.example.org"])
    assert not objections("allow_list", ["example.org"], "open", ["example.org:80", "example.org:443"])


def test_beyond_the_ceiling_the_field_is_told_in_words() -> None:
    assert "allows this tenant no network" in objections("allow_list", ["a.org"], "none", [])["egress"]
    assert "what the list names" in objections("open", [], "allow_list", [])["egress"]
    assert "only *.example.org" in objections("open", [], "open", ["*.example.org"])["egress"]
    found = objections("allow_list", ["www.example.org", "evil.net"], "allow_list", ["*.example.org"])
    assert found == {"egress_allow": "evil.net is beyond what this tenant may reach: *.example.org."}
