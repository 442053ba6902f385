"""Notices through the channel layer: "this session changed, look at its row". Never outputs, never state.

A notice only makes a page sooner. Redis may be dead: then nobody is told, the change stands, and nobody waits long.
Groups are `session.<id>` and `pool.<id>`; messages `{"type": "session.changed", "session": "<id>"}` and
`{"type": "pool.changed", "pool": <id>}`. All web processes are in the group `standing`, where
`{"type": "standing.changed", "user": <id>}` says whose rights changed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.dispatch import receiver

from interpreters.models import Session, moved
from tenants.signals import standing_changed

logger = logging.getLogger(__name__)

STANDING = "standing"  # a group
LONGEST_WAIT = 1.0  # seconds for Redis to take a notice
# Seconds until what nobody waits for is begun: the answer is on its way by then, and had a processor for itself.
AFTER_THE_ANSWER = 0.01


class Breaker:
    """Leaves alone, for a while, who has just not answered: a dead Redis costs one wait, not one for each change."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self._until = 0.0

    @property
    def open(self) -> bool:
        return time.monotonic() < self._until

    def trip(self) -> None:
        self._until = time.monotonic() + self.seconds


_breaker = Breaker()
_sending: set[asyncio.Task[None]] = set()
_put_off: set[Callable[[], None]] = set()
# Of a process that answers people: on it is told what has changed, while the answer is on its way.
_loop: asyncio.AbstractEventLoop | None = None


def answer_first(loop: asyncio.AbstractEventLoop) -> None:
    """From now on nobody who changes something waits until it is told: `loop` sees to it."""
    global _loop
    _loop = loop


def aside(work: Callable[[], None]) -> None:
    """Do what nobody waits for: at once, or, after `answer_first()`, a little later and in another thread."""
    loop = _loop
    if loop is None or not loop.is_running():
        work()
        return

    def begin() -> None:
        if work in _put_off:
            _put_off.remove(work)
            loop.run_in_executor(None, work)

    _put_off.add(work)
    _later(loop, begin)


def finish() -> None:
    """The process stops answering: what was put off is done now."""
    while _put_off:
        _put_off.pop()()


def _later(loop: asyncio.AbstractEventLoop, begin: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(loop.call_later, AFTER_THE_ANSWER, begin)


def session_group(session: UUID) -> str:
    return f"session.{session}"


def pool_group(pool: int) -> str:
    return f"pool.{pool}"


def session_changed(session: UUID) -> None:
    send({session_group(session): {"type": "session.changed", "session": str(session)}})


def pool_changed(pool: int) -> None:
    send({pool_group(pool): {"type": "pool.changed", "pool": pool}})


@receiver(moved)
def tell(sender: type[Session], *, session: Session, **_: Any) -> None:
    send(
        {
            session_group(session.pk): {"type": "session.changed", "session": str(session.pk)},
            pool_group(session.pool_id): {"type": "pool.changed", "pool": session.pool_id},
        }
    )


@receiver(standing_changed)
def rights_changed(sender: Any, user: int, **_: Any) -> None:
    """Once it is so: whoever looks before would find the old ones."""
    notice = {STANDING: {"type": "standing.changed", "user": user}}
    transaction.on_commit(lambda: send(notice))


def send(notices: Mapping[str, dict[str, Any]]) -> None:
    if _breaker.open:
        return
    loop = _loop
    if loop is not None and loop.is_running():
        _later(loop, lambda: _begin_to_send(loop, notices))
    else:
        async_to_sync(_try_to_send)(notices)


def _begin_to_send(loop: asyncio.AbstractEventLoop, notices: Mapping[str, dict[str, Any]]) -> None:
    task = loop.create_task(_try_to_send(notices))
    _sending.add(task)  # a loop keeps none alive by itself
    task.add_done_callback(_sending.discard)


async def _try_to_send(notices: Mapping[str, dict[str, Any]]) -> None:
    try:
        layer = get_channel_layer()
        async with asyncio.timeout(LONGEST_WAIT):
            for group, message in notices.items():
                await layer.group_send(group, message)
    except Exception as error:
        # Whatever the layer's client raises: a notice is never worth an error.
        _breaker.trip()
        logger.warning("no notices for %s s: the channel layer does not answer (%r)", _breaker.seconds, error)
