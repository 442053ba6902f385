"""Guesses from one address are counted, and after some are answered no more for a minute.

The secrets behind it are too long to guess; this bounds what guessing costs us. Each web process counts for itself.
"""

from ipaddress import ip_address, ip_network

from django.core.cache import cache
from django.http import HttpRequest

from tenants.addresses import client_of_request

MOST, SECONDS = 20, 60


def count_wrong(request: HttpRequest, what: str) -> None:
    key = _key(request, what)
    if not cache.add(key, 1, SECONDS):
        try:
            cache.incr(key)
        except ValueError:  # it ran out in between
            cache.add(key, 1, SECONDS)


def too_many_wrong(request: HttpRequest, what: str) -> bool:
    return int(cache.get(_key(request, what), 0)) >= MOST


def _key(request: HttpRequest, what: str) -> str:
    """By network, where one has an address for each guess."""
    written = client_of_request(request.META)
    address = ip_address(written) if written else None
    if address is not None and address.version == 6:
        written = str(ip_network((int(address), 64), strict=False).network_address)
    return f"wrong {what} {written}".replace(" ", "-")
