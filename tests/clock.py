"""A clock that stands still until it is told to move on."""

from datetime import UTC, datetime, timedelta

import pytest


class Clock:
    """What `timezone.now()` says. Defaults of fields that name the function itself go on with the real time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 11, 10, 12, tzinfo=UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: self.now)

    def shift(self, by: float | timedelta) -> None:
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def move_to(self, moment: datetime) -> None:
        self.now = moment
