"""`/healthz`: this process answers. `/healthz/ready`: it can do its work; each part says "ok" or what is wrong.

The web process must not touch the engine. That it answers is known from the worker: every look at a pool that
reached the engine leaves its time in the pool's row.
"""

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Max
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from interpreters.models import SessionPool

REDIS_TIMEOUT = 1.0  # seconds
OK = "ok"


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": OK})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    parts = {name: check() for name, check in CHECKS.items()}
    well = all(said == OK for said in parts.values())
    return JsonResponse({"status": OK if well else "failing", **parts}, status=200 if well else 503)


def _database() -> str:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"the database does not answer: {type(error).__name__}"
    return OK


def _redis() -> str:
    server = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT)
    try:
        server.ping()
    except redis.RedisError as error:
        return f"Redis does not answer: {type(error).__name__}"
    finally:
        server.close()
    return OK


def _engine() -> str:
    try:
        last = SessionPool.objects.aggregate(last=Max("maintained_at"))["last"]
        pools = last is not None or SessionPool.objects.exists()
    except DatabaseError:
        return "unknown: the database does not answer"
    if not pools:
        return OK
    patience = timedelta(seconds=6 * settings.MAINTAIN_INTERVAL + settings.DOCKER_TIMEOUT)
    if last is None or last < timezone.now() - patience:
        return "no worker has reached the engine lately: see that a worker runs, and its log"
    return OK


CHECKS: dict[str, Callable[[], str]] = {"database": _database, "redis": _redis, "engine": _engine}
