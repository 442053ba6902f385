"""What was decided, folded so that a flood of the same costs a number and not a row each.

A record is one line of the log and one row. What repeats within a while is counted in it; a tenant that asks for ever
new things has, above its allowance, one record for each pool that only counts.
"""

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import sub
from uuid import UUID, uuid4

WHILE = 30.0  # seconds in which the same is folded
# New records of one tenant: so many at once, and so many a second after that.
ALLOWANCE, REFILL = 500.0, 1.0
EVERY = 10.0  # seconds after which the bytes of an open connection are stored again
MOST_WAITING = 20_000  # records while the database does not answer; the rest is lost, and counted
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose sandbox asks."""

    session: UUID
    pool: int
    tenant: int | None


@dataclass(slots=True, eq=False)
class Record:
    subject: Subject
    host: str
    port: int
    address: str
    reason: str  # empty: allowed
    began: float
    id: UUID = field(default_factory=uuid4)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    count: int = 1
    bytes_out: int = 0
    bytes_in: int = 0
    live: int = 0  # connections that still count bytes here
    stored: bool = False
    changed: bool = True  # since it was taken
    taken_at: float = 0.0
    # What the totals know of already.
    told: tuple[int, int, int] = (0, 0, 0)

    def sent(self, size: int) -> None:
        self.bytes_out += size
        self.changed = True

    def received(self, size: int) -> None:
        self.bytes_in += size
        self.changed = True

    @property
    def numbers(self) -> tuple[int, int, int]:
        return self.count, self.bytes_out, self.bytes_in


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it was when it was taken; the record itself goes on counting."""

    record: Record
    new: bool
    numbers: tuple[int, int, int]
    more: tuple[int, int, int]  # than when it was taken the last time


@dataclass
class _Allowance:
    left: float = ALLOWANCE
    at: float = 0.0


class Journal:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = 0
        self._clock = clock
        self._records: dict[Hashable, Record] = {}
        self._closed: list[Record] = []  # and not stored as they are now
        self._allowances: dict[int | None, _Allowance] = {}

    def note(self, subject: Subject, host: str, port: int, reason: str, address: str = "") -> Record:
        """Count a decision; the record that it is counted in."""
        key: Hashable = (subject, host, port, reason, address)
        record = self._records.get(key)
        if record is None and not self._may_have_another(subject.tenant):
            key = (subject.tenant, subject.pool, bool(reason), OTHERS)
            host, port, address = OTHERS, 0, ""
            record = self._records.get(key)
        if record is not None:
            record.count += 1
            record.changed = True
            return record
        record = self._records[key] = Record(subject, host[:255], port, address, reason, self._clock())
        return record

    def take(self) -> list[Entry]:
        """What is to be stored now. If that fails, `give_back()`."""
        self._close_old()
        now = self._clock()
        taken = []
        for record in [*self._closed, *self._records.values()]:
            open_and_early = record.live and record.stored and now - record.taken_at < EVERY
            if record.changed and not open_and_early:
                numbers = record.numbers
                more = tuple(map(sub, numbers, record.told))
                taken.append(Entry(record, not record.stored, numbers, (more[0], more[1], more[2])))
                record.stored, record.changed, record.taken_at, record.told = True, False, now, numbers
        self._closed = []
        return taken

    def give_back(self, entries: Iterable[Entry]) -> None:
        """They could not be stored: try again with the next."""
        open_ones = set(self._records.values())
        for entry in entries:
            record = entry.record
            record.stored, record.changed = not entry.new, True
            told = tuple(map(sub, record.told, entry.more))
            record.told = (told[0], told[1], told[2])
            if record not in open_ones:
                self._closed.append(record)
        excess = len(self._closed) - MOST_WAITING
        if excess > 0:
            self.lost += excess
            del self._closed[:excess]

    def _close_old(self) -> None:
        now = self._clock()
        old = [key for key, record in self._records.items() if not record.live and now - record.began > WHILE]
        self._closed += [record for key in old if (record := self._records.pop(key)).changed]

    def _may_have_another(self, tenant: int | None) -> bool:
        now = self._clock()
        allowance = self._allowances.setdefault(tenant, _Allowance(at=now))
        allowance.left = min(ALLOWANCE, allowance.left + (now - allowance.at) * REFILL)
        allowance.at = now
        if allowance.left < 1:
            return False
        allowance.left -= 1
        return True
