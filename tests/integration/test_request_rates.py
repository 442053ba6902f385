"""API requests a minute, counted in a real Redis, and when that goes away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from tenants import request_rates
from tests.edges import Caller
from tests.unit.test_request_rates import bound, minute, statuses

__all__ = ["minute"]  # a fixture
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
async def with_redis(redis_url: str, settings: Any) -> AsyncIterator[None]:
    settings.REDIS_URL = redis_url
    settings.INSTALLATION = f"{settings.INSTALLATION}-rates"
    request_rates.begin_anew()
    yield
    await request_rates._client().aclose()


async def test_processes_count_together_in_redis(with_redis: None, acme: Any, alice: Any, token: Any) -> None:
    await bound(acme, max_requests=6, max_caller_requests=4)
    mine, other = [Caller(secret) for secret in [await sync_to_async(token)(alice) for _ in range(2)]]
    assert (await statuses(mine, 8)).count(200) == 4
    request_rates._local.clear()  # another process
    assert (await statuses(other, 4)).count(200) == 2
    assert not request_rates._local


async def test_a_redis_that_goes_away_refuses_nobody(
    with_redis: None, redis_server: Any, acme: Any, alice: Any, token: Any
) -> None:
    await bound(acme, max_requests=3)
    call = Caller(await sync_to_async(token)(alice))
    assert await statuses(call, 3) == [200] * 3
    redis_server.stop()
    try:
        assert await statuses(call, 4) == [200, 200, 200, 429], "counted here from now on"
    finally:
        redis_server.start()
    request_rates.begin_anew()
    assert await statuses(call, 1) == [200], "a Redis that is back begins anew"
