"""Names and addresses of machines in one canonical form, so that what is compared is what is meant. Pure.

Whatever has more than one reading is refused: `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some programs and
names to others.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST_CHARACTERS = 253
# Underscores are no part of host names, and yet of many names in use.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_FOUR_NUMBERS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


class BadHost(ValueError):
    """Neither a name nor an address; the message says how it is written."""


def parse_host(text: str) -> str | Address:
    """An address, or a name in ASCII and lower case without its last dot. Raises BadHost."""
    if text.startswith("[") and text.endswith("]"):
        return _parse_ipv6(text[1:-1])
    if ":" in text:
        return _parse_ipv6(text)
    return _parse_name(text)


def unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped one stands for; any other as it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _parse_ipv6(text: str) -> Address:
    try:
        if "%" in text:
            raise ValueError("a zone names an interface of this machine")
        return unmapped(IPv6Address(text))
    except ValueError:
        raise BadHost(f"{text!r:.80} is no IPv6 address: write it as 2001:db8::1, without a zone.") from None


def _parse_name(text: str) -> str | Address:
    name = _in_ascii(text).lower().removesuffix(".")
    if _FOUR_NUMBERS.fullmatch(name):
        return _parse_ipv4(name, text)
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise BadHost(f"{text!r:.80} is no name, and no IPv4 address as four decimal numbers such as 192.0.2.1.")
    if len(name) > MOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise BadHost(f"{text!r:.80} is no name: letters, digits, - and _, in parts of at most 63, with dots between.")
    if len(labels) < 2:
        raise BadHost(f"{text!r:.80} has no dot: write the whole name, such as www.example.org.")
    return name


def _in_ascii(text: str) -> str:
    if text.isascii():
        return text
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError("too long")
        name = idna.encode(text, uts46=True).decode()
    except ValueError:
        raise BadHost(f"{text!r:.80} is no international name: write it in its xn-- form.") from None
    if _NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]):
        raise BadHost(f"{text!r:.80} has digits of another script: write an address in plain digits.")
    return name


def _parse_ipv4(name: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(name)
    except ValueError:
        message = f"{text!r:.80} is no IPv4 address: each number is 0 to 255, without leading zeros."
        raise BadHost(message) from None
