"""Terminals of a session: its agent's; in a custom container, the worker's, if the pool's owner turned them on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from interpreters.client import AgentMisbehaved, AgentRefused, AgentUnavailable, shells_of
from interpreters.client.base import Terminal
from interpreters.lifecycle import State
from interpreters.models import Session
from interpreters.sessions import access, problems, record
from interpreters.tasks import enqueue, offer_shells
from tenants.threads import in_thread

# Seconds for a worker to take up that a terminal is wanted, and between two looks.
PATIENCE, EVERY = 10.0, 0.1


@asynccontextmanager
async def terminal(session: Session, name: str, rows: int, cols: int) -> AsyncIterator[Terminal]:
    """Attach to a terminal, which is opened if there is none of that name. Raises Problem."""
    if not session.pool.image.custom:
        async with access.agent_of(session) as agent, agent.terminal(name, rows, cols) as opened:
            yield opened
        return
    _check_shell(session)
    async with _shell(session, name, rows, cols) as opened:
        yield opened


def _check_shell(session: Session) -> None:
    if not session.pool.offers_shell:
        message = "This pool offers no terminal: its owner can turn that on, where its image has a shell."
        raise problems.NotAllowed(message, "no_shell")
    if session.state != State.LEASED:
        raise access.not_running(session)


@asynccontextmanager
async def _shell(session: Session, name: str, rows: int, cols: int) -> AsyncIterator[Terminal]:
    try:
        await _offered(session)
        async with shells_of(session.pk) as worker, worker.terminal(name, rows, cols) as opened:
            yield opened
    except AgentRefused as refusal:
        raise problems.of_agent(refusal) from refusal
    except (AgentUnavailable, AgentMisbehaved) as silence:
        raise problems.Unavailable("No worker serves this terminal at the moment: connect again.") from silence


async def _offered(session: Session) -> None:
    """Return once a worker listens for this session's terminals. Raises AgentUnavailable."""
    await in_thread(enqueue)(offer_shells, str(session.pk))
    async with asyncio.timeout(PATIENCE), shells_of(session.pk) as worker:
        while True:
            try:
                await worker.terminals()
                return
            except AgentUnavailable:
                await asyncio.sleep(EVERY)


async def list_open(session: Session) -> list[str]:
    """The names of the terminals that are open. Raises Problem."""
    if not session.pool.image.custom:
        async with access.agent_of(session) as agent:
            return await agent.terminals()
    _check_shell(session)
    try:
        async with shells_of(session.pk) as worker:
            return await worker.terminals()
    except (AgentUnavailable, AgentMisbehaved):  # nobody serves terminals where nobody has opened one
        return []


async def close(session: Session, name: str) -> None:
    """End a terminal's shell, with what runs in it. Raises Problem."""
    if not session.pool.image.custom:
        async with access.agent_of(session) as agent:
            await agent.close_terminal(name)
        return
    _check_shell(session)
    try:
        async with shells_of(session.pk) as worker:
            await worker.close_terminal(name)
    except AgentRefused as refusal:
        raise problems.of_agent(refusal) from refusal
    except (AgentUnavailable, AgentMisbehaved) as silence:
        raise problems.NotFound(f"There is no terminal {name!r:.80}.", "no_such_terminal") from silence


def typed(session: Session) -> None:
    """Count typing in a custom container as use: no agent of ours sees it there."""
    if session.pool.image.custom:
        record.note_use(session)
