"""Celery's interface to archives and erasures: what is to be done is in their rows, and the clock goes on with it."""

from threading import BoundedSemaphore
from typing import Any

from celery import shared_task
from django.dispatch import receiver

from interpreters.tasks import enqueue
from tenants import erasing, exporting
from tenants.models import Archive

# Of one worker: an archive may take minutes.
_one = BoundedSemaphore(1)


@shared_task
def look_after_erasures() -> None:
    erasing.go_on_with_all()
    exporting.sweep()
    if Archive.objects.exclude(state__in=(Archive.State.READY, Archive.State.FAILED)).exists():
        enqueue(make_archives)


@shared_task
def make_archives() -> None:
    while _one.acquire(blocking=False):
        try:
            archive = Archive.objects.claim()
            if archive is None:
                return
            exporting.make(archive)
        finally:
            _one.release()


@receiver(erasing.asked)
def erase_soon(sender: Any, **_: Any) -> None:
    enqueue(look_after_erasures)


@receiver(exporting.asked)
def make_soon(sender: Any, **_: Any) -> None:
    enqueue(make_archives)
