"""The addresses of this machine, read afresh, and what the operator's settings say of others."""

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_interface, ip_network

import ifaddr
from django.conf import settings

from interpreters.egress.addresses import SPECIAL, Ground, Special
from tenants.hosts import Address, Network

LIFETIME = 2.0  # seconds that one reading is used

Interfaces = tuple[frozenset[Address], frozenset[Network]]


def read_interfaces() -> Interfaces:
    """Every address of every interface, and the networks that they stand in."""
    own: set[Address] = set()
    subnets: set[Network] = set()
    for adapter in ifaddr.get_adapters():
        for found in adapter.ips:
            # IPv6 comes as (address, flow, scope), and a link-local one may bear its zone.
            text = (found.ip if isinstance(found.ip, str) else found.ip[0]).partition("%")[0]
            own.add(ip_address(text))
            subnets.add(ip_interface(f"{text}/{found.network_prefix}").network)
    return frozenset(own), frozenset(subnets)


class Surroundings:
    def __init__(
        self,
        special: Sequence[Special] = SPECIAL,
        interfaces: Callable[[], Interfaces] = read_interfaces,
        opened: Sequence[str] | None = None,
    ) -> None:
        self._special, self._interfaces = special, interfaces
        self._denied = tuple(map(ip_network, settings.EGRESS_DENY))
        self._opened = tuple(map(ip_network, settings.EGRESS_PRIVATE_ALLOW if opened is None else opened))
        self._ground: Ground | None = None
        self._read_at = 0.0

    def ground(self) -> Ground:
        """Raises OSError when the interfaces cannot be read: then nothing may be allowed."""
        now = time.monotonic()
        if self._ground is None or now - self._read_at > LIFETIME:
            own, subnets = self._interfaces()
            self._ground = Ground(own, subnets, self._denied, self._opened, self._special)
            self._read_at = now
        return self._ground
