"""API requests a minute, of a tenant and of each caller: a token, or a person's browser.

A minute is one of the clock's. Web processes count together in Redis, in one round trip, and only for who has a limit.
Where Redis does not answer each process counts for itself: with n processes up to n times as many pass, and nobody is
refused because of it. A caller who is over its own limit uses up nothing of the tenant's.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from tenants.authentication import Actor
from tenants.quotas import Standing

logger = logging.getLogger(__name__)

WINDOW = 60  # seconds
# Seconds for Redis to answer, and for which it is left alone when it did not.
PATIENCE, LEFT_ALONE = 0.1, 5.0
# Counts one after another, and goes no further than the first that is over its limit.
SCRIPT = """
local counts = {}
for i, key in ipairs(KEYS) do
  counts[i] = redis.call('INCR', key)
  if counts[i] == 1 then redis.call('EXPIRE', key, ARGV[#KEYS + 1]) end
  if counts[i] > tonumber(ARGV[i]) then break end
end
return counts
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one quota says of a request. `count`: of this minute, with the request; None where it was not asked."""

    quota: str
    most: int
    key: str
    count: int | None = None

    @property
    def name(self) -> str:
        return "tenant" if self.quota == "max_requests" else "caller"

    @property
    def left(self) -> int:
        return self.most if self.count is None else max(0, self.most - self.count)


@dataclass(frozen=True, slots=True)
class Rates:
    """What all quotas say of a request."""

    limits: tuple[Limit, ...]
    resets_in: int  # seconds

    @property
    def exceeded(self) -> Limit | None:
        return next((limit for limit in self.limits if limit.count is not None and limit.count > limit.most), None)

    def standing(self, limit: Limit) -> Standing:
        """Of a limit that was reached. Its period has it told once an hour at most."""
        now = datetime.now(UTC)
        frees_at = datetime.fromtimestamp((int(now.timestamp()) // WINDOW + 1) * WINDOW, UTC)
        return Standing(limit.quota, limit.most, min(limit.count or 0, limit.most), frees_at, f"{now:%m-%dT%H}")


def limits_of(actor: Actor) -> tuple[Limit, ...]:
    """The caller's first. Nothing is asked of anything for them."""
    tenant = actor.tenant
    most = tenant.max_requests if tenant.max_requests is not None else settings.REQUESTS_PER_MINUTE or None
    own = tenant.max_caller_requests
    own = own if own is not None else settings.CALLER_REQUESTS_PER_MINUTE or None
    if most is None and own is None:
        return ()
    # Tokens of one session are made by the dozen: they count as who made them.
    token = actor.token if actor.token and not actor.token.session else None
    caller = f"token:{token.pk}" if token else f"user:{tenant.pk}:{actor.user.pk}"
    found = [Limit("max_caller_requests", own, caller)] if own is not None else []
    return (*found, *([Limit("max_requests", most, f"tenant:{tenant.pk}")] if most is not None else []))


async def count(limits: Sequence[Limit]) -> Rates:
    """Count one request against all of them."""
    now = time.time()
    minute = int(now // WINDOW)
    keys = [f"thermae:{settings.INSTALLATION}:requests:{limit.key}:{minute}" for limit in limits]
    counts = await _counts(keys, [limit.most for limit in limits], minute)
    counted = [
        Limit(limit.quota, limit.most, limit.key, counts[place] if place < len(counts) else None)
        for place, limit in enumerate(limits)
    ]
    return Rates(tuple(counted), max(1, int((minute + 1) * WINDOW - now) + 1))


def tell(request: HttpRequest, response: HttpResponseBase) -> None:
    """What is left, in the header fields of draft-ietf-httpapi-ratelimit-headers."""
    rates: Rates | None = getattr(request, "rates", None)
    if rates is not None:
        response["RateLimit-Policy"] = ", ".join(f'"{each.name}";q={each.most};w={WINDOW}' for each in rates.limits)
        response["RateLimit"] = ", ".join(f'"{each.name}";r={each.left};t={rates.resets_in}' for each in rates.limits)


# --- Counting ---

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
_away_until = 0.0
_local: Counter[str] = Counter()
_local_minute = 0


async def _counts(keys: list[str], most: list[int], minute: int) -> list[int]:
    global _away_until
    if time.monotonic() >= _away_until:
        try:
            async with asyncio.timeout(PATIENCE):
                return list(await _client().eval(SCRIPT, len(keys), *keys, *most, 2 * WINDOW))
        except (redis.RedisError, OSError, TimeoutError) as silence:
            _away_until = time.monotonic() + LEFT_ALONE
            logger.warning("requests are counted by each process for itself: Redis does not answer (%r)", silence)
    return _count_here(keys, most, minute)


def _count_here(keys: list[str], most: list[int], minute: int) -> list[int]:
    global _local_minute
    if minute != _local_minute:
        _local.clear()
        _local_minute = minute
    counts: list[int] = []
    for key, limit in zip(keys, most, strict=True):
        _local[key] += 1
        counts.append(_local[key])
        if counts[-1] > limit:
            break
    return counts


def _client() -> Any:
    """One for each event loop: a connection belongs to the loop that opened it."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    return _clients[loop]


def begin_anew() -> None:
    """Forget what was counted here, and that Redis was away."""
    global _away_until
    _away_until = 0.0
    _local.clear()
