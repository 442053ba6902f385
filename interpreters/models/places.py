"""The line in front of a pool that is full: who asks gets a place in it, and keeps it by asking again.

Nothing is given to who is not there: a place counts for a little longer than its holder was told to wait. Whose turn it
is, `lifecycle.turns` says. Only who holds the pool's lock reads and writes places to decide by them; anybody may look
whether there are any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from interpreters.lifecycle import Waiting, place_of
from tenants.models import Tenant
from tenants.prepared import Given

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool

# Places that one tenant may have in the line of one pool.
MOST_PLACES = 100
# Seconds: who is next asks soon, who is far behind less often; and what a holder may be late.
SOON, SELDOM, LATE = 2, 10, 10


class PlaceQuerySet(models.QuerySet["Place"]):
    def kept(self, now: datetime | Given) -> Self:
        return self.filter(expires_at__gt=now)

    def forget_left(self) -> None:
        """Those whose holders did not come again."""
        self.filter(expires_at__lte=timezone.now()).delete()


class Place(models.Model):
    pool = models.ForeignKey("interpreters.SessionPool", models.CASCADE, related_name="places")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    identifier = models.CharField(max_length=128)
    since = models.DateTimeField(default=timezone.now)
    passed_over = models.PositiveIntegerField(default=0)
    expires_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    objects = PlaceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "tenant", "identifier"], name="one_place_each")]
        indexes = [models.Index(fields=["pool", "expires_at"])]

    def __str__(self) -> str:
        return f"{self.identifier} in the line of {self.pool}"

    @property
    def waiting(self) -> Waiting[int]:
        return Waiting(0 if self._state.adding else self.pk, self.tenant_id, self.since, self.passed_over)


@dataclass(frozen=True, slots=True)
class Line:
    """The line of a pool as somebody finds it who asks. `mine`: not stored unless it was before."""

    mine: Place
    others: list[Place]

    @classmethod
    def of(cls, pool: "SessionPool", holder: Mapping[str, Any]) -> "Line":
        pool.places.forget_left()
        places: list[Place] = list(pool.places.all())
        named = {"tenant_id": holder["tenant"].pk, "identifier": holder["identifier"]}
        mine = next((p for p in places if all(getattr(p, name) == value for name, value in named.items())), None)
        others = [place for place in places if place is not mine]
        new = {name: holder[name] for name in ("tenant", "user", "identifier")}
        return cls(mine or Place(pool=pool, **new), others)

    def position(self, has: Mapping[int | None, int]) -> int:
        mine = self.mine.waiting
        return place_of(mine, [mine, *(place.waiting for place in self.others)], has)

    @property
    def takes_more(self) -> bool:
        """Whether who asks has a place, or may have one."""
        own = sum(place.tenant_id == self.mine.tenant_id for place in self.others)
        return not self.mine._state.adding or own < MOST_PLACES

    def keep(self, position: int) -> int:
        """Store the place. Returns the seconds after which its holder should ask again."""
        wait = min(SELDOM, SOON + (position - 1) // 8)
        self.mine.expires_at = timezone.now() + timedelta(seconds=2 * wait + LATE)
        self.mine.save()
        return wait

    def leave(self) -> None:
        """Its turn has come: others were passed over, those of the same tenant were not."""
        if not self.mine._state.adding:
            Place.objects.filter(pk=self.mine.pk).delete()
        if self.others:
            ours = Place.objects.filter(pool=self.mine.pool, tenant=self.mine.tenant_id)
            ours.exclude(passed_over=0).update(passed_over=0)
            Place.objects.filter(pool=self.mine.pool).exclude(tenant=self.mine.tenant_id).update(
                passed_over=F("passed_over") + 1
            )
