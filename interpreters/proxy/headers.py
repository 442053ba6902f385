"""Which headers pass, in either direction. What is ours never reaches a sandbox, and what a sandbox says never acts on
our origin."""

import html
import ipaddress
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from django.conf import settings

from interpreters.client import Fields
from interpreters.sessions import Problem
from tenants import token_text

OUR_AUTHORIZATION = b"x-thermae-authorization"
HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"transfer-encoding", b"upgrade", b"http2-settings",
    }
)  # fmt: skip
# Said by us anew, so that nobody can pretend: where a request came from, and for which host.
SAID_BY_US = frozenset({b"host", b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url"})
WEBSOCKET = b"sec-websocket-"
# Of answers: they act on a whole origin, or on the way to it, beyond the one page.
NOT_OF_A_SANDBOX = frozenset({b"alt-svc", b"strict-transport-security", b"public-key-pins"})
NOT_ON_OURS = frozenset({b"clear-site-data", b"service-worker-allowed", b"x-content-type-options", b"origin-trial"})
SANDBOXED: Fields = ((b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff"))
LOCAL = re.compile(rb"(?:https?:)?//(?:127\.0\.0\.1|localhost)(?::([0-9]{1,5}))?(?=/|$)", re.IGNORECASE)
PREVIEW = "thermae_preview"


def preview_cookie() -> str:
    """Behind TLS its prefix keeps all other hosts from setting it."""
    return f"__Host-{PREVIEW}" if settings.BEHIND_TLS_PROXY else PREVIEW


def our_cookies() -> frozenset[bytes]:
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "messages", PREVIEW, f"__Host-{PREVIEW}")
    return frozenset(name.encode() for name in names)


@dataclass(frozen=True, slots=True)
class Came:
    """Where a request came from: what `X-Forwarded-*` will say."""

    client: str
    host: bytes
    scheme: str
    prefix: bytes


# --- Into the sandbox ---


def inward(headers: Fields, came: Came, origin: bytes = b"", port: int = 0) -> Fields:
    """Of a request. `origin`: the isolated one; a request of its own pages is one of the server's own pages."""
    dropped = HOP_BY_HOP | SAID_BY_US | _named(headers)
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name in dropped or name.startswith((b"x-forwarded-", b"x-thermae-", WEBSOCKET)):
            continue
        if name == b"authorization" and is_ours(value):
            continue
        if name == b"cookie":
            value = without_our_cookies(value)
            if not value:
                continue
        if name == b"origin" and origin and value == origin:
            value = b"http://127.0.0.1:%d" % port
        kept.append((name, value))
    if any(name == b"te" and b"trailers" in value.lower() for name, value in headers):
        kept.append((b"te", b"trailers"))
    if any(name == b"transfer-encoding" for name, _ in headers):
        kept.append((b"transfer-encoding", b"chunked"))
    return [*kept, *_forwarded(came)]


def _forwarded(came: Came) -> Iterator[tuple[bytes, bytes]]:
    with suppress(ValueError):  # a socket without addresses, or nonsense of a proxy
        yield b"x-forwarded-for", str(ipaddress.ip_address(came.client)).encode()
    yield b"x-forwarded-host", came.host
    yield b"x-forwarded-proto", came.scheme.encode()
    if came.prefix:
        yield b"x-forwarded-prefix", came.prefix


def _named(headers: Fields) -> frozenset[bytes]:
    """What `Connection` names is for us alone; the length of a body is nothing that it could name."""
    named = b",".join(value for name, value in headers if name == b"connection").lower()
    return frozenset(name.strip() for name in named.split(b",")) - {b"content-length"}


def is_ours(authorization: bytes) -> bool:
    """Whether it carries a token of ours, in whatever scheme."""
    return token_text.PREFIX.encode() in authorization


def without_our_cookies(value: bytes) -> bytes:
    ours = our_cookies()
    return b"; ".join(
        pair for part in value.split(b";") if (pair := part.strip()) and pair.partition(b"=")[0].strip() not in ours
    )


def offered(headers: Fields) -> list[str]:
    """The subprotocols that a client offers, as they are written."""
    values = b",".join(value for name, value in headers if name == b"sec-websocket-protocol")
    return [word for part in values.decode("latin-1").split(",") if (word := part.strip())]


# --- Out of it ---


def outward(headers: Fields, *, isolated: bool, port: int) -> Fields:
    """Of an answer. On our own origin it is sandboxed as well, whatever it says of itself."""
    dropped = NOT_OF_A_SANDBOX if isolated else NOT_OF_A_SANDBOX | NOT_ON_OURS
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name in dropped:
            continue
        if name == b"set-cookie":
            value = host_only(value)
            if not value:
                continue
        if name == b"location" and isolated:
            value = _relative(value, port)
        kept.append((name, value))
    return kept if isolated else [*kept, *SANDBOXED]


def host_only(cookie: bytes) -> bytes:
    """A cookie that goes back to this very host alone; nothing if it has a name of ours."""
    pair, *attributes = cookie.split(b";")
    name = pair.partition(b"=")[0].strip()
    # A name that differs only in case is ours to some browsers' prefixes, and a nameless value can be read as a pair.
    if not name or name.lower() in {ours.lower() for ours in our_cookies()} or b"=" not in pair:
        return b""
    kept = [attribute for attribute in attributes if attribute.partition(b"=")[0].strip().lower() != b"domain"]
    return b";".join([pair, *kept])


def _relative(location: bytes, port: int) -> bytes:
    """A server that names itself by what it knows of itself means the host that the browser knows."""
    found = LOCAL.match(location)
    if found is None or int(found[1] or 80) != port:
        return location
    return location[found.end() :] or b"/"


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><title>Thermae</title>
<body style="font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem"><p>{}</p>
"""


def wants_page(fields: Fields) -> bool:
    """Whether a person looks at the answer, in a browser."""
    return any(b"text/html" in value for value in values(fields, b"accept"))


def refusal(problem: Problem, *, page: bool = False) -> tuple[int, Fields, bytes]:
    """Status, headers and body of what we say ourselves, as JSON or as a page."""
    body = msgspec.json.encode({"error": problem.code, "message": problem.message})
    if page:
        body = PAGE.format(html.escape(problem.message)).encode()
    fields = [
        (b"content-type", b"text/html; charset=utf-8" if page else b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
        *SANDBOXED,
    ]
    if problem.retry_after is not None:
        fields.append((b"retry-after", b"%d" % problem.retry_after))
    if problem.status == 401:
        fields.append((b"www-authenticate", b"Bearer"))
    return problem.status, fields, body
