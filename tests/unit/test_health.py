"""Whether we live, and whether we can work."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import AsyncClient
from django.utils import timezone

from interpreters import health
from interpreters.models import SessionPool

pytestmark = pytest.mark.django_db(transaction=True)


async def asked(path: str) -> tuple[int, dict[str, str]]:
    response = await AsyncClient().get(path)
    return response.status_code, response.json()


async def test_live_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_select", broken)
    assert await asked("/healthz") == (200, {"status": "ok"})


async def test_ready_without_a_pool(transactional_db: None) -> None:
    assert await asked("/healthz/ready") == (
        200,
        {"status": "ok", "database": "ok", "redis": "ok", "engine": "ok"},
    )


async def test_a_worker_that_was_here_lately_is_well(pool: Any) -> None:
    await SessionPool.objects.aupdate(maintained_at=timezone.now())
    assert (await asked("/healthz/ready"))[0] == 200


@pytest.mark.parametrize("seen", [None, timezone.now() - timedelta(minutes=5)])
async def test_a_worker_that_was_not_is_missed(pool: Any, seen: Any) -> None:
    await SessionPool.objects.aupdate(maintained_at=seen)
    status, found = await asked("/healthz/ready")
    assert (status, found["status"], found["database"]) == (503, "unwell", "ok")
    assert "worker" in found["engine"]


def broken() -> None:
    raise OperationalError("no database")


async def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_select", broken)
    monkeypatch.setattr(health, "_last_seen", broken)
    status, found = await asked("/healthz/ready")
    assert status == 503
    assert "THERMAE_DATABASE_URL" in found["database"]
    assert "THERMAE_DATABASE_URL" not in found["redis"]


async def test_redis_that_is_away(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    status, found = await asked("/healthz/ready")
    assert status == 503
    assert "THERMAE_REDIS_URL" in found["redis"]
