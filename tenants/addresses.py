"""Where a request comes from, and whether that is in a list of networks.

Whoever connects to us is believed about nobody but itself, unless it is a proxy that the operator named: then its
`X-Forwarded-For` is read from the right, and the first address that is no such proxy is the client's.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

Address = IPv4Address | IPv6Address
MOST_NETWORKS = 50


def client_of(scope: Mapping[str, Any]) -> str:
    """The address of an ASGI connection's client, "" if it has none (a Unix socket)."""
    given = scope.get("client")
    forwarded = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"x-forwarded-for"]
    return _behind(str(given[0]) if given else "", ",".join(forwarded))


def client_of_request(meta: Mapping[str, Any]) -> str:
    """The same of a request of Django's, by its META."""
    return _behind(str(meta.get("REMOTE_ADDR") or ""), str(meta.get("HTTP_X_FORWARDED_FOR") or ""))


def _behind(peer: str, forwarded: str) -> str:
    client = _parse(peer)
    believed = peer == "" or within(client, settings.TRUSTED_PROXIES)  # a Unix socket is a proxy of this machine's
    for written in reversed([part for part in forwarded.split(",") if part.strip()]):
        if not believed:
            break
        client = _parse(written.strip())
        believed = within(client, settings.TRUSTED_PROXIES)
    return str(client) if client else ""


def _parse(written: str) -> Address | None:
    try:
        address = ip_address(written.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def within(address: Address | str | None, networks: Iterable[str]) -> bool:
    """Whether an address is in one of the networks. No address is in none."""
    found = _parse(address) if isinstance(address, str) else address
    return found is not None and any(found in ip_network(network) for network in networks)


def check_networks(networks: object) -> None:
    """Raises ValidationError with what to do, unless this is a list of networks in canonical form."""
    if not isinstance(networks, list) or not all(isinstance(network, str) for network in networks):
        raise ValidationError("Give a list of networks, as 198.51.100.0/24 or 2001:db8::/32.")
    if len(networks) > MOST_NETWORKS:
        raise ValidationError(f"At most {MOST_NETWORKS} networks: join neighbours into larger ones.")
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ValidationError(f"{error}: write a network as 198.51.100.0/24, an address alone as it is.") from None
