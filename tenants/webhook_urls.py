"""Addresses of webhooks as tenants write them, in one canonical form. Pure.

They are strict: what two programs could read differently (a backslash, a name with a password, an address in one
number) is refused, so that the machine that is checked is the machine that is meant.
"""

import re
from dataclasses import dataclass

from tenants.hosts import Address, BadHost, parse_host

LONGEST = 500
DEFAULT_PORTS = {"https": 443, "http": 80}
# Below it only the web's own: those of mail servers, shells and the like are no webhooks.
FIRST_FREE_PORT = 1024
_URL = re.compile(r"(?i:(https?))://([^/?#\\@\s]+)(/[^?#]*)?(\?[^#]*)?", re.ASCII)
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)


class BadUrl(ValueError):
    """The message says how it is written."""


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    scheme: str
    host: str | Address
    port: int
    target: str  # path and query

    @classmethod
    def parse(cls, text: str, *, allow_http: bool = False) -> "WebhookUrl":
        """Raises BadUrl."""
        if len(text) > LONGEST:
            raise BadUrl(f"A webhook's address has at most {LONGEST} characters.")
        found = _URL.fullmatch(text.strip())
        if found is None:
            raise BadUrl("Write it as https://hooks.example.org/path, without a user, a password or a fragment.")
        scheme, authority, path, query = found.groups()
        scheme = scheme.lower()
        if scheme == "http" and not allow_http:
            raise BadUrl("Webhooks are sent by https:// only.")
        target = (path or "/") + (query or "")
        if not _PATH.fullmatch(target):
            raise BadUrl("Of its path and query write all but letters, digits and -._~!$&'()*+,;=:@/? as %XX.")
        name, port = _split(authority, scheme)
        try:
            return cls(scheme, parse_host(name), port, target)
        except BadHost as error:
            raise BadUrl(str(error)) from None

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _split(authority: str, scheme: str) -> tuple[str, int]:
    bracketed = re.fullmatch(r"(\[[^\[\]]*\])(?::(.*))?", authority)
    name, digits = (bracketed[1], bracketed[2]) if bracketed else _at_colon(authority)
    if digits is None:
        return name, DEFAULT_PORTS[scheme]
    if not re.fullmatch(r"[0-9]{1,5}", digits, re.ASCII) or not 1 <= int(digits) <= 65535:
        raise BadUrl("A port is a number from 1 to 65535.")
    port = int(digits)
    if port < FIRST_FREE_PORT and port != DEFAULT_PORTS[scheme]:
        raise BadUrl(f"Use port {DEFAULT_PORTS[scheme]}, or one from {FIRST_FREE_PORT} on.")
    return name, port


def _at_colon(authority: str) -> tuple[str, str | None]:
    if authority.count(":") > 1:
        raise BadUrl("An IPv6 address stands in brackets, as https://[2001:db8::1]/.")
    name, colon, digits = authority.partition(":")
    return name, digits if colon else None
