"""What one process takes away, another closes: by a notice through a real Redis, before any clock would find it."""

import os
import subprocess
import sys
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.utils import timezone

from interpreters.models import Session
from interpreters.sessions import following, standing
from tenants.models import ApiToken
from tests.edges import agents, eventually, leased, ready, state, tab
from tests.services import RedisServer

__all__ = ["agents", "leased", "ready"]

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]
# As whatever saves such a row does; its own database is another one here, so only the notice is what counts.
OTHER_PROCESS = """
import sys
import django
django.setup()
from tenants.signals import standing_changed
standing_changed.send(None, user=int(sys.argv[1]))
"""


@pytest.fixture
def layer(redis_server: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [redis_server.url]}}}
    monkeypatch.setattr(channel_layers, "backends", {})
    for module in (following, standing):
        monkeypatch.setattr(module, "EVERY", 3600.0)
    monkeypatch.setattr(following.changes, "__defaults__", (3600.0, None))
    return redis_server.url


async def test_a_token_that_another_process_revokes_closes_its_sockets(
    layer: str, alice: Any, leased: Any, token: Any
) -> None:
    session: Session = await sync_to_async(leased)(alice)
    secret = await sync_to_async(token)(alice)
    async with tab(f"/ws/sessions/{session.pk}/channels", secret) as page:
        await page.until(state("leased"))
        with standing.listener().news_of(alice.pk) as news:
            # Its own listening has begun once the first look at everybody was asked for.
            await eventually(lambda: sync_to_async(news.is_set)())
        await ApiToken.objects.aupdate(revoked_at=timezone.now())  # which tells nobody
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "THERMAE_REDIS_URL": layer}
        command = [sys.executable, "-c", OTHER_PROCESS, str(alice.pk)]
        await sync_to_async(subprocess.run)(command, env=environment, check=True, timeout=60)
        assert await page.closed() == 4401
