"""`manage.py doctor --isolation`: check pools one after the other, keep what was found, and say whether all holds."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from interpreters.isolation import reports, runner
from interpreters.models import SessionPool
from interpreters.runtime import RuntimeUnavailable, get_runtime

Say = Callable[[str], None]


def check(name: str, *, as_json: bool, say: Say) -> bool:
    """Every enabled pool, or the one of this name whether enabled or not. False if anything is not contained."""
    pools = SessionPool.objects.select_related("image").order_by("pk")
    try:
        chosen = list(pools.filter(name=name) if name else pools.filter(enabled=True))
    except DatabaseError as error:
        say(f"The pools cannot be read, mend the database first: {error}")
        return False
    if not chosen:
        say(f"There is no pool {name!r}." if name else "There is no enabled pool to check: make one in the admin.")
        return False
    found = []
    try:
        for pool in chosen:
            with _terminated_in_order():
                report = runner.check_pool(pool, get_runtime())
            reports.keep(pool, report)
            found.append(report)
            if not as_json:
                say(reports.table(report) + "\n")
    except RuntimeUnavailable as silence:
        say(f"{silence}. Start the engine, or check THERMAE_DOCKER_HOST and its permissions.")
        return False
    if as_json:
        say(json.dumps([reports.as_json(report) for report in found], indent=2))
    return not any(report.failed for report in found)


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """A SIGTERM ends a check as Ctrl-C does: its sandboxes are removed first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
