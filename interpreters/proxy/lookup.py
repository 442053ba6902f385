"""Who asks, and which session is meant: looked up in the database, and remembered for two seconds.

So the path of a request has no database in it most of the time. A notice that somebody's rights changed has what is
remembered of them forgotten; without notices, what is revoked counts for at most two seconds more. A sandbox that does
not answer is forgotten at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from interpreters import sessions
from interpreters.models import Session
from interpreters.proxy.addresses import Identified, Known
from interpreters.sessions import problems, standing
from tenants.authentication import Actor, NotAllowed, actor_from_token
from tenants.models import hash_token
from tenants.threads import in_thread

V = TypeVar("V")
# Seconds: an answer older than the first is asked for anew beside its use, one older than the second is not used.
RENEWED, OLDEST = 1.0, 2.0
MOST = 10_000
# Seconds that a request waits for a session that is being started.
COLD_START = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    secret: str
    client: str  # address

    def __repr__(self) -> str:
        return "Token(…)"

    @property
    def key(self) -> Hashable:
        return hash_token(self.secret), self.client

    async def actor(self) -> Actor:
        try:
            return await in_thread(actor_from_token)(self.secret, self.client)
        except NotAllowed as refusal:
            raise problems.of_tenants(refusal) from refusal


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser on an isolated origin."""

    cookie: str
    session: UUID
    port: int

    @property
    def key(self) -> Hashable:
        return self

    async def actor(self) -> Actor:
        return await sessions.ports.visitor(self.cookie, self.session, self.port)


Credential = Token | Visit


class Remembered(Generic[V]):
    """Answers by key, for one event loop. Many who ask at the same time are answered by one question."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, V]] = {}
        self._asking: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[V]], oldest: float = OLDEST) -> V:
        found = self._known.get(key)
        if found is not None and (age := time.monotonic() - found[0]) < oldest:
            if age > RENEWED and key not in self._asking:
                self._ask(key, ask)
            return found[1]
        return await asyncio.shield(self._asking.get(key) or self._ask(key, ask))

    def forget(self, key: Hashable) -> None:
        self._known.pop(key, None)
        self._asking.pop(key, None)

    def forget_where(self, concerns: Callable[[Hashable, V], bool]) -> None:
        """Also what is being asked, whose answer may be of before."""
        for key in [key for key, (_, value) in self._known.items() if concerns(key, value)]:
            del self._known[key]
        self._asking.clear()

    def _ask(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        began = time.monotonic()
        task: asyncio.Task[V] = asyncio.ensure_future(ask())

        def answered(task: asyncio.Task[V]) -> None:
            if self._asking.get(key) is not task:
                if not task.cancelled():
                    task.exception()  # nobody waits for it any more
                return
            del self._asking[key]
            if task.cancelled() or task.exception() is not None:
                self._known.pop(key, None)
                return
            self._known.pop(key, None)  # so that the last place is its own
            self._known[key] = (began, task.result())
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]

        self._asking[key] = task
        task.add_done_callback(answered)
        return task


class Lookup:
    def __init__(self) -> None:
        self._actors: Remembered[Actor] = Remembered()
        self._sessions: Remembered[Session] = Remembered()
        standing.listener().before(self.forget_person)

    def forget_person(self, user: int | None) -> None:
        """Who asks must be looked up again, and whether what they use is theirs; None: of everybody."""
        self._actors.forget_where(lambda _, actor: user in (None, actor.user.pk))
        self._sessions.forget_where(lambda key, _: user is None or _is_of(key, user))

    async def actor(self, credential: Credential, oldest: float = OLDEST) -> Actor:
        return await self._actors.get(credential.key, credential.actor, oldest)

    async def session(self, actor: Actor, target: Identified | Known, oldest: float = OLDEST) -> Session:
        """The session that is meant, running. Leases it where an identifier has none. Raises Problem."""
        if isinstance(target, Known):
            session = target.session
            return await self._sessions.get(_key(actor, session), lambda: _running(actor, session), oldest)
        return await self._sessions.get(_key(actor, target), lambda: _open(actor, target), oldest)

    async def still(self, credential: Credential, session: UUID) -> Actor:
        """Who brings this credential. Raises Problem once this session ended, or is not for them. Leases nothing."""
        actor = await self.actor(credential, oldest=RENEWED)
        await self._sessions.get(_key(actor, session), lambda: _running(actor, session), RENEWED)
        return actor

    def forget(self, actor: Actor, target: Identified | Known) -> None:
        self._sessions.forget(_key(actor, target.session if isinstance(target, Known) else target))


def _key(actor: Actor, what: UUID | Identified) -> Hashable:
    return (actor.tenant.pk, actor.user.pk, actor.token.pk if actor.token else None, what)


def _is_of(key: Hashable, user: int) -> bool:
    return isinstance(key, tuple) and key[1] == user


async def _running(actor: Actor, session: UUID) -> Session:
    return await sessions.running(actor, session, COLD_START)


async def _open(actor: Actor, target: Identified) -> Session:
    await sessions.ports.check_target(actor, target.pool, target.identifier)  # first: a lease is for good
    lease = await sessions.open(actor, target.pool, target.identifier)
    return lease.session if not lease.cold else await _running(actor, lease.session.pk)


_lookups: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lookup]" = WeakKeyDictionary()


def lookup() -> Lookup:
    loop = asyncio.get_running_loop()
    if loop not in _lookups:
        _lookups[loop] = Lookup()
    return _lookups[loop]
