"""Whose sandbox asks, and what it may reach: from the database, and never older than two seconds."""

import asyncio
import logging
import time
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from interpreters.egress.journal import Subject
from interpreters.egress.policy import Policy
from interpreters.lifecycle import OPEN
from interpreters.models import Session
from tenants.egress import BadEntry, Ceiling, Mode, parse_entries
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

LIFETIME = 1.5  # seconds


class Unknown(Exception):
    """Nobody's sandbox, or the database does not answer. `reason` is one of the policy's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Caller:
    subject: Subject
    policy: Policy


class Policies:
    def __init__(self) -> None:
        self._kept: dict[UUID, tuple[float, Caller | Unknown]] = {}
        self._asking: dict[UUID, asyncio.Task[Caller | Unknown]] = {}

    async def find(self, session: UUID) -> Caller:
        """Raises Unknown."""
        kept = self._kept.get(session)
        if kept is not None and time.monotonic() - kept[0] < LIFETIME:
            found = kept[1]
        else:
            found = await self._ask(session)
        if isinstance(found, Unknown):
            raise Unknown(found.reason)
        return found

    def forget(self, session: UUID) -> None:
        self._kept.pop(session, None)

    async def _ask(self, session: UUID) -> Caller | Unknown:
        """Once, for all that want to know it now."""
        task = self._asking.get(session)
        if task is None:
            asked_at = time.monotonic()
            task = self._asking[session] = asyncio.create_task(_find(session))

            def keep(done: "asyncio.Task[Caller | Unknown]") -> None:
                del self._asking[session]
                if not done.cancelled():
                    self._kept[session] = asked_at, done.result()

            task.add_done_callback(keep)
        return await asyncio.shield(task)


async def _find(session: UUID) -> Caller | Unknown:
    try:
        return await in_thread(_read)(session)
    except DatabaseError as error:
        logger.warning("session %s: refused, for the database does not answer: %s", session, error)
    except Exception:
        logger.exception("session %s: refused, for its policy cannot be read", session)
    return Unknown("unavailable")


def _read(pk: UUID) -> Caller | Unknown:
    session = Session.objects.filter(pk=pk, state__in=OPEN).select_related("pool__tenant").first()
    if session is None:
        return Unknown("no session")
    pool = session.pool
    subject = Subject(pk, pool.pk, session.tenant_id or pool.tenant_id)
    try:
        ceiling = pool.tenant.egress_limit if pool.tenant else Ceiling()
        return Caller(subject, Policy(Mode(pool.egress), parse_entries(pool.egress_allow), ceiling))
    except (BadEntry, ValueError) as error:
        logger.warning("pool %s: its network access is off, for what is written down is wrong: %s", pool, error)
        return Caller(subject, Policy())
