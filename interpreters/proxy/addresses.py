"""Which request is for which sandbox, by its host and its path as they came.

    <our host>/azure/<tenant>/<pool>/<path>?identifier=…
    <our host>/api/v1/sessions/<id>/proxy/<path>    and    …/ports/<port>/<path>
    <session>-<port>.<PREVIEW_HOST>/<path>

The path to pass on is never decoded: what was quoted stays quoted, and dots stay dots.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings

AZURE = re.compile(rb"(/azure/([-A-Za-z0-9_]{1,63})/([-A-Za-z0-9_]{1,63}))(/.*)?", re.DOTALL)
SESSION = re.compile(
    rb"(/api/v1/sessions/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})/(?:proxy|ports/([0-9]{1,5})))(/.*)?", re.DOTALL
)
LABEL = re.compile(rb"([0-9a-f]{32})-([1-9][0-9]{0,4})")
MOST_FIELDS = 1000


@dataclass(frozen=True, slots=True)
class Identified:
    """The session of an identifier; leased by the first request."""

    tenant: str
    pool: str
    identifier: str  # "" where the request names none


@dataclass(frozen=True, slots=True)
class Known:
    """A session by its id."""

    session: UUID
    port: int | None  # None: the pool's target port


@dataclass(frozen=True, slots=True)
class Address:
    target: Identified | Known
    path: bytes  # to pass on; begins with a slash
    prefix: bytes = b""  # of our path, in front of it
    isolated: bool = False  # on a host of its own


class Nowhere(Exception):
    """On the domain of previews, and none of them: nothing is there, of ours neither."""


def find(host: bytes, path: bytes, query: bytes) -> Address | None:
    """None for what is not for a sandbox. Raises Nowhere."""
    if is_preview(host):
        label = LABEL.fullmatch(_name(host)[: -len(settings.PREVIEW_HOST) - 1])
        if label is None or int(label[2]) > 65535 or not path.startswith(b"/"):
            raise Nowhere
        return Address(Known(UUID(hex=label[1].decode()), int(label[2])), path, isolated=True)
    if found := AZURE.fullmatch(path):
        target = Identified(found[2].decode(), found[3].decode(), _identifier(query))
        return Address(target, found[4] or b"/", found[1])
    if found := SESSION.fullmatch(path):
        port = int(found[3]) if found[3] else None
        return Address(Known(UUID(found[2].decode()), port), found[4] or b"/", found[1])
    return None


def is_proxied(host: bytes, path: bytes) -> bool:
    return is_preview(host) or bool(AZURE.fullmatch(path) or SESSION.fullmatch(path))


def is_preview(host: bytes) -> bool:
    """Whether this host is the domain of previews, or below it."""
    domain: bytes = settings.PREVIEW_HOST.encode()
    return bool(domain) and (b"." + _name(host)).endswith(b"." + domain)


def _name(host: bytes) -> bytes:
    """Of a Host header, without its port and in the one way to write it."""
    return re.sub(rb":[0-9]*$", b"", host.strip()).rstrip(b".").lower()


def _identifier(query: bytes) -> str:
    """What the query names; "" for nothing, and for more than one answer."""
    try:
        fields = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return ""
    names = fields.get("identifier", [])
    return names[0] if len(names) == 1 else ""
