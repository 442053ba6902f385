"""Whether this process lives, and whether the installation can do its work.

Web never asks the engine. A worker that reaches it writes down when it last looked at a pool: that is its heartbeat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import redis.asyncio
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Max
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from interpreters.models import SessionPool
from tenants.threads import in_thread

# Seconds for each part to answer.
PATIENCE = 2.0


class Unwell(Exception):
    """A part does not do its work; the message says what to do."""


async def live(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Every part that sessions need, each "ok" or what is wrong; 503 unless all are well."""
    checks = {"database": database, "redis": redis_server, "engine": engine}
    findings = dict(zip(checks, await asyncio.gather(*map(_finding, checks.values())), strict=True))
    well = all(finding == "ok" for finding in findings.values())
    return JsonResponse({"status": "ok" if well else "unwell", **findings}, status=200 if well else 503)


async def _finding(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except Unwell as finding:
        return str(finding)
    except TimeoutError:
        return f"It did not answer within {PATIENCE:.0f} s."
    return "ok"


async def database() -> None:
    try:
        await in_thread(_select)()
    except DatabaseError as error:
        raise Unwell("The database does not answer: see THERMAE_DATABASE_URL.") from error


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def redis_server() -> None:
    if not str(settings.CHANNEL_LAYERS["default"]["BACKEND"]).startswith("channels_redis"):
        return
    try:
        async with redis.asyncio.from_url(settings.REDIS_URL) as server:
            await server.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise Unwell("Redis does not answer: see THERMAE_REDIS_URL.") from error


async def engine() -> None:
    """A worker has looked at its engine lately. Nothing to look at is fine too."""
    try:
        seen, pools = await in_thread(_last_seen)()
    except DatabaseError as error:
        raise Unwell("Unknown while the database does not answer.") from error
    late = timedelta(seconds=max(30.0, 6 * settings.MAINTAIN_INTERVAL))
    if pools and (seen is None or timezone.now() - seen > late):
        raise Unwell("No worker has reached its engine lately: check the Celery worker, beat, and the engine.")


def _last_seen() -> tuple[datetime | None, int]:
    """When any enabled pool was last looked at, and how many there are."""
    found = SessionPool.objects.filter(enabled=True).aggregate(seen=Max("maintained_at"), pools=Count("pk"))
    return found["seen"], found["pools"]
