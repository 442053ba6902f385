"""A server in a session's sandbox: requests and WebSockets passed on to it, and ways into it for a browser."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from django.conf import settings

from interpreters.auditing import preview_opened
from interpreters.client import Exchange, Forward, Tunnel
from interpreters.lifecycle import State
from interpreters.models import Preview, Session
from interpreters.sessions import access, problems
from tenants.authentication import Actor, NotAllowed, actor_from_known_sign_in, actor_from_known_token
from tenants.models import Scope
from tenants.threads import in_thread

BY_LINK = "Open this page by a link from POST /api/v1/sessions/<id>/previews: each opens it once, within a minute."


def port_of(session: Session, wanted: int | None) -> int:
    """The port that is meant: a custom container has one; where code runs, any may have been opened. Raises Problem."""
    target: int | None = session.has("target_port")
    if wanted is None:
        if target is None:
            raise problems.NotFound(
                "This pool runs code and has no target port: name the port, as in /sessions/<id>/ports/8000/.",
                "no_target_port",
            )
        return target
    if target is not None and wanted != target:
        raise problems.NotFound(f"A session of this pool answers at its target port {target} only.", "no_such_port")
    if not 1 <= wanted <= 65535:
        raise problems.BadRequest("A port is a number from 1 to 65535.", "bad_port")
    return wanted


@in_thread
def check_target(actor: Actor, pool: str, identifier: str) -> None:
    """Raises Problem unless the tenant has such a pool, of containers with a target port."""
    access.allowed(actor, Scope.SESSIONS_USE)
    found = access.find_pool(actor, pool, identifier)
    if found.target_port is None:
        raise problems.NotFound(
            "This pool runs code and has no target port: use /api/v1/sessions/<id>/ports/<port>/.", "no_target_port"
        )


@asynccontextmanager
async def forward(session: Session, request: Forward) -> AsyncIterator[Exchange]:
    async with access.passer_of(session) as agent, agent.forward(request) as exchange:
        yield exchange


@asynccontextmanager
async def tunnel(session: Session, request: Forward, subprotocols: Sequence[str], limit: int) -> AsyncIterator[Tunnel]:
    """Raises HandshakeRefused besides Problems."""
    async with access.passer_of(session) as agent, agent.tunnel(request, subprotocols, limit) as opened:
        yield opened


async def listening(session: Session) -> list[int]:
    """Where servers listen in a running session; in a custom container that is its target port. Raises Problem."""
    if (target := session.has("target_port")) is not None:
        if session.state != State.LEASED:
            raise access.not_running(session)
        return [target]
    async with access.agent_of(session) as agent:
        return await agent.ports()


# --- Browsers ---


@in_thread
def open_preview(actor: Actor, session: UUID, port: int | None) -> Preview:
    """A way into a port of a running session, for who asks and for one browser."""
    if not settings.PREVIEW_HOST:
        raise problems.Conflict(
            "Pages of a sandbox need a domain of their own, and none is set: the operator sets THERMAE_PREVIEW_HOST.",
            "previews_off",
        )
    found = access.find(actor, session)
    if found.state != State.LEASED:
        raise access.not_running(found)
    preview = Preview.issue(found, port_of(found, port), actor.user, actor.token, actor.provider)
    preview_opened(actor, found, preview.port)
    return preview


@in_thread
def enter(ticket: str, session: UUID, port: int) -> str:
    """The cookie for a ticket, which is used up by this. Raises Problem."""
    preview = Preview.objects.at(session, port).by_ticket(ticket).first()
    if preview is None or not preview.enter():
        raise problems.NotSignedIn(f"This link was used before, or is too old. {BY_LINK}", "bad_ticket")
    return preview.cookie


@in_thread
def visitor(cookie: str, session: UUID, port: int) -> Actor:
    """Who came in by a preview. Raises Problem once what made it, a sign-in or a token, counts no more."""
    preview = Preview.objects.at(session, port).by_cookie(cookie).first()
    if preview is None or preview.session.tenant is None:
        raise problems.NotSignedIn(BY_LINK, "no_preview")
    try:
        if preview.token_id is not None:
            return actor_from_known_token(preview.token_id)
        return actor_from_known_sign_in(preview.user, preview.provider, preview.session.tenant.slug)
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal
