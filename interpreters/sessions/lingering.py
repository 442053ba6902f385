"""Reading on for whoever is gone: what they had started is gathered to its end, as if they still looked.

An agent's log is bounded: what nobody reads while it is written may be cut from it before it is asked for.
"""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from contextvars import Context
from uuid import UUID

from interpreters.client import Entry, Refusal
from interpreters.models import Session
from interpreters.outputs import Gathering
from interpreters.sessions import record
from interpreters.sessions.following import Follower

# By execution, what it has put out so far.
Gatherings = dict[str, Gathering]

# Readers of one session beside those that look. Past these, a worker asks the agent for what has ended.
MOST = 4
_reading: set[asyncio.Task[None]] = set()
_readers: Counter[UUID] = Counter()


def take(session: UUID, gatherings: Gatherings, entry: Entry) -> None:
    """Gather what these executions put out, and see to it that every execution that ends is saved."""
    gathering = gatherings.get(entry.execution)
    if gathering is not None:
        gathering.add(entry)
    if not entry.is_end():
        return
    forget(gatherings, entry.execution)
    with suppress(ValueError):
        record.ended(session, UUID(entry.execution), gathering.answer(entry) if gathering else None)


def forget(gatherings: Gatherings, execution: str) -> None:
    if gatherings.pop(execution, None) is not None:
        record.leave([UUID(execution)])


def read_on(session: Session, after: int, gatherings: Gatherings) -> None:
    """Go on with these from entry `after`, until the last has ended or the session has."""
    if not gatherings:
        return
    for execution in gatherings:
        record.gathers(UUID(execution))
    if _readers[session.pk] >= MOST:
        record.leave(map(UUID, gatherings))
        return
    _readers[session.pk] += 1
    # In a context of its own: that of a page's request would make it a thread, and a connection, of its own.
    task = asyncio.create_task(_read(session, after, gatherings), context=Context())
    _reading.add(task)
    task.add_done_callback(_reading.discard)


async def _read(session: Session, after: int, gatherings: Gatherings) -> None:
    try:
        async with aclosing(Follower(session, after).__aiter__()) as messages:
            async for message in messages:
                if isinstance(message, Entry):
                    take(session.pk, gatherings, message)
                elif message.op == "execute":
                    await refused(session.pk, gatherings, message)
                if not gatherings:
                    return
    finally:
        record.leave(map(UUID, gatherings))
        _readers[session.pk] -= 1
        if not _readers[session.pk]:
            del _readers[session.pk]


async def refused(session: UUID, gatherings: Gatherings, refusal: Refusal) -> None:
    """The agent does not run it: nothing of it is kept."""
    forget(gatherings, refusal.id)
    with suppress(ValueError):
        await record.forget(session, UUID(refusal.id))
