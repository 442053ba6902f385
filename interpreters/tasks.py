"""Celery's interface to the verbs of pools and sessions. A task may run twice, or at the same time as another.

Nothing depends on a message: what to do is in the rows, and the tick of `maintain_pools` finds what was lost.
So a broker that does not answer is logged, and whoever changed a row goes on.

Run the worker with a pool of threads, a few more than PARALLEL_LAUNCHES.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone
from kombu.exceptions import OperationalError

from interpreters import client, measuring, workspaces
from interpreters.client import Agent, AgentError
from interpreters.handover import hand_over
from interpreters.lifecycle import Health, Phase, State
from interpreters.models import (
    InterpreterImage,
    PoolSample,
    Session,
    SessionPool,
    Workspace,
    moved,
)
from interpreters.notices import Breaker, aside
from interpreters.outputs import collect_sync
from interpreters.runtime import RuntimeUnavailable, get_runtime
from interpreters.runtime.egress import remove_egress_folder
from interpreters.runtime.sockets import remove_socket_folder

logger = logging.getLogger(__name__)

HEALTH_TIMEOUT = 2.0  # seconds for one agent to answer
# Seconds from a lease to the look that refills its pool: the holder's first code has the processors until then, and a
# class that comes at once costs one look, not one for each.
REFILL_AFTER = 0.2
# A launch that finds no slot leaves: whoever has one takes the next in the queue when done.
_slots = BoundedSemaphore(settings.PARALLEL_LAUNCHES)
_image_slots = BoundedSemaphore(settings.PARALLEL_IMAGES)

# Sessions whose files this process is saving, and whether to do so once more.
_saving: dict[str, bool] = {}

_breaker = Breaker()


@shared_task
def maintain_pools() -> None:
    """The tick: every pool that is due, each on its own, so that one that is slow holds up no other."""
    for pool in SessionPool.objects.due(timezone.now()).values_list("pk", flat=True):
        enqueue(maintain_pool, pool, expires=2 * settings.MAINTAIN_INTERVAL)
    try:
        SessionPool.objects.remove_strays(get_runtime())
    except RuntimeUnavailable as silence:
        logger.warning("the engine does not answer: %s", silence)
    for session in workspaces.waiting():
        enqueue(restore_files, str(session), expires=2 * settings.MAINTAIN_INTERVAL)
    for session in Workspace.objects.due():
        enqueue(save_files, str(session), expires=settings.WORKSPACE_SAVE_EVERY)


@shared_task
def maintain_pool(pool_id: int, asked_at: float = 0.0) -> None:
    """`asked_at`: seconds since 1970. A pool that was looked at after that is left alone: many leases, one look."""
    pool = SessionPool.objects.select_related("image").filter(pk=pool_id).first()
    if pool is None or (asked_at and pool.maintained_at and pool.maintained_at.timestamp() > asked_at):
        return
    try:
        pool.maintain(get_runtime(), ask_agents)
    except RuntimeUnavailable as silence:
        logger.warning("pool %s: nothing done, the engine does not answer: %s", pool, silence)
        return
    except SessionPool.DoesNotExist:
        return  # deleted meanwhile, its last sandbox being gone
    for session in pool.sessions.filter(state=State.LEASED, executions__turn__isnull=False).distinct():
        enqueue(hand_over_waiting, str(session.pk))
    for _ in range(min(Session.objects.queued().count(), settings.PARALLEL_LAUNCHES)):
        enqueue(launch_queued)


@shared_task
def sample_pools() -> None:
    """What the dashboard draws: a row a minute for each pool, hours of those, and an end to what is old."""
    now = timezone.now()
    if PoolSample.objects.take(now):
        PoolSample.objects.make_hours(now)
        PoolSample.objects.forget_old(now)


@shared_task
def measure_sessions() -> None:
    """CPU and memory of what is leased, for the admin. So a page of sessions asks no agent, and waits for none."""
    measuring.measure()


@shared_task
def launch_queued() -> None:
    """Launch what is queued, one after the other, while there is a slot. Several of these run in parallel."""
    # Looking again after a slot is given back is what keeps a row from being left behind by two that meet here.
    while Session.objects.queued().exists() and _slots.acquire(blocking=False):
        try:
            session = Session.objects.claim_queued()
            if session:
                session.launch(get_runtime(), ask_agents)
        except RuntimeUnavailable as silence:
            logger.warning("session %s waits: the engine does not answer: %s", session, silence)
            return
        finally:
            _slots.release()


@shared_task
def hand_over_waiting(session_id: str) -> None:
    """Give a sandbox that has come up what was asked for before, whether or not anybody still looks."""
    if not Session.objects.filter(pk=session_id, state=State.LEASED).exists():
        return
    try:
        client.ask(UUID(session_id), lambda agent: hand_over(agent, UUID(session_id)))
    except AgentError as silence:
        logger.warning("session %s: what waits is handed over later: %s", session_id, silence)


@shared_task
def tear_down_session(session_id: str) -> None:
    session = Session.objects.select_related("pool").filter(pk=session_id).first()
    if session:
        session.tear_down(get_runtime(), _collect)
        if session.state == State.GONE:
            # A launch that died before it made a sandbox has left its folders.
            remove_socket_folder(session.pk)
            remove_egress_folder(session.pk)


def _collect(session: UUID) -> None:
    """What is worth keeping of a session that ends. Its files are saved even where its outputs cannot be."""
    try:
        collect_sync(session)
    finally:
        workspaces.save_last(session)


@shared_task
def save_files(session_id: str, replace: bool = False) -> None:
    """Once at a time in this process: who comes in between has it done once more."""
    if session_id in _saving:
        _saving[session_id] = True
        return
    again = True
    while again:
        _saving[session_id] = False
        try:
            workspaces.save(UUID(session_id), replace=replace)
        finally:
            again = _saving.pop(session_id)


@shared_task
def restore_files(session_id: str) -> None:
    workspaces.restore(UUID(session_id))


@shared_task
def offer_shells(session_id: str) -> None:
    from interpreters.runtime.shells import host  # its thread is the worker's alone

    session = Session.objects.select_related("pool__image").filter(pk=session_id, state=State.LEASED).first()
    if session and session.pool.offers_shell:
        host.offer(session.pk, partial(get_runtime().open_shell, session.handle))


@shared_task
def build_image(image_id: int) -> None:
    """Make an image, or make it anew."""
    for image in InterpreterImage.objects.filter(pk=image_id):
        image.request()
    acquire_images()


@shared_task
def acquire_images() -> None:
    """Pull, load and build what is wanted, one after the other, while there is a slot."""
    from interpreters.images.acquire import acquire  # an engine's client, which the web process must not load

    while InterpreterImage.objects.wanted().exists() and _image_slots.acquire(blocking=False):
        try:
            image = InterpreterImage.objects.claim_wanted()
            done = image is not None and acquire(image)
        finally:
            _image_slots.release()
        for pool in image.pools.values_list("pk", flat=True) if image and done else ():
            enqueue(maintain_pool, pool, time.time())


@shared_task
def look_after_images() -> None:
    """The slow tick: what was left of images by whatever died, and what the engine's disk has no room for."""
    from interpreters.images.events import BuildFailed
    from interpreters.images.housekeeping import look_after

    try:
        look_after()
    except (RuntimeUnavailable, BuildFailed) as silence:
        logger.warning("images: nothing removed, the engine does not answer: %s", silence)
    if InterpreterImage.objects.wanted().exists():
        enqueue(acquire_images)


@shared_task
def check_isolation(pool_id: int) -> None:
    """Try to get out of two sandboxes of the pool, made for it, and keep the report."""
    from interpreters.isolation import reports, runner  # not for the web process, as above

    pool = SessionPool.objects.select_related("image").get(pk=pool_id)
    report = runner.check_pool(pool, get_runtime())
    reports.keep(pool, report)
    (logger.error if report.failed else logger.info)("isolation: %s", reports.summary(report))


def enqueue(task: "Task[Any, Any]", *args: Any, **options: Any) -> None:
    """Ask a worker for it once the transaction is committed; log it if there is no broker to ask."""

    def ask() -> None:
        if _breaker.open:
            return
        try:
            task.apply_async(args, retry=False, **options)
        except OperationalError as error:
            _breaker.trip()
            logger.warning("%s was not enqueued, the next tick does it: %s", task.name, error)

    transaction.on_commit(lambda: aside(ask))


@receiver(moved)
def follow_up(
    sender: type[Session], *, session: Session, frm: State | None, to: State, changed: frozenset[str], **_: Any
) -> None:
    """Every change of a session asks for the work that comes next."""
    if to == State.STARTING and frm is None:
        enqueue(launch_queued)
    elif to == State.LEASED and frm == State.STARTING:
        enqueue(hand_over_waiting, str(session.pk))
    elif to == State.STARTING and session.phase == Phase.WAITING_FOR_FILES:
        enqueue(restore_files, str(session.pk))
    elif to == State.STOPPING:
        enqueue(tear_down_session, str(session.pk))
    if to == State.GONE and session.tenant_id is not None:
        for waiting in workspaces.waiting(session):
            enqueue(restore_files, str(waiting))
    if to == State.GONE:  # there is room for another
        enqueue(maintain_pool, session.pool_id, time.time())
    elif "tenant" in changed:  # one fewer is ready
        enqueue(maintain_pool, session.pool_id, time.time(), countdown=REFILL_AFTER)


def ask_agents(sessions: Sequence[UUID]) -> Mapping[UUID, Health]:
    """The health of those whose agent answers in time."""
    if len(sessions) == 1:
        answers = [_health(sessions[0])]
    else:
        with ThreadPoolExecutor(max_workers=8) as threads:
            answers = list(threads.map(_health, sessions))
    return {session: health for session, health in zip(sessions, answers, strict=True) if health}


def _health(session: UUID) -> Health | None:
    async def question(agent: Agent) -> Health:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            return await agent.health()

    try:
        return client.ask(session, question)
    except (AgentError, TimeoutError):
        return None
