"""What must be seen to without being asked for: work whose worker died, images that nothing needs, lost images."""

import logging
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from interpreters.images.events import answering
from interpreters.images.guard import disk_of, used_share
from interpreters.images.pulling import describe, remove
from interpreters.images.tags import build_label
from interpreters.models import FormerImage, InterpreterImage
from interpreters.models.uploads import remove_abandoned
from interpreters.runtime.docker import connect

logger = logging.getLogger(__name__)

# Where the engine's disk cannot be seen, what nothing needs is kept this long: it may be wanted back soon.
KEPT_UNSEEN = timedelta(days=1)
# What a failed or replaced build left is its cache, and is worth keeping for a while.
KEPT_CACHE = timedelta(days=1)


def look_after() -> None:
    """All of it. Raises BuildFailed or RuntimeUnavailable when the engine does not answer."""
    stuck = InterpreterImage.objects.give_up_stuck()
    if stuck:
        logger.warning("%d images were given up: their worker died", stuck)
    remove_abandoned(set(InterpreterImage.objects.exclude(upload="").values_list("upload", flat=True)))
    with answering():
        disk = disk_of(connect().info())
    removed = remove_former(disk)
    if removed:
        logger.info("removed %d images that nothing needs", removed)
    remove_cache(disk)
    ask_for_lost()


def runs_short(disk: Path) -> bool:
    return used_share(disk) * 100 > settings.IMAGE_DISK_WATERMARK


def remove_former(disk: Path | None) -> int:
    """Remove what no row needs, the oldest first, until the disk has room; what a container needs stays."""
    removed = 0
    # What is younger may be on its way, or be a base of what is just built.
    settled = timezone.now() - timedelta(seconds=settings.IMAGE_TIMEOUT)
    for former in FormerImage.objects.filter(since__lt=settled).order_by("since"):
        if needed(former.name):
            former.delete()
            continue
        if not (runs_short(disk) if disk else former.since < timezone.now() - KEPT_UNSEEN):
            break
        removed += remove(former.name)
    return removed


def needed(name: str) -> bool:
    return InterpreterImage.objects.filter(Q(stored_as=name) | Q(reference=name)).exists()


def remove_cache(disk: Path | None) -> None:
    """Remove untagged stages of tenants' builds. The engine keeps those that another image is made from."""
    if disk and not runs_short(disk):
        return
    oldest = time.time() - KEPT_CACHE.total_seconds()
    with answering():
        stages = connect().images(filters={"dangling": True, "label": build_label()})
    for stage in sorted(stages, key=lambda stage: stage["Created"]):
        if disk is None and stage["Created"] > oldest:
            break
        if disk and not runs_short(disk):
            break
        remove(stage["Id"])


def ask_for_lost() -> None:
    """An image that somebody removed from the engine is asked for again, from where it came."""
    at_rest = InterpreterImage.objects.exclude(origin=InterpreterImage.Origin.SOURCE).exclude(stored_as="")
    for image in at_rest.filter(state=InterpreterImage.State.READY):
        if describe(image.reference) is None:
            logger.warning("image %s of %s is not on the engine any more", image, image.tenant)
            image.request()
