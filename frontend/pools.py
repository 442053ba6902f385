"""The languages to choose from, each with its state in words. Read from the database: pages need no engine to load."""

from collections import Counter
from dataclasses import dataclass, replace

from frontend.starters import has_starter
from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class PoolCard:
    name: str
    language: str
    kernel: str
    status: str  # ready | starting | building | full | unavailable: also the class that draws its sign
    words: str
    # Another pool is in the same language: its name tells which.
    twin: bool = False

    @property
    def label(self) -> str:
        return f"{self.language} ({self.name})" if self.twin else self.language

    @property
    def example(self) -> bool:
        """Whether there is a notebook to begin with in this language."""
        return has_starter(self.language)

    @property
    def usable(self) -> bool:
        return self.status != "unavailable"


def pool_cards(tenant: Tenant) -> list[PoolCard]:
    """The languages that a notebook can be in."""
    return _cards(tenant, InterpreterImage.Kind.CODE)


def container_cards(tenant: Tenant) -> list[PoolCard]:
    """The tenant's own containers, which a person opens as they are."""
    return _cards(tenant, InterpreterImage.Kind.CUSTOM)


def _cards(tenant: Tenant, kind: InterpreterImage.Kind) -> list[PoolCard]:
    pools = SessionPool.objects.usable_by(tenant).filter(enabled=True, image__kind=kind).with_counts()
    cards = sorted((_card(pool) for pool in pools), key=lambda card: (card.language.lower(), card.name))
    languages = Counter(card.language for card in cards)
    return [replace(card, twin=languages[card.language] > 1) for card in cards]


def _card(pool: SessionPool) -> PoolCard:
    status, words = _state(pool)
    return PoolCard(pool.name, pool.image.language, pool.image.kernel, status, words)


def _state(pool: SessionPool) -> tuple[str, str]:
    counts = {name: getattr(pool, name) for name in ("ready", "starting", "live")}
    image = InterpreterImage.State(pool.image.state)
    if counts["ready"]:
        return "ready", f"{counts['ready']} ready"
    if image == InterpreterImage.State.BUILDING:
        return "building", "Being built"
    if image == InterpreterImage.State.FAILED:
        return "unavailable", "Building it failed"
    if image == InterpreterImage.State.ABSENT:
        return "building", "Not built yet"
    if pool.last_error:
        return "unavailable", "Not available right now"
    if counts["starting"]:
        return "starting", "Warming up"
    if counts["live"] >= pool.max_concurrent:
        return "full", "All in use"
    return "starting", "Starts on demand"
