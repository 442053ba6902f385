"""Which addresses are nobody's to reach, whatever a list says. Pure.

Everything in the registries of special addresses is refused, and of IPv6 all that is not global unicast. Forms that
carry an IPv4 address are judged by it where that is their use (NAT64), and refused where they are history.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from tenants.hosts import Address, Network, unmapped


@dataclass(frozen=True, slots=True)
class Special:
    network: Network
    word: str
    final: bool = False  # no setting of the operator's opens it


def _special(word: str, *networks: str, final: bool = False) -> list[Special]:
    return [Special(ip_network(network), word, final) for network in networks]


DOCUMENTATION = _special(
    "documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"
)
SPECIAL: Sequence[Special] = (
    *_special("unspecified", "0.0.0.0/8", "::/128", final=True),
    *_special("loopback", "127.0.0.0/8", "::1/128"),
    # What a cloud tells its machines, keys among it. Azure's is a public address.
    *_special("metadata", "169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128"),
    *_special("metadata", "fd20:ce::254/128", "192.0.0.192/32"),
    *_special("link-local", "169.254.0.0/16", "fe80::/10"),
    *_special("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fec0::/10"),
    *_special("shared", "100.64.0.0/10"),
    *_special("unique-local", "fc00::/7"),
    *_special("multicast", "224.0.0.0/4", "ff00::/8", final=True),
    *_special("reserved", "192.0.0.0/24", "198.18.0.0/15", "2001::/23"),
    *_special("reserved", "240.0.0.0/4", final=True),
    # Deprecated ways through somebody's relay, or to an IPv4 address in disguise.
    *_special("tunnel", "192.88.99.0/24", "2002::/16", "::/96", final=True),
    *DOCUMENTATION,
)
# The same without the prefixes for documentation, for tests that have no other public addresses of their own.
SPECIAL_BUT_DOCUMENTATION = tuple(special for special in SPECIAL if special not in DOCUMENTATION)

GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known of the place where the proxy stands."""

    own: frozenset[Address] = frozenset()  # of this machine's interfaces
    subnets: frozenset[Network] = frozenset()
    denied: tuple[Network, ...] = ()  # by the operator
    opened: tuple[Network, ...] = ()  # by the operator, for who names the address
    special: Sequence[Special] = field(default=SPECIAL, repr=False)

    def objection(self, address: Address, *, named: bool) -> str:
        """Why nobody may connect there, in a word; empty if it is public.

        `named`: the list of the pool names this address, or a network around it. Only then counts what is opened.
        """
        meant = _meant(address)
        if _any(self.denied, address, meant):
            return "denied"
        refused = next((special for special in self.special if meant in special.network), None)
        if refused is None and isinstance(meant, IPv6Address) and meant not in GLOBAL_UNICAST:
            return "reserved"
        if refused is not None and refused.final:
            return refused.word
        word = refused.word if refused else self._own(address) or self._own(meant)
        return "" if word and named and self._is_opened(meant, word) else word

    def _own(self, address: Address) -> str:
        if address in self.own:
            return "this machine"
        return "this machine's network" if _any(self.subnets, address) else ""

    def _is_opened(self, address: Address, word: str) -> bool:
        """The machine itself, and metadata, are opened only one by one: a network around them does not bring them."""
        if address in self.own or word == "metadata":
            return any(net.prefixlen == net.max_prefixlen and address in net for net in self.opened)
        return _any(self.opened, address)


def _any(networks: Iterable[Network], *addresses: Address) -> bool:
    return any(address in network for network in networks for address in addresses)


def _meant(address: Address) -> Address:
    """The address that a packet ends at."""
    address = unmapped(address)
    if isinstance(address, IPv6Address) and address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
