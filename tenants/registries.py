"""Names of image registries, and which of them a tenant may use. Pure: no database, no network."""

import ipaddress
import re
from collections.abc import Iterable

ANY = "*"
DOCKER_HUB = "docker.io"
# Other names of the same registry.
ALIASES = {"index.docker.io": DOCKER_HUB, "registry-1.docker.io": DOCKER_HUB, "registry.hub.docker.com": DOCKER_HUB}
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?P<host>\[[0-9a-f:.]+\]|{LABEL}(?:\.{LABEL})*)(?::(?P<port>[1-9][0-9]{{0,4}}))?", re.ASCII)
LONGEST = 253


class BadRegistry(ValueError):
    """This names no registry; the message says what to write."""


def normalised(text: str) -> str:
    """A registry's host, with its port if it has one, as it is compared. Raises BadRegistry."""
    host = text.strip().lower()
    found = HOST.fullmatch(host) if len(host) <= LONGEST else None
    if found is None or int(found["port"] or 1) > 65535 or not _is_address_or_name(found["host"]):
        raise BadRegistry(f"{text[:100]!r} names no registry: write a host as ghcr.io or registry.example.org:5000.")
    return ALIASES.get(host, host)


def _is_address_or_name(host: str) -> bool:
    if host.startswith("["):
        return _address(host) is not None
    # Digits and dots alone must be an address, or different programs read different ones.
    return not re.fullmatch(r"[0-9.]+", host) or _address(host) is not None


def allows(host: str, allowed: Iterable[str]) -> bool:
    """Whether images may be taken from a normalised host.

    `*` stands for every registry but this machine and private addresses, which must be named one by one: else the
    engine, which sees the inner network, could be made to knock at any door of it.
    """
    names = set(allowed)
    return host in names or (ANY in names and not _is_inner(host))


def _is_inner(host: str) -> bool:
    found = HOST.fullmatch(host)
    name = found["host"] if found else host
    address = _address(name)
    if address is not None:
        return not address.is_global
    return "." not in name or name.endswith((".localhost", ".local", ".internal"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def checked_list(names: object) -> list[str]:
    """A list of hosts or `*`, normalised. Raises BadRegistry."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRegistry('Give a list of hosts, as ["ghcr.io", "registry.example.org:5000"], or ["*"] for any.')
    return [ANY if name.strip() == ANY else normalised(name) for name in names]
