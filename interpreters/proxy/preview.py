"""The one address of ours on an isolated origin: it takes a ticket, and gives the cookie of that origin."""

import re
from datetime import timedelta
from urllib.parse import parse_qs

from django.conf import settings

from interpreters import sessions
from interpreters.models.preview import COOKIE_LIFETIME
from interpreters.proxy import headers, http, websocket
from interpreters.proxy.addresses import Address, Known
from interpreters.proxy.http import Receive, Scope, Send
from interpreters.sessions import Problem, problems

OURS = b"/.thermae/"
ENTER = b"/.thermae/enter"
LONGEST_TICKET = 500
# Of printable ASCII, and no address of another host: a browser reads "//" and "/\\" as the beginning of one.
PATH = re.compile(r"/(?![/\\])[!-~]{0,2000}")


async def serve(address: Address, scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing below OURS ever reaches a sandbox."""
    if scope["type"] == "websocket":
        await receive()
        await websocket.Conversation(scope, receive, send).refuse(problems.NotFound("There is no such WebSocket."))
        return
    try:
        if address.path != ENTER or scope["method"] != "GET":
            raise problems.NotFound("There is nothing at this address.")
        await _welcome(await _cookie(address, scope), _page(scope), send)
    except Problem as problem:
        await http.refuse(problem, send, page=headers.wants_page(scope["headers"]))


def _page(scope: Scope) -> str:
    """Where the link leads: a path of this host, whatever is asked for."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    path = asked.get("to", ["/"])[0]
    return path if PATH.fullmatch(path) else "/"


async def _cookie(address: Address, scope: Scope) -> str:
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=None)
    ticket = asked.get("ticket", [""])[0]
    target = address.target
    if not isinstance(target, Known) or target.port is None or len(ticket) > LONGEST_TICKET:
        raise problems.NotFound("There is nothing at this address.")
    return await sessions.ports.enter(ticket, target.session, target.port)


async def _welcome(cookie: str, page: str, send: Send) -> None:
    fields = [
        (b"location", page.encode()),
        (b"set-cookie", _set_cookie(cookie, COOKIE_LIFETIME)),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": fields})
    await send({"type": "http.response.body", "body": b""})


def _set_cookie(value: str, lifetime: timedelta) -> bytes:
    secure = "; Secure" if settings.BEHIND_TLS_PROXY else ""
    attributes = f"Path=/; Max-Age={int(lifetime.total_seconds())}; HttpOnly; SameSite=Lax{secure}"
    return f"{headers.preview_cookie()}={value}; {attributes}".encode()
