"""What a request for a sandbox brings to be let in, and whether a page may have sent it.

On our own origin only a token counts: a cookie would let any page of ours, and so what it shows, be a way into the
sandbox, and the sandbox's page be one of ours. On an isolated origin only the cookie of that very origin counts, and
only for what its own pages ask, or for a person who goes there.
"""

from django.conf import settings
from django.http import parse_cookie

from interpreters.client import Fields
from interpreters.proxy import headers
from interpreters.proxy.addresses import Address, Known
from interpreters.proxy.headers import OUR_AUTHORIZATION, Came
from interpreters.proxy.http import Scope
from interpreters.proxy.lookup import Credential, Token, Visit
from interpreters.sessions import ports, problems
from tenants.addresses import client_of
from tenants.authentication import LONGEST_TOKEN, SUBPROTOCOL_PREFIX, NotAllowed, bearer


def origin(came: Came) -> bytes:
    """As a browser writes it."""
    return came.scheme.encode() + b"://" + came.host.lower()


def of(address: Address, scope: Scope, own_origin: bytes) -> Credential:
    """Raises Problem."""
    if address.isolated and isinstance(address.target, Known):
        check_page(scope, own_origin)
        return _visit(scope["headers"], address.target)
    return _token(scope)


def _token(scope: Scope) -> Token:
    given, client = scope["headers"], client_of(scope)
    for name in (OUR_AUTHORIZATION, b"authorization"):
        for value in headers.values(given, name)[:1]:
            if name == OUR_AUTHORIZATION or headers.is_ours(value):
                return _checked(value, client)
    if scope["type"] == "websocket":
        for word in headers.offered(given):
            if word.startswith(SUBPROTOCOL_PREFIX):
                return Token(word.removeprefix(SUBPROTOCOL_PREFIX)[: LONGEST_TOKEN + 1], client)
    if settings.SESSION_COOKIE_NAME in _cookies(given):
        raise problems.NotAllowed(
            "A browser gets the pages of a sandbox on an origin of their own only: open the link that "
            "POST /api/v1/sessions/<id>/previews gives, or send a token.",
            "isolated_origin",
        )
    raise problems.NotSignedIn(
        "Send a token as “Authorization: Bearer thm_…”, or as “X-Thermae-Authorization” if the sandbox is to get an "
        "Authorization of its own.",
        "not_signed_in",
    )


def _checked(authorization: bytes, client: str) -> Token:
    try:
        return Token(bearer(authorization.decode("latin-1"))[: LONGEST_TOKEN + 1], client)
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal


def _visit(given: Fields, target: Known) -> Visit:
    cookie = _cookies(given).get(headers.preview_cookie())
    if not cookie or target.port is None:
        raise problems.NotSignedIn(ports.BY_LINK, "no_preview")
    return Visit(cookie, target.session, target.port)


def check_page(scope: Scope, own_origin: bytes) -> None:
    """All previews are one site to a browser, which sends the cookie of one when a page of another asks for it."""
    given = scope["headers"]
    asking = headers.values(given, b"origin")
    site = headers.values(given, b"sec-fetch-site")
    goes_there = (
        scope.get("method") in ("GET", "HEAD")
        and headers.values(given, b"sec-fetch-mode") == [b"navigate"]
        and headers.values(given, b"sec-fetch-dest") == [b"document"]
    )
    foreign = any(page.lower() != own_origin for page in asking)
    foreign |= bool(site) and site not in ([b"same-origin"], [b"none"]) and not goes_there
    if foreign or (scope["type"] == "websocket" and not asking):
        raise problems.NotAllowed("This page may not reach another one's sandbox.", "foreign_origin")


def _cookies(given: Fields) -> dict[str, str]:
    return parse_cookie("; ".join(value.decode("latin-1") for value in headers.values(given, b"cookie")))
