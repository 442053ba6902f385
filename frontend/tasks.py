"""Work of the pages that is done by a worker."""

import logging

from celery import shared_task

from frontend import trash

logger = logging.getLogger(__name__)


@shared_task
def empty_trash() -> None:
    """Delete for good what was deleted long ago. By the clock: project/celery.py."""
    if count := trash.empty_old():
        logger.info("%s notebooks were deleted for good after their time in the trash", count)
