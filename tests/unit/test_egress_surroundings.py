"""What the proxy knows of the place where it stands: this machine's addresses, the operator's settings, and names."""

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from interpreters.egress import resolver, surroundings
from interpreters.egress.resolver import Resolver, look_up
from interpreters.egress.surroundings import Surroundings, read_interfaces
from tests.unit.test_settings import read


def test_the_interfaces_of_this_machine_are_read() -> None:
    own, subnets = read_interfaces()
    assert ip_address("127.0.0.1") in own
    assert ip_network("127.0.0.0/8") in subnets


def test_an_address_that_is_added_later_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "LIFETIME", 0.0)
    address = ip_address("1.2.3.4")
    answers = [(frozenset(), frozenset()), (frozenset({address}), frozenset())]
    around = Surroundings(interfaces=lambda: answers.pop(0))
    assert around.ground().objection(address, named=False) == ""
    assert around.ground().objection(address, named=False) == "this machine"


def test_one_reading_serves_for_a_moment() -> None:
    answers: list[Any] = [(frozenset(), frozenset())]
    around = Surroundings(interfaces=lambda: answers.pop(0))
    assert around.ground() is around.ground()


def test_what_the_operator_says_is_part_of_it(settings: Any) -> None:
    settings.EGRESS_DENY, settings.EGRESS_PRIVATE_ALLOW = ["1.2.3.0/24"], ["10.0.0.0/24"]
    ground = Surroundings(interfaces=lambda: (frozenset(), frozenset())).ground()
    assert ground.objection(ip_address("1.2.3.4"), named=True) == "denied"
    assert ground.objection(ip_address("10.0.0.5"), named=True) == ""
    assert ground.objection(ip_address("10.0.0.5"), named=False) == "private"


def test_networks_in_settings_are_checked_at_the_start(tmp_path: Path) -> None:
    told = read("settings.EGRESS_DENY", tmp_path, THERMAE_EGRESS_DENY="198.51.100.7, 2001:db8::/32")
    assert told.stdout.strip() == "['198.51.100.7/32', '2001:db8::/32']"
    assert read("settings.EGRESS_DENY, settings.EGRESS_CEILING", tmp_path).stdout.strip() == "[] none"
    for name, value in {"EGRESS_DENY": "example.org", "EGRESS_PRIVATE_ALLOW": "10.0.0.1/8"}.items():
        refused = read("settings.EGRESS_DENY", tmp_path, **{f"THERMAE_{name}": value})
        assert refused.returncode != 0
        assert f"THERMAE_{name}" in refused.stderr
    assert read("settings.EGRESS_CEILING", tmp_path, THERMAE_EGRESS_CEILING="all").returncode != 0


async def test_an_answer_is_kept_for_who_asked_and_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(name: str) -> Any:
        asked.append(name)
        return (ip_address("203.0.113.10"),)

    names = Resolver(answer)
    for asker in (1, 1, 2, 1):
        assert await names.resolve("example.org", asker) == (ip_address("203.0.113.10"),)
    assert asked == ["example.org"] * 2
    monkeypatch.setattr(resolver, "MOST_KEPT", 3)
    for n in range(10):
        await names.resolve(f"{n}.example", 1)
    assert len(names._answers) == 3
    names.close()


def test_a_name_is_looked_up_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a final dot no search domain is tried, and /etc/hosts has no such name."""
    asked: list[str] = []

    def getaddrinfo(name: str, port: None, **_: Any) -> Any:
        asked.append(name)
        if name.startswith("none"):
            raise socket.gaierror
        found = ["203.0.113.10", "203.0.113.10", "2001:db8::1", "fe80::1%eth0"]
        return [(0, 0, 0, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert look_up("example.org") == (ip_address("203.0.113.10"), ip_address("2001:db8::1"))
    assert look_up("none.example") == ()
    assert asked == ["example.org.", "none.example."]
