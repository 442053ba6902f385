"""Reading on for whoever is gone: what they had started is gathered to its end, as if they still looked.

An agent's log is bounded: what nobody reads while it is written may be cut from it before it is asked for.
"""

import asyncio
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
_readers: dict[UUID, set["_Reader"]] = {}


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
    readers = _readers.get(session.pk, set())
    reader = next((reader for reader in readers if reader.can_take_over(after)), None)
    if reader is None and len(readers) < MOST:
        reader = _Reader(session, after)
    if reader is None:
        record.leave(map(UUID, gatherings))
    else:
        reader.take_over(after, gatherings)


class _Reader:
    """One more line to a session's log, for all that have gone."""

    def __init__(self, session: Session, after: int) -> None:
        self._session, self._follower = session, Follower(session, after)
        self._gatherings: Gatherings = {}
        self._since: dict[str, int] = {}
        _readers.setdefault(session.pk, set()).add(self)
        # In a context of its own: that of a page's request would make it a thread, and a connection, of its own.
        self._task = asyncio.create_task(self._read(), context=Context())

    def can_take_over(self, after: int) -> bool:
        return self._follower.after <= after

    def take_over(self, after: int, gatherings: Gatherings) -> None:
        for execution, gathering in gatherings.items():
            record.gathers(UUID(execution))
            self._gatherings[execution], self._since[execution] = gathering, after

    async def _read(self) -> None:
        try:
            async with aclosing(self._follower.__aiter__()) as messages:
                async for message in messages:
                    if isinstance(message, Refusal):
                        continue  # this line sends nothing
                    if message.seq > self._since.get(message.execution, 0):
                        take(self._session.pk, self._gatherings, message)
                    if not self._gatherings:
                        self._leave()  # nobody hands it more while the line is closed
                        return
        finally:
            self._leave()

    def _leave(self) -> None:
        record.leave(map(UUID, self._gatherings))
        if others := _readers.pop(self._session.pk, set()) - {self}:
            _readers[self._session.pk] = others


async def refused(session: UUID, gatherings: Gatherings, refusal: Refusal) -> None:
    """The agent does not run it: nothing of it is kept."""
    forget(gatherings, refusal.id)
    with suppress(ValueError):
        await record.forget(session, UUID(refusal.id))
