"""Finding a session, and speaking to its agent. Every query starts at the tenant of who asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from django.db.models import Q

from interpreters.client import Agent, AgentMisbehaved, AgentRefused, AgentUnavailable, get_agent
from interpreters.lifecycle import Reason, State
from interpreters.models import Session, SessionPool, Workspace
from interpreters.models.session import SessionQuerySet
from interpreters.models.workspace import WorkspaceQuerySet
from interpreters.sessions import guards, problems
from tenants.authentication import Actor, NotAllowed
from tenants.models import Scope
from tenants.threads import in_thread


def allowed(actor: Actor, scope: str, session: UUID | None = None) -> None:
    """Raises Problem unless `actor` has the scope, and its token, if it opens one session only, opens this one."""
    try:
        actor.require(scope, session=session)
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal


def find_pool(actor: Actor, name: str, identifier: str) -> SessionPool:
    """The pool of this name that the tenant may use, or in which its session of this name is open. Raises NotFound.

    So that who reloads a page finds the session that runs, though the pool is offered to the tenant no more.
    """
    found = None
    if actor.uses(name):
        found = SessionPool.objects.named(actor.tenant, name)
        found = found or SessionPool.objects.with_session_of(actor.tenant, identifier).filter(name=name).first()
    if found is None:
        raise problems.NotFound(f"There is no pool named {name!r:.80}: GET /pools lists those that you may use.")
    return found


def sessions_of(actor: Actor) -> SessionQuerySet:
    """The tenant's sessions that its token may use."""
    rows = Session.objects.filter(tenant=actor.tenant)
    return rows.filter(pool__name__in=actor.only_pools) if actor.only_pools else rows


def workspaces_of(actor: Actor) -> WorkspaceQuerySet:
    """The tenant's workspaces that its token may use. They have no pool; the session whose files they are of has."""
    rows = Workspace.objects.filter(tenant=actor.tenant)
    if not actor.only_pools:
        return rows
    return rows.filter(Q(session=None, content="") | Q(session__in=sessions_of(actor).values("pk")))


def find(actor: Actor, session: UUID) -> Session:
    """The tenant's session, with its pool and image. Synchronous: for code that is at the database already."""
    allowed(actor, Scope.SESSIONS_USE, session)
    found = Session.objects.of(actor.tenant, session)
    if found is None or not actor.uses(found.pool.name) or not guards.passes(actor, found.identifier):
        raise problems.NotFound("There is no such session: it may never have been, or be another tenant's.")
    return found


get = in_thread(find)


@asynccontextmanager
async def agent_of(session: Session) -> AsyncIterator[Agent]:
    """The agent of a running session of code. What goes wrong with it inside the block is raised as a Problem."""
    needs_kernel(session)
    async with passer_of(session) as agent:
        yield agent


@asynccontextmanager
async def passer_of(session: Session) -> AsyncIterator[Agent]:
    """What passes requests on to servers in a running session: its agent, or the relay beside a custom container."""
    if session.state != State.LEASED:
        raise not_running(session)
    try:
        yield get_agent(session.pk)
    except AgentRefused as refusal:
        raise problems.of_agent(refusal) from refusal
    except AgentMisbehaved as fault:
        await misbehaved(session, fault)
        raise problems.Misbehaved(Reason.MISBEHAVED.sentence) from fault
    except AgentUnavailable as silence:
        await session.arefresh_from_db(fields=["state", "reason"])
        if session.state != State.LEASED:
            raise not_running(session) from silence
        raise problems.Unavailable("The sandbox does not answer at the moment: try again.", retry_after=2) from silence


def needs_kernel(session: Session) -> None:
    """Raises Problem for a session of a custom container: beside that is a relay, which has no kernel and no files."""
    if session.pool.image.custom:
        message = (
            "This session is a container of your own, without a kernel and files of ours: speak to it by …/proxy/."
        )
        raise problems.Conflict(message, "no_kernel")


def not_running(session: Session) -> problems.Problem:
    if session.state == State.STARTING:
        return problems.Unavailable(
            "The session is still being started: try again in a moment.", "starting", retry_after=1
        )
    return problems.Ended(session.message or "The session has ended: open a new one.")


async def misbehaved(session: Session, fault: AgentMisbehaved) -> None:
    """End a session whose agent cannot be believed any more."""
    await in_thread(session.end)(Reason.MISBEHAVED, str(fault))
