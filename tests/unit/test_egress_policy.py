"""Where a sandbox may connect, as one table of destinations, and what no list opens."""

from ipaddress import ip_address, ip_network

import pytest

from interpreters.egress.addresses import Ground
from interpreters.egress.policy import SENTENCES, Decision, Destination, Policy, admit, choose
from tenants.hosts import BadHost
from tests.egress import PUBLIC, ground, policy

OPEN = policy("open")
LIST = policy("allow_list", "example.org", "*.example.net", "198.51.100.0/24", "git.example.org:22", "2001:db8:1::/48")

# Addresses that nobody reaches, under the strictest and under the tests' table alike.
NEVER = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "10.0.0.5": "private",
    "10.255.255.255": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "shared",
    "100.127.255.254": "shared",
    "100.100.100.200": "metadata",
    "169.254.169.254": "metadata",
    "169.254.170.2": "link-local",
    "168.63.129.16": "metadata",
    "192.0.0.192": "metadata",
    "192.0.0.1": "reserved",
    "192.88.99.1": "tunnel",
    "198.18.0.1": "reserved",
    "198.19.255.255": "reserved",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::2": "tunnel",
    "::127.0.0.1": "tunnel",
    "::203.0.113.10": "tunnel",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.5": "private",
    "::ffff:169.254.169.254": "metadata",
    "::ffff:0:127.0.0.1": "reserved",
    "64:ff9b::10.0.0.5": "private",
    "64:ff9b::127.0.0.1": "loopback",
    "64:ff9b::169.254.169.254": "metadata",
    "64:ff9b:1::1": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",
    "2001:0:4136:e378:8000:63bf:f5ff:fffa": "reserved",
    "2001:2::1": "reserved",
    "2001:10::1": "reserved",
    "2001:20::1": "reserved",
    "2002:7f00:1::1": "tunnel",
    "2002:a00:5::1": "tunnel",
    "2002:cb00:710a::1": "tunnel",
    "fc00::1": "unique-local",
    "fd00::5": "unique-local",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "fe80::1": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "4000::1": "reserved",
    "5f00::1": "reserved",
}
DOCUMENTED = ["192.0.2.1", "198.51.100.1", "203.0.113.10", "2001:db8::1", "3fff::1", "64:ff9b::192.0.2.1"]
ALWAYS = ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
          "192.0.1.0", "169.253.255.255", "198.17.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
          "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"]  # fmt: skip


def judged(text: str, at: Ground, mine: Policy = OPEN, port: int = 443) -> Decision:
    destination = Destination.parse(f"[{text}]" if ":" in text else text, port)
    assert not isinstance(destination.host, str)
    return choose(mine, destination, [ip_address(text)], at)


@pytest.mark.parametrize(("address", "word"), NEVER.items())
def test_nobody_reaches(address: str, word: str) -> None:
    for at in (Ground(), ground()):
        decision = judged(address, at)
        assert (decision.allowed, decision.reason) == (False, word)
        assert word in decision.sentence
        # Nor does a name lead there.
        assert choose(OPEN, Destination("evil.example", 443), [ip_address(address)], at).reason == word


@pytest.mark.parametrize(("address", "word"), NEVER.items())
def test_no_list_of_a_pool_opens_it(address: str, word: str) -> None:
    entry = address if ":" in address else str(ip_network(f"{address}/8", strict=False))
    assert judged(address, Ground(), policy("allow_list", entry, "evil.example")).reason == word


@pytest.mark.parametrize("address", DOCUMENTED)
def test_documentation_is_public_in_tests_only(address: str) -> None:
    assert judged(address, Ground()).reason == "documentation"
    assert judged(address, ground()).allowed


@pytest.mark.parametrize("address", ALWAYS)
def test_what_lies_beside_is_public(address: str) -> None:
    assert judged(address, Ground()).allowed


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("example.org", 443, ""),
        ("example.org", 80, ""),
        ("EXAMPLE.ORG.", 443, ""),
        ("example.org", 8080, "not listed"),
        ("www.example.org", 443, "not listed"),
        ("example.org.evil.net", 443, "not listed"),
        ("a.b.example.net", 443, ""),
        ("example.net", 443, "not listed"),
        ("git.example.org", 22, ""),
        ("git.example.org", 443, "not listed"),
        ("198.51.100.7", 443, ""),
        ("[::ffff:198.51.100.7]", 443, ""),
        ("198.51.101.7", 443, "not listed"),
        ("[2001:db8:1::5]", 80, ""),
        ("[2001:db8:2::5]", 80, "not listed"),
        ("10.0.0.5", 443, "not listed"),
    ],
)
def test_a_list_admits_what_it_names(host: str, port: int, reason: str) -> None:
    assert admit(LIST, Destination.parse(host, port)).reason == reason
    assert admit(policy("none"), Destination.parse(host, port)).reason == "off"
    assert admit(OPEN, Destination.parse(host, port)).allowed


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.1", 80), ("0x7f.1", 80), ("2130706433", 80), ("0177.0.0.1", 80), ("127.0.0.1.", 0), ("localhost", 80),
        ("fe80::1%eth0", 80), ("", 80), ("*.example.org", 80), ("example.org", 0), ("example.org", 65536),
        ("example.org", "443 "), ("example.org", "٤٤٣"), ("example.org\r\nX: y", 80), ("ex\0ample.org", 80),
    ],
)  # fmt: skip
def test_what_has_two_readings_is_no_destination(host: str, port: int | str) -> None:
    with pytest.raises(BadHost):
        Destination.parse(host, port)


def test_the_bad_ones_of_a_mixed_answer_are_dropped() -> None:
    found = [ip_address(text) for text in ("10.0.0.5", PUBLIC, "::1", "::ffff:203.0.113.11", PUBLIC, "2001:db8::7")]
    decision = choose(OPEN, Destination("mixed.example", 443), found, ground())
    assert [str(address) for address in decision.addresses] == [PUBLIC, "203.0.113.11", "2001:db8::7"]


def test_a_name_with_many_addresses_is_tried_at_a_few() -> None:
    found = [ip_address(f"203.0.113.{n}") for n in range(50)]
    assert len(choose(OPEN, Destination("many.example", 443), found, ground()).addresses) == 4


def test_a_name_without_an_address_says_so() -> None:
    assert choose(OPEN, Destination("none.example", 443), [], ground()).reason == "no address"


def test_a_network_in_the_list_is_for_addresses_and_a_name_for_names() -> None:
    """Else any name would have to be looked up to know where it leads, and the lookup itself carries data out."""
    mine = policy("allow_list", "203.0.113.0/24")
    assert judged(PUBLIC, ground(), mine).allowed
    assert admit(mine, Destination("leads-there.example", 443)).reason == "not listed"
    assert admit(policy("allow_list", "leads-there.example"), Destination.parse(PUBLIC, 443)).reason == "not listed"


# --- This machine ---


def test_this_machine_and_its_network_are_refused_even_where_they_are_public() -> None:
    at = ground(own=frozenset({ip_address(PUBLIC)}), subnets=frozenset({ip_network("203.0.113.0/28")}))
    assert judged(PUBLIC, at).reason == "this machine"
    assert judged(f"::ffff:{PUBLIC}", at).reason == "this machine"
    assert judged(f"64:ff9b::{PUBLIC}", at).reason == "this machine"
    assert judged("203.0.113.3", at).reason == "this machine's network"
    assert judged("203.0.113.77", at).allowed


def test_what_the_operator_denies_is_refused_whatever_else_is_opened() -> None:
    at = ground(denied=(ip_network("203.0.113.0/24"),), opened=(ip_network("203.0.113.0/24"),))
    assert judged(PUBLIC, at, policy("allow_list", "203.0.113.0/24")).reason == "denied"


# --- What an operator opens ---


def test_a_private_network_is_reached_where_the_operator_opens_it_and_the_list_names_the_address() -> None:
    at = ground(opened=(ip_network("10.0.0.0/24"),))
    assert judged("10.0.0.5", at, policy("allow_list", "10.0.0.5")).allowed
    assert judged("10.0.0.5", at, policy("open", "10.0.0.0/24")).allowed
    assert judged("10.0.0.5", at, policy("open")).reason == "private"
    assert judged("10.0.1.5", at, policy("open", "10.0.0.0/8")).reason == "private"
    assert judged("10.0.0.5", at, policy("open", "10.0.0.5:22")).reason == "private"
    limited = policy("allow_list", "10.0.0.5", allowed=["203.0.113.0/24"])
    assert judged("10.0.0.5", at, limited).reason == "not allowed"


def test_a_name_leads_to_an_opened_network_only_where_the_list_names_the_address_too() -> None:
    at, mirror = ground(opened=(ip_network("10.0.0.0/24"),)), [ip_address("10.0.0.5")]
    only_name = policy("allow_list", "mirror.example.org")
    assert choose(only_name, Destination("mirror.example.org", 443), mirror, at).reason == "private"
    both = policy("allow_list", "mirror.example.org", "10.0.0.5")
    assert choose(both, Destination("mirror.example.org", 443), mirror, at).allowed


def test_this_machine_and_metadata_are_opened_one_by_one() -> None:
    mine = policy("open", "10.0.0.0/24", "169.254.0.0/16", "127.0.0.0/8")
    own = frozenset({ip_address("10.0.0.1"), ip_address("127.0.0.1")})
    wide = ground(own=own, opened=(ip_network("10.0.0.0/24"), ip_network("169.254.0.0/16"), ip_network("127.0.0.0/8")))
    assert judged("10.0.0.1", wide, mine).reason == "private"
    assert judged("127.0.0.1", wide, mine).reason == "loopback"
    assert judged("169.254.169.254", wide, mine).reason == "metadata"
    assert judged("169.254.7.7", wide, mine).allowed
    exact = ground(own=own, opened=(ip_network("10.0.0.1/32"), ip_network("169.254.169.254/32")))
    assert judged("10.0.0.1", exact, mine).allowed
    assert judged("169.254.169.254", exact, mine).allowed


def test_what_is_no_destination_at_all_is_opened_by_nobody() -> None:
    everything = ground(opened=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    mine = policy("open", "224.0.0.0/8", "0.0.0.0/8", "2002::/16", "ff02::/16", "240.0.0.0/8")
    for address in ("0.0.0.0", "224.0.0.1", "240.0.0.1", "2002:a00:5::1", "ff02::1"):
        assert not judged(address, everything, mine).allowed


# --- The ceiling ---


def test_a_lowered_ceiling_switches_off_what_is_beyond_it() -> None:
    destination = Destination("example.org", 443)
    assert admit(policy("open", ceiling="allow_list"), destination).reason == "ceiling"
    assert admit(policy("open", "example.org", ceiling="allow_list"), destination).reason == "ceiling"
    assert admit(policy("allow_list", "example.org", ceiling="none"), destination).reason == "ceiling"
    assert admit(policy("allow_list", "example.org", ceiling="allow_list"), destination).allowed


def test_what_a_tenant_may_reach_bounds_lists_and_open_alike() -> None:
    for mine in (policy("open", allowed=["*.org"]), policy("allow_list", "a.org", "a.net", allowed=["*.org"])):
        assert admit(mine, Destination("a.org", 443)).allowed
        assert admit(mine, Destination("a.net", 443)).reason == "not allowed"
    assert admit(policy("open", allowed=["*.org"]), Destination("a.org", 22)).reason == "not allowed"


def test_every_reason_has_a_sentence() -> None:
    assert all(Decision(reason).sentence.endswith(".") for reason in (*SENTENCES, *NEVER.values()))
