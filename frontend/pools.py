"""The languages to choose from, each with its state in words. Read from the database: pages need no engine to load."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from interpreters.lifecycle import LIVE, State
from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class PoolCard:
    name: str
    language: str
    kernel: str
    status: str  # ready | starting | building | full | unavailable: also the class that draws its sign
    words: str

    @property
    def usable(self) -> bool:
        return self.status != "unavailable"


def pools_of(tenant: Tenant) -> QuerySet[SessionPool]:
    """The pools that a tenant may use: its own and the shared ones."""
    return SessionPool.objects.filter(Q(tenant=None) | Q(tenant=tenant), enabled=True)


def pool_cards(tenant: Tenant) -> list[PoolCard]:
    counted = pools_of(tenant).select_related("image").order_by("image__language", "name")
    counted = counted.annotate(
        ready=Count("sessions", filter=Q(sessions__state=State.READY)),
        starting=Count("sessions", filter=Q(sessions__state=State.STARTING)),
        live=Count("sessions", filter=Q(sessions__state__in=LIVE)),
    )
    # A tenant's own pool hides a shared one of the same name.
    by_name = {pool.name: pool for pool in sorted(counted, key=lambda pool: pool.tenant_id is not None)}
    return sorted((_card(pool) for pool in by_name.values()), key=lambda card: (card.language.lower(), card.name))


def _card(pool: SessionPool) -> PoolCard:
    status, words = _state(pool)
    return PoolCard(pool.name, pool.image.language, pool.image.kernel, status, words)


def _state(pool: SessionPool) -> tuple[str, str]:
    ready, starting, live = (getattr(pool, name) for name in ("ready", "starting", "live"))
    if ready:
        return "ready", f"{ready} ready"
    if pool.image.state == InterpreterImage.State.BUILDING:
        return "building", "Image is being built"
    if pool.image.state == InterpreterImage.State.FAILED:
        return "unavailable", "Building its image failed"
    if pool.last_error:
        return "unavailable", "Not available right now"
    if pool.image.state == InterpreterImage.State.ABSENT:
        return "building", "Image is not built yet"
    if starting:
        return "starting", "Warming up"
    if live >= pool.max_concurrent:
        return "full", "All in use"
    return "starting", "Starts on demand"
