"""The ASGI application in front of all others: what is for a sandbox is passed on, the rest goes to `inner`."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.http.request import split_domain_port, validate_host

from interpreters import sessions
from interpreters.client import Fields, Forward
from interpreters.models import Session
from interpreters.proxy import addresses, credentials, headers, http, preview, websocket
from interpreters.proxy.addresses import Address, Identified, Known
from interpreters.proxy.http import Receive, Scope, Send
from interpreters.proxy.lookup import Credential, lookup
from interpreters.sessions import Problem, ports, problems, standing
from tenants.authentication import Actor

logger = logging.getLogger(__name__)

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Conversation = http.Conversation | websocket.Conversation
# Seconds between two looks at whether a conversation may go on; each also counts its session as used.
LOOK_EVERY = 2.0
# Requests and WebSockets that one session may have at the same time.
MOST_AT_ONCE = 128
_open: Counter[UUID] = Counter()


def in_front_of(inner: Application) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await inner(scope, receive, send)
            return
        host = b"".join(headers.values(scope["headers"], b"host")[:1])
        path = scope.get("raw_path") or scope["path"].encode()
        try:
            address = addresses.find(host, path, scope.get("query_string", b""))
        except addresses.Nowhere:
            await _refuse(problems.NotFound("There is no preview at this address."), scope, receive, send)
            return
        if address is None:
            await inner(scope, receive, send)
        else:
            await _serve(address, host, scope, receive, send)

    return application


async def _serve(address: Address, host: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    if address.isolated and address.path.startswith(preview.OURS):
        await preview.serve(address, scope, receive, send)
        return
    talk: Conversation
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        talk = websocket.Conversation(scope, receive, send)
    else:
        outward = partial(headers.outward, isolated=address.isolated, port=_port(address))
        talk = http.Conversation(scope, receive, send, outward)
    page = address.isolated and headers.wants_page(scope["headers"])
    try:
        await _pass_on(address, host, scope, talk)
    except Problem as problem:
        await _tell(problem, talk, send, page)
    except DatabaseError:
        logger.exception("a request for a sandbox")
        trouble = problems.Unavailable("The database does not answer: try again.", "database", retry_after=2)
        await _tell(trouble, talk, send, page)


async def _pass_on(address: Address, host: bytes, scope: Scope, talk: Conversation) -> None:
    came = _came(address, host, scope)
    if not address.isolated and not validate_host(split_domain_port(host.decode("latin-1"))[0], _hosts()):
        raise problems.BadRequest("This host is none of ours: see THERMAE_ALLOWED_HOSTS.", "bad_host")
    if scope.get("method") == "CONNECT":
        raise problems.BadRequest("CONNECT names no path: use any other method.")
    origin = credentials.origin(came)
    credential = credentials.of(address, scope, origin)
    actor = await lookup().actor(credential)
    _check_tenant(actor, address)
    inward = headers.inward(scope["headers"], came, origin if address.isolated else b"", _port(address))
    session = await lookup().session(actor, address.target)
    try:
        await _hold(talk, session, actor, credential, _request(session, address, scope, inward))
    except (problems.Ended, problems.Unavailable) as problem:
        lookup().forget(actor, address.target)
        if talk.reached or problem.code == "busy":
            raise
        # What we remembered was over, and nothing has been sent: once more, with a session of now.
        session = await lookup().session(actor, address.target)
        await _hold(talk, session, actor, credential, _request(session, address, scope, inward))


async def _hold(talk: Conversation, session: Session, actor: Actor, credential: Credential, request: Forward) -> None:
    """The conversation, watched: it ends with the session, and with the permission of who has it."""
    with _counted(session.pk):
        sessions.note_use(session)
        holding = asyncio.ensure_future(talk.hold(session, request))
        watching = asyncio.ensure_future(_watch(session, actor, credential))
        try:
            await asyncio.wait((holding, watching), return_when=asyncio.FIRST_COMPLETED)
            (holding if holding.done() else watching).result()
        finally:
            for task in (holding, watching):
                task.cancel()
            await asyncio.gather(holding, watching, return_exceptions=True)


async def _watch(session: Session, actor: Actor, credential: Credential) -> None:
    async with aclosing(standing.looks(lambda: actor, LOOK_EVERY)) as looks:
        async for _ in looks:
            try:
                if standing.has_expired(actor):
                    lookup().forget_person(actor.user.pk)
                actor = await lookup().still(credential, session.pk)
            except DatabaseError as error:
                logger.warning("session %s is used without its row: %s", session.pk, error)
            sessions.note_use(session)


@contextmanager
def _counted(session: UUID) -> Iterator[None]:
    if _open[session] >= MOST_AT_ONCE:
        message = f"A session takes {MOST_AT_ONCE} requests at the same time: wait for answers."
        raise problems.Unavailable(message, "busy", retry_after=1)
    _open[session] += 1
    try:
        yield
    finally:
        _open[session] -= 1
        if not _open[session]:
            del _open[session]


def _request(session: Session, address: Address, scope: Scope, inward: Fields) -> Forward:
    wanted = address.target.port if isinstance(address.target, Known) else None
    query = scope.get("query_string", b"")
    target = address.path + (b"?" + query if query else b"")
    return Forward(ports.port_of(session, wanted), scope.get("method", "GET").encode(), target, inward)


def _check_tenant(actor: Actor, address: Address) -> None:
    target = address.target
    if not isinstance(target, Identified):
        return
    if actor.tenant.slug != target.tenant:
        raise problems.NotFound("There is no such tenant, or this token is of another one.")
    if not target.identifier:
        raise problems.BadRequest(
            "Name your session: add ?identifier=<a name of your own> to the address, once. The first request gives it "
            "a session, and the next ones with the same name find it.",
            "no_identifier",
        )


def _came(address: Address, host: bytes, scope: Scope) -> headers.Came:
    client = scope.get("client") or ("",)
    scheme = "http"
    if settings.BEHIND_TLS_PROXY and headers.values(scope["headers"], b"x-forwarded-proto") == [b"https"]:
        scheme = "https"
    return headers.Came(str(client[0]), host, scheme, address.prefix)


def _port(address: Address) -> int:
    """The one that the address names; 0 where it is the pool's."""
    return (address.target.port or 0) if isinstance(address.target, Known) else 0


def _hosts() -> list[str]:
    return list(settings.ALLOWED_HOSTS) or [".localhost", "127.0.0.1", "[::1]"]


async def _tell(problem: Problem, talk: Conversation, send: Send, page: bool) -> None:
    if isinstance(talk, websocket.Conversation):
        await talk.refuse(problem)
    elif talk.begun:
        await talk.break_off()
    else:
        await http.refuse(problem, send, page=page)


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await websocket.Conversation(scope, receive, send).refuse(problem)
    else:
        await http.refuse(problem, send)
