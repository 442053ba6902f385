"""How a tenant stands with its quotas, and the signals when one is near or reached.

A quota is a field of Tenant. Who knows what is used of it says so once, by `measured`; so this application tells how a
tenant stands without knowing what sessions and notebooks are.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from tenants.models import QuotaLevel, Tenant
from tenants.models.tenant import QUOTAS

logger = logging.getLogger(__name__)

Level = QuotaLevel.Level
# The part of a quota from which it counts as near.
NEAR = 0.8
RANK = {Level.FREE: 0, Level.NEAR: 1, Level.REACHED: 2}
UNITS = {
    "max_sessions": "sessions",
    "max_cpu": "cores",
    "max_memory": "MiB",
    "max_session_hours": "hours a month",
    "max_execution_hours": "hours a month",
    "max_stored": "MiB",
    "max_requests": "requests a minute",
    "max_caller_requests": "requests a minute",
    "max_member_sessions": "sessions",
    "max_ready": "instances",
    "max_disk": "MiB",
}
# Of quotas whose use is not told: how it is counted; and of all that free by what people do: how.
COUNTED = {"max_member_sessions": "of each member"}
FREES = {
    "max_ready": "when a pool keeps fewer ready",
    "max_stored": "when something is deleted",
    "max_requests": "each minute",
    "max_caller_requests": "each minute",
}

# Sent once for each crossing, with `tenant` and `standing`, in the transaction that remembers it: what cannot be told
# is told by the next who sees it. A quota is crossed anew when less than NEAR of it was used in between, or its month
# is over. Sender: Tenant.
quota_near = Signal()
quota_reached = Signal()


@dataclass(frozen=True, slots=True)
class Used:
    """`frees_at`: when there will be room even if nobody does anything; None where that depends on people."""

    amount: float
    frees_at: datetime | None = None
    period: str = ""  # of a quota that begins anew


@dataclass(frozen=True, slots=True)
class Standing:
    """One quota of one tenant, now. `used` is None where it is counted too quickly to be told."""

    quota: str
    value: float
    used: float | None
    frees_at: datetime | None = None
    period: str = ""

    @property
    def label(self) -> str:
        return str(Tenant._meta.get_field(self.quota).verbose_name)  # type: ignore[union-attr]

    @property
    def unit(self) -> str:
        return UNITS.get(self.quota, "")

    @property
    def counted(self) -> str:
        return COUNTED.get(self.quota, "counted by the minute")

    @property
    def frees(self) -> str:
        """In words, where no moment says so."""
        return FREES.get(self.quota, "when a session ends")

    @property
    def left(self) -> float | None:
        return None if self.used is None else max(0.0, self.value - self.used)

    @property
    def sentence(self) -> str:
        used = "an unknown part" if self.used is None else f"{self.used:.6g}"
        return f"{used} of {self.value:g} {self.unit} are used ({self.label})."

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "quota": self.quota,
            "value": self.value,
            "used": self.used,
            "left": self.left,
            "unit": self.unit,
            "frees_at": self.frees_at.timestamp() if self.frees_at else None,
        }

    @property
    def level(self) -> QuotaLevel.Level:
        if self.used is None:
            return Level.FREE
        if self.used >= self.value:
            return Level.REACHED
        return Level.NEAR if self.used >= NEAR * self.value else Level.FREE


Measure = Callable[[Tenant], Used]
_measures: dict[str, Measure] = {}


def measured(quota: str) -> Callable[[Measure], Measure]:
    """From now on the decorated function says what of this quota a tenant uses."""

    def register(measure: Measure) -> Measure:
        _measures[quota] = measure
        return measure

    return register


def standings(tenant: Tenant) -> Iterator[Standing]:
    """Of each quota that the tenant has, in the order of its fields."""
    for name in QUOTAS:
        value = getattr(tenant, name)
        if value is None:
            continue
        used = _measures[name](tenant) if name in _measures else None
        if used is None:
            yield Standing(name, value, None)
        else:
            yield Standing(name, value, used.amount, used.frees_at, used.period)


def note(tenant: Tenant, standing: Standing, *, refused: bool = False) -> None:
    """Remember how a quota stands, and tell who listens if that is worse than it was: of all who see it, one does.

    `refused`: it is reached, since more was asked for than there was.
    """
    if standing.quota not in _measures and not standing.period:
        return  # nobody would see that it is free again
    level = Level.REACHED if refused else standing.level
    row, _ = QuotaLevel.objects.get_or_create(tenant=tenant, quota=standing.quota)
    was = Level(row.level) if row.period == standing.period else Level.FREE
    if level == Level.NEAR and was == Level.REACHED:
        level = was  # who lives at the limit is not told again and again
    if (level, standing.period) == (row.level, row.period):
        return
    try:
        with transaction.atomic():
            mine = QuotaLevel.objects.filter(pk=row.pk, level=row.level, period=row.period)
            if mine.update(level=level, period=standing.period) and RANK[level] > RANK[was]:
                _tell(tenant, standing, level)
    except Exception:  # of whoever listens: no reason to refuse what was asked for
        logger.exception("tenant %s: %s could not be told", tenant, standing.quota)


def note_all() -> None:
    """Look at every tenant: hours pass also while nobody asks for anything."""
    for tenant in Tenant.objects.all():
        for standing in standings(tenant):
            if standing.used is not None:
                note(tenant, standing)


def _tell(tenant: Tenant, standing: Standing, level: QuotaLevel.Level) -> None:
    signal = quota_reached if level == Level.REACHED else quota_near
    about = (tenant, standing.quota, level.value, standing.used, standing.value)
    logger.info("tenant %s: %s is %s (%s of %s)", *about)
    signal.send(Tenant, tenant=tenant, standing=standing)
