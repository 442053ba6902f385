"""`manage.py stop_sandboxes`: end all sessions and remove all sandboxes of this installation, workers being stopped."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from interpreters.lifecycle import LIVE, Reason
from interpreters.models import Session
from interpreters.outputs import collect_sync
from interpreters.runtime import Runtime, RuntimeUnavailable, get_runtime

T = TypeVar("T")
AT_ONCE = 4


class Command(BaseCommand):
    help = "End all sessions, saving their outputs, and remove all sandboxes of this installation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to try for")

    def handle(self, *, timeout: float, **options: Any) -> None:
        runtime = get_runtime()
        deadline = time.monotonic() + timeout
        left = _stop(runtime)
        while left and time.monotonic() < deadline:
            time.sleep(0.5)
            left = _stop(runtime)
        if left:
            raise CommandError(f"{left} Is a worker still running? Stop it and try again.")
        self.stdout.write("No sandbox is left.")


def _stop(runtime: Runtime) -> str:
    """One round. Returns what is left, in words, or nothing."""
    try:
        _each(lambda session: _tear_down(session, runtime), Session.objects.live().select_related("pool"))
        listed = runtime.list(settings.INSTALLATION)
        _each(lambda sandbox: runtime.remove(sandbox.handle), listed)
        remaining = len(runtime.list(settings.INSTALLATION))
    except RuntimeUnavailable as silence:
        return f"The engine does not answer: {silence}."
    rows = Session.objects.filter(state__in=LIVE).count()
    return f"{remaining} sandboxes and {rows} sessions are left." if remaining or rows else ""


def _tear_down(session: Session, runtime: Runtime) -> None:
    session.end(Reason.SHUTDOWN)
    session.tear_down(runtime, collect_sync)


def _each(do: Callable[[T], None], items: Iterable[T]) -> None:
    """Several at a time, in threads that leave no database connection behind. Raises what the first failure raised."""

    def run(item: T) -> None:
        try:
            do(item)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(run, list(items)))
