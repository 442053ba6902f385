"""Work of the pages that is done by a worker."""

import logging
from typing import Any

from celery import shared_task
from django.dispatch import receiver

from frontend import places, trash
from frontend.models import WaitingRun
from interpreters.lifecycle import State
from interpreters.models import Session, moved
from interpreters.tasks import enqueue

logger = logging.getLogger(__name__)


@shared_task
def empty_trash() -> None:
    """Delete for good what was deleted long ago. By the clock: project/celery.py."""
    if count := trash.empty_old():
        logger.info("%s notebooks were deleted for good after their time in the trash", count)


@shared_task
def ask_for_places() -> None:
    """Cells wait for a place in a full pool. By the clock, and when a session has ended."""
    if count := places.ask_for_all():
        logger.info("%s notebooks that waited for a place have one", count)


@receiver(moved)
def a_place_is_free(sender: type[Session], *, to: State, **_: Any) -> None:
    if to == State.GONE and WaitingRun.objects.waiting().exists():
        enqueue(ask_for_places)
