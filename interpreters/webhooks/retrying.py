"""What follows an attempt. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

# Seconds before each further attempt: close to a day in all.
DELAYS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
JITTER = 0.2  # of a delay, to either side
LONGEST_WISH = 24 * 3600  # seconds that a receiver may ask us to wait
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a status, or in words why there is none."""

    status: int | None = None
    error: str = ""
    retry_after: float | None = None  # seconds
    seconds: float = 0.0

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == GONE

    @property
    def words(self) -> str:
        if self.error or self.taken:
            return self.error
        if self.status is not None and 300 <= self.status < 400:
            return "It redirects, which is not followed."
        return "It says that it is gone for good." if self.gone else "It did not take it."


def next_try(attempts: int, answer: Answer, now: datetime, chance: Callable[[], float]) -> datetime | None:
    """When to try again after so many attempts; None: no more. `chance`: a number from 0 to 1."""
    if answer.gone or attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 - JITTER + 2 * JITTER * chance())
    return now + timedelta(seconds=max(delay, min(answer.retry_after or 0, LONGEST_WISH)))


def is_hopeless(failing_since: datetime | None, now: datetime, patience_days: float) -> bool:
    """Whether nothing has arrived for so long that nobody can be there."""
    return failing_since is not None and now - failing_since >= timedelta(days=patience_days)
