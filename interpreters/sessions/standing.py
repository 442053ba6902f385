"""Whether somebody may still: who they are, asked again, and when to ask, for whatever they hold open.

Each web process listens to one group of the channel layer, where it is told whose rights changed; what they hold open
in it is then looked at. Without Redis nobody is told: everything held open is looked at every few seconds all the same.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import parse_cookie
from django.utils import timezone

from interpreters.notices import STANDING
from interpreters.sessions import problems
from tenants.authentication import Actor, NotAllowed, authenticate_scope, token_in_scope
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

T = TypeVar("T")
Scope = Mapping[str, Any]
# Seconds after which anything held open is looked at without a notice, and until a layer that failed is tried again.
EVERY, LAYER_RETRY = 4.0, 5.0


# --- Who it is ---


def header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope.get("headers", ()) if key == name), "")


def identify(scope: Scope, tenant: str = "") -> Actor:
    """The actor of an ASGI connection, looked up anew. `tenant`: the slug of the one that it was for.

    Synchronous, as it asks the database. Raises Problem.
    """
    try:
        if token_in_scope(scope) is not None:
            return authenticate_scope(scope)
        cookies = parse_cookie(header(scope, b"cookie"))
        store = import_module(settings.SESSION_ENGINE).SessionStore(cookies.get(settings.SESSION_COOKIE_NAME))
        user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]  # it asks for the session only
        return authenticate_scope({**scope, "session": store, "user": user}, tenant)
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal


# --- When to ask ---


class Listener:
    """Of one event loop."""

    def __init__(self) -> None:
        self._held: dict[int, set[asyncio.Event]] = {}
        self._told: list[Callable[[int | None], None]] = []
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def news_of(self, user: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever this person's rights may have changed."""
        self._listen()
        news = asyncio.Event()
        held = self._held.setdefault(user, set())
        held.add(news)
        try:
            yield news
        finally:
            held.discard(news)
            if not held:
                self._held.pop(user, None)

    def before(self, tell: Callable[[int | None], None]) -> None:
        """Have `tell(user)` called before anybody looks; None: whoever it may be."""
        self._listen()
        self._told.append(tell)

    def changed(self, user: int | None) -> None:
        for tell in self._told:
            tell(user)
        for one, held in list(self._held.items()):
            if user in (None, one):
                for news in held:
                    news.set()

    def _listen(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        layer = get_channel_layer()
        while True:
            channel = ""
            try:
                channel = await layer.new_channel()
                await layer.group_add(STANDING, channel)
                self.changed(None)  # for what was said before we listened
                while True:
                    message = await layer.receive(channel)
                    self.changed(int(message["user"]))
            except Exception as error:  # whatever the layer's client raises when Redis is away
                logger.info("no notices of changed rights: %r", error)
                await asyncio.sleep(LAYER_RETRY)
            finally:
                if channel:
                    with suppress(Exception):
                        async with asyncio.timeout(1):
                            await layer.group_discard(STANDING, channel)


_listeners: "WeakKeyDictionary[asyncio.AbstractEventLoop, Listener]" = WeakKeyDictionary()


def listener() -> Listener:
    loop = asyncio.get_running_loop()
    if loop not in _listeners:
        _listeners[loop] = Listener()
    return _listeners[loop]


async def looks(actor: Callable[[], Actor], every: float) -> AsyncGenerator[None, None]:
    """Yields whenever an actor is to be looked at again: told so, when the token ends, and by the clock."""
    with listener().news_of(actor().user.pk) as news:
        while True:
            ends = left(actor())
            with suppress(TimeoutError):
                async with asyncio.timeout(every if ends is None else min(every, ends)):
                    await news.wait()
            news.clear()
            yield


def left(actor: Actor) -> float | None:
    """Seconds until its token has expired. One that has is asked for now and then."""
    ends = actor.token.ends_at if actor.token else None
    if ends is None:
        return None
    seconds = (ends - timezone.now()).total_seconds()
    return seconds + 0.01 if seconds > 0 else EVERY


def has_expired(actor: Actor) -> bool:
    return actor.token is not None and not actor.token.usable


async def while_allowed(
    items: AsyncGenerator[T, None], actor: Actor, still: Callable[[], Actor]
) -> AsyncGenerator[T, None]:
    """`items`, as long as `still`, which asks the database, raises no Problem."""
    watching = asyncio.ensure_future(_watch(actor, still))
    pending: asyncio.Future[T] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(anext(items))
            await asyncio.wait({pending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # raises
            try:
                item = pending.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        tasks = [task for task in (pending, watching) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await items.aclose()


async def _watch(actor: Actor, still: Callable[[], Actor]) -> None:
    found = actor
    async with aclosing(looks(lambda: found, EVERY)) as them:
        async for _ in them:
            try:
                found = await in_thread(still)()
            except DatabaseError as error:
                logger.warning("a stream goes on without the database: %s", error)
