"""Following a session: when its row changes, and what its sandbox says."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer

from interpreters.client import AgentMisbehaved, AgentRefused, AgentUnavailable, Entry, Refusal, get_agent
from interpreters.client.base import Channel
from interpreters.lifecycle import State
from interpreters.models import Session
from interpreters.notices import session_group
from interpreters.sessions import access, problems
from tenants.authentication import Actor

logger = logging.getLogger(__name__)

# Seconds after which a row is looked at without a notice. Also how long a revoked permission may still be used.
EVERY = 4.0
# Seconds until a channel layer that failed is tried again, and a broken line to an agent.
LAYER_RETRY, LINE_RETRY = 5.0, 0.5
# Seconds that a request waits for a session that is being started.
STARTING = 60.0


async def changes(session: UUID, every: float = EVERY, news: asyncio.Event | None = None) -> AsyncGenerator[None, None]:
    """Yields at once, then whenever the session's row may have changed. Notices, and `news`, only make it sooner."""
    news = news or asyncio.Event()
    async with aclosing(looks(session_group(session), lambda _: True, every, news)) as them:
        async for _ in them:
            yield


async def looks(
    group: str, is_news: Callable[[dict[str, Any]], bool], every: float, news: asyncio.Event
) -> AsyncGenerator[None, None]:
    """Yields at once, every so many seconds, and with `news`, which those messages of a group bring that are some."""

    def heard(message: dict[str, Any]) -> None:
        if is_news(message):
            news.set()

    listening = asyncio.create_task(_listen(group, heard, news))
    try:
        while True:
            news.clear()
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await news.wait()
    finally:
        listening.cancel()


async def _listen(group: str, heard: Callable[[dict[str, Any]], None], news: asyncio.Event) -> None:
    layer = get_channel_layer()
    while True:
        channel = ""
        try:
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            news.set()  # for what was said before we listened
            while True:
                heard(await layer.receive(channel))
        except Exception as error:  # whatever the layer's client raises when Redis is away
            logger.info("no notices for %s: %r", group, error)
            await asyncio.sleep(LAYER_RETRY)
        finally:
            if channel:
                with suppress(Exception):
                    async with asyncio.timeout(1):
                        await layer.group_discard(group, channel)


async def running(actor: Actor, session: UUID, within: float = STARTING) -> Session:
    """The session, once it runs. Raises Problem if it does not exist, has ended, or takes too long to start."""
    found = await access.get(actor, session)
    if found.state == State.STARTING:
        with suppress(TimeoutError):
            async with asyncio.timeout(within), aclosing(changes(session, every=0.5)) as looks:
                async for _ in looks:
                    found = await access.get(actor, session)
                    if found.state != State.STARTING:
                        break
    if found.state != State.LEASED:
        raise access.not_running(found)
    return found


class Follower:
    """One reader's view of a running session's log, from `after` on, across broken lines; and its way to send ops."""

    def __init__(self, session: Session, after: int = 0) -> None:
        self.session, self.after = session, after
        self._channel: Channel | None = None
        self._attached = asyncio.Event()

    async def __aiter__(self) -> AsyncGenerator[Entry | Refusal, None]:
        """Entries, until the session runs no more."""
        while self.session.state == State.LEASED:
            try:
                async with get_agent(self.session.pk).channel(self.after) as self._channel:
                    self._attached.set()
                    async for message in self._channel:
                        if isinstance(message, Entry):
                            self.after = message.seq
                        yield message
            except AgentMisbehaved as fault:
                logger.warning("session %s: %s", self.session.pk, fault)
                await access.misbehaved(self.session, fault)
            except (AgentUnavailable, AgentRefused) as silence:
                logger.info("session %s: %s", self.session.pk, silence)
            finally:
                self._attached.clear()
            await self.session.arefresh_from_db(fields=["state", "reason"])
            if self.session.state == State.LEASED:
                await asyncio.sleep(LINE_RETRY)

    async def send(self, op: Mapping[str, Any]) -> None:
        """Hand an op to the agent, as soon as there is a line to it. Its answer comes as an entry or a Refusal."""
        if self._channel is None or not self._attached.is_set():
            await self._attached.wait()
        try:
            await self._channel.send(op)  # type: ignore[union-attr]
        except (AgentUnavailable, AgentMisbehaved) as silence:
            raise problems.Unavailable("The sandbox does not answer at the moment: try again.") from silence
