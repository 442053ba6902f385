"""May this sandbox connect there? Pure: a policy and a destination in, a decision with its reason out.

In two steps, since a name that is not allowed must not even be looked up: whoever owns the domain would read it.
`admit()` judges what was asked, `choose()` the addresses that were found for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from interpreters.egress.addresses import Ground
from tenants.egress import Ceiling, Entry, Mode
from tenants.hosts import Address, BadHost, parse_host, unmapped

MOST_ADDRESSES = 4  # of one name, tried one after the other

SENTENCES = {
    "off": "This pool has no network access.",
    "ceiling": "The operator does not allow this tenant as much network access as the pool asks for.",
    "not listed": "The pool's list does not name this destination and port.",
    "not allowed": "The operator does not let this tenant reach this destination and port.",
    "malformed": "This is no request that the proxy understands.",
    "no address": "The name has no address.",
    "no session": "The session has ended.",
    "busy": "Too many names are being looked up: try again.",
    "unavailable": "The proxy cannot decide at the moment: try again.",
    "unreachable": "The destination does not answer.",
}


@dataclass(frozen=True, slots=True)
class Destination:
    host: str | Address
    port: int

    @classmethod
    def parse(cls, host: str, port: str | int) -> "Destination":
        """Raises BadHost."""
        digits = str(port)
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
            raise BadHost(f"{digits!r:.20} is no port.")
        return cls(parse_host(host), int(digits))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in str(self.host) else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a pool asks, and what its tenant may."""

    mode: Mode = Mode.NONE
    entries: tuple[Entry, ...] = ()
    ceiling: Ceiling = field(default_factory=Ceiling)


@dataclass(frozen=True, slots=True)
class Decision:
    reason: str = ""  # empty: allowed
    addresses: tuple[Address, ...] = ()
    about: Address | None = None  # which the reason is about

    @property
    def allowed(self) -> bool:
        return not self.reason

    @property
    def sentence(self) -> str:
        return SENTENCES.get(self.reason) or f"It is an address that no sandbox may reach: {self.reason}."


def admit(policy: Policy, destination: Destination) -> Decision:
    """Whether the name may be looked up, or the address looked at more closely."""
    host, port = destination.host, destination.port
    if policy.mode is Mode.NONE:
        return Decision("off")
    # A ceiling that was lowered later switches the pool off, rather than guessing which part of it is meant.
    if policy.mode.exceeds(policy.ceiling.mode):
        return Decision("ceiling")
    if policy.mode is Mode.ALLOW_LIST and not _allows(policy.entries, host, port):
        return Decision("not listed")
    if policy.ceiling.allowed and not _allows(policy.ceiling.allowed, host, port):
        return Decision("not allowed")
    return Decision()


def choose(policy: Policy, destination: Destination, found: Sequence[Address], ground: Ground) -> Decision:
    """Those of the addresses that may be connected to; the bad ones of a mixed answer are dropped."""
    admitted = admit(policy, destination)
    if not admitted.allowed:
        return admitted
    good: list[Address] = []
    bad: list[Decision] = []
    for address in dict.fromkeys(map(unmapped, found)):
        objection = ground.objection(address, named=_is_named(policy, address, destination.port))
        if objection:
            bad.append(Decision(objection, about=address))
        else:
            good.append(address)
    if good:
        return Decision(addresses=tuple(good[:MOST_ADDRESSES]))
    return bad[0] if bad else Decision("no address")


def _allows(entries: Sequence[Entry], host: str | Address, port: int) -> bool:
    return any(entry.allows(host, port) for entry in entries)


def _is_named(policy: Policy, address: Address, port: int) -> bool:
    """Named as an address: a name may lead anywhere tomorrow."""
    ceiling = policy.ceiling.allowed
    return _allows(policy.entries, address, port) and (not ceiling or _allows(ceiling, address, port))
