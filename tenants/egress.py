"""What sandboxes may reach: the three modes, entries of a list as people write them, and the ceiling of a tenant. Pure.

An entry is `example.org`, `*.example.org` (what lies below it, and not itself), an address, or a network as
`198.51.100.0/24`, each with a port of its own after a colon, or else for 80 and 443. A name is allowed by an entry that
names it, an address by one that contains it; neither by the other: a name is looked up only if it is listed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from tenants.hosts import Address, BadHost, Network, parse_host

WEB_PORTS = frozenset({80, 443})
MOST_ENTRIES = 200
MOST_CHARACTERS = 300
# A network wider than this is no list any more.
WIDEST = {4: 8, 6: 16}


class Mode(StrEnum):
    """How much of the network a pool's sandboxes reach."""

    NONE = "none"
    ALLOW_LIST = "allow_list"
    OPEN = "open"

    @property
    def words(self) -> str:
        return {"none": "no network", "allow_list": "what the list names", "open": "any public destination"}[self]

    def exceeds(self, other: "Mode") -> bool:
        order = list(Mode)
        return order.index(self) > order.index(other)


MODE_CHOICES = [(mode.value, mode.words) for mode in Mode]


class BadEntry(ValueError):
    """An entry that cannot be used; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str = ""  # canonical; empty for a network
    below: bool = False  # the names below it, and not itself
    network: Network | None = None
    port: int | None = None  # None: those of the web

    @property
    def ports(self) -> frozenset[int]:
        return WEB_PORTS if self.port is None else frozenset({self.port})

    def allows(self, host: str | Address, port: int) -> bool:
        return port in self.ports and self.names(host)

    def names(self, host: str | Address) -> bool:
        """On whatever port."""
        if isinstance(host, str):
            return host.endswith(f".{self.name}") if self.below else bool(self.name) and host == self.name
        return self.network is not None and host in self.network

    def covers(self, other: "Entry") -> bool:
        """Whether it allows all that the other allows."""
        if not other.ports <= self.ports:
            return False
        if other.network is not None:
            return self.network is not None and _contains(self.network, other.network)
        if other.below:
            return self.below and f".{other.name}".endswith(f".{self.name}")
        return self.names(other.name)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        if self.network is None:
            return f"{'*.' * self.below}{self.name}{port}"
        whole = self.network.prefixlen == self.network.max_prefixlen
        text = str(self.network.network_address if whole else self.network)
        return f"[{text}]{port}" if port and ":" in text else f"{text}{port}"


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)


# --- Reading ---


def parse_entries(written: object) -> tuple[Entry, ...]:
    """All entries of a stored list, each once. Raises BadEntry."""
    if not isinstance(written, list) or not all(isinstance(text, str) for text in written):
        raise BadEntry("Give a list of texts.")
    if len(written) > MOST_ENTRIES:
        raise BadEntry(f"At most {MOST_ENTRIES} entries: name a domain with all below it as *.example.org.")
    return tuple(dict.fromkeys(map(parse_entry, written)))


def parse_entry(written: str) -> Entry:
    """Raises BadEntry."""
    text = written.strip()
    if not text or len(text) > MOST_CHARACTERS:
        raise BadEntry(f"An entry has 1 to {MOST_CHARACTERS} characters.")
    if "://" in text or "@" in text or "?" in text:
        raise BadEntry(f"{text!r:.80}: give only a name, as in www.example.org, and no address of a page.")
    place, port = _split_port(text)
    if "/" in place:
        return Entry(network=_parse_network(place, text), port=port)
    if place.startswith("."):
        raise BadEntry(f"{text!r:.80}: write *{place} for all below it.")
    below = place.startswith("*.")
    name = place.removeprefix("*.")
    if "*" in name:
        raise BadEntry(f"{text!r:.80}: a * stands only in front, as in *.example.org.")
    return replace(_parse_single(name, below, text), port=port)


def _parse_single(name: str, below: bool, text: str) -> Entry:
    try:
        # Of *.org only the last part is left, which by itself is no name.
        host = parse_host(f"x.{name}" if below else name)
    except BadHost as error:
        raise BadEntry(str(error).replace("'x.", "'*.", 1)) from None
    if isinstance(host, str):
        return Entry(name=host.removeprefix("x.") if below else host, below=below)
    if below:
        raise BadEntry(f"{text!r:.80}: a * goes with names only. For addresses write a network, as 198.51.100.0/24.")
    return Entry(network=ip_network(host))


def _split_port(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", text)
    if bracketed:
        if ":" not in bracketed[1]:
            raise BadEntry(f"{text!r:.80}: brackets are for IPv6, as [2001:db8::1]:443.")
        return bracketed[1], None if bracketed[2] is None else _parse_port(bracketed[2], text)
    if text.count(":") == 1:
        place, _, port = text.partition(":")
        return place, _parse_port(port, text)
    return text, None


def _parse_port(digits: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", digits, re.ASCII) or not 1 <= int(digits) <= 65535:
        raise BadEntry(f"{text!r:.80}: a port is a number from 1 to 65535.")
    return int(digits)


def _parse_network(place: str, text: str) -> Network:
    address, _, length = place.partition("/")
    if not re.fullmatch(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", address, re.ASCII):
        raise BadEntry(f"{text!r:.80}: leave out the path, or write a network as 198.51.100.0/24.")
    try:
        if not re.fullmatch(r"[0-9]{1,3}", length, re.ASCII):
            raise ValueError("a mask")
        network = ip_network(f"{address}/{length}", strict=False)
    except ValueError:
        raise BadEntry(f"{text!r:.80} is no network: write it as 198.51.100.0/24 or 2001:db8::/32.") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise BadEntry(f"{text!r:.80}: write an IPv4 network as such.")
    if str(network.network_address) != str(ip_network(address).network_address):
        raise BadEntry(f"{text!r:.80} names an address within a network: write {network}, or the address alone.")
    if network.prefixlen < WIDEST[network.version]:
        raise BadEntry(f"{text!r:.80} is too wide for a list: at most a /{WIDEST[network.version]}, or choose open.")
    return network


# --- The ceiling ---


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that an operator lets a tenant's pools reach. Without `allowed`: any public destination."""

    mode: Mode = Mode.OPEN
    allowed: tuple[Entry, ...] = ()

    def objections(self, mode: Mode, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
        """What a pool asks beyond it: a field of the pool, and a sentence."""
        if mode.exceeds(self.mode):
            allowed = f"{self.mode.words} ({self.mode.value})"
            yield "egress", f"The operator allows this tenant {allowed}: choose that, or ask the operator."
        elif self.allowed and mode is Mode.OPEN:
            yield "egress", f"This tenant may reach only {listed(self.allowed)}: choose the list, and name these."
        if self.allowed and (beyond := [entry for entry in entries if not self.covers(entry)]):
            yield "egress_allow", f"{listed(beyond)} is beyond what this tenant may reach: {listed(self.allowed)}."

    def covers(self, entry: Entry) -> bool:
        """Port by port: two entries of the ceiling may together cover one that has no port."""
        single = [replace(entry, port=port) for port in entry.ports]
        return all(any(allowed.covers(one) for allowed in self.allowed) for one in single)


def listed(entries: Iterable[Entry]) -> str:
    words = [str(entry) for entry in entries]
    return ", ".join(words[:10]) + (f" and {len(words) - 10} others" if len(words) > 10 else "")
