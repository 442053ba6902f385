"""How a pool fails, backs off, and recovers: a failing image must not be launched for ever."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.dispatch import Signal
from django.utils import timezone

from interpreters.lifecycle import DEGRADED_AFTER

logger = logging.getLogger(__name__)

# What a failing pool waits before its next launch: 4 s, 8 s, … at most 5 minutes.
LONGEST_BACK_OFF = 300
# How long an engine that did not answer is left alone; every tick that reaches it ends this.
ENGINE_BACK_OFF = timedelta(seconds=15)

# Sent within the transaction, once for each change, with `pool`, `degraded`, and `since`: when it became degraded.
judged = Signal()


class Failing(models.Model):
    # What went wrong, for admins. Launches back off by failures and crashes until `retry_at`; all of it is about what
    # the pool was made of at `failed_revision`, and is past once that changes.
    last_error = models.TextField(blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failed launches in a row.")
    crashes = models.PositiveIntegerField(default=0, editable=False, help_text="Ready instances that soon died.")
    failed_revision = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    degraded_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def revision(self) -> int:
        """A number for all that a sandbox is made from; the pool says it."""
        raise NotImplementedError

    @property
    def failures_in_a_row(self) -> int:
        """Launches that failed, and ready instances that soon died, since it is made of what it is made of now."""
        return self.failures + self.crashes if self._failed_as_it_is else 0

    @property
    def backing_off_until(self) -> datetime | None:
        return self.retry_at if self._failed_as_it_is else None

    @property
    def degraded(self) -> bool:
        """Its sandboxes fail again and again: somebody must look at `last_error`."""
        return self.failures_in_a_row >= DEGRADED_AFTER

    @property
    def _failed_as_it_is(self) -> bool:
        return self.failed_revision in (0, self.revision)

    def launch_failed(self, error: str) -> None:
        """Back off: every further failure doubles the wait."""
        self._back_off("failures", error)

    def instance_crashed(self, error: str) -> None:
        """A ready instance soon died: no less of a failure, which the success of its launch does not undo."""
        self._back_off("crashes", error)

    def _back_off(self, count: str, error: str) -> None:
        wait = timedelta(seconds=min(LONGEST_BACK_OFF, 2 ** min(self.failures_in_a_row + 2, 10)))
        counts: dict[str, Any] = {count: F(count) + 1}
        if not self._failed_as_it_is:
            counts = {"failures": 0, "crashes": 0, count: 1}
        self.note(**counts, last_error=error[:4000], retry_at=timezone.now() + wait, failed_revision=self.revision)
        # What a container said may be anything: of that only the first line, which is ours.
        logger.warning("pool %s: a launch failed, next try in %s: %s", self, wait, error.partition("\n")[0])

    def engine_failed(self, error: str) -> None:
        past = {} if self._failed_as_it_is else {"failures": 0, "crashes": 0, "failed_revision": 0}
        self.note(**past, last_error=error[:4000], retry_at=timezone.now() + ENGINE_BACK_OFF)

    def launched(self) -> None:
        """A launch succeeded: failed ones are forgotten. That instances died is not, until one has stood."""
        if self.crashes and self._failed_as_it_is:
            self.note(failures=0, retry_at=None)
        else:
            self.recovered()

    def recovered(self) -> None:
        """Forget errors, once an instance stands or the engine answers again."""
        if self.failures or self.crashes or self.last_error or self.retry_at:
            self.note(last_error="", failures=0, crashes=0, failed_revision=0, retry_at=None)

    def note(self, **fields: Any) -> None:
        """Write these fields alone: an admin may be editing the others."""
        with transaction.atomic():
            self._row.update(**fields)
            self.refresh_from_db(fields=list(fields))
            self._tell_judgement()

    def _tell_judgement(self) -> None:
        """Of many who notice at once that it became degraded, or that it no longer is, one tells."""
        if self.degraded and self.degraded_since is None:
            now = timezone.now()
            won = self._row.filter(degraded_since=None).update(degraded_since=now)
            self.degraded_since = now
            if won:
                judged.send(type(self), pool=self, degraded=True, since=now)
        elif self.degraded_since is not None and not self.degraded:
            since = self.degraded_since
            won = self._row.filter(degraded_since=since).update(degraded_since=None)
            self.degraded_since = None
            if won:
                judged.send(type(self), pool=self, degraded=False, since=since)

    @property
    def _row(self) -> "models.QuerySet[Any]":
        return type(self)._default_manager.filter(pk=self.pk)
