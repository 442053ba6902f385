"""Sending what is due: many at a time on one thread of a worker, which no task of a sandbox ever waits for.

A delivery is claimed by an UPDATE before it is sent, so no two senders make one attempt. Who dies in between leaves a
claim that passes, and the attempt is made again: receivers know the event by its id. Of one endpoint two are sent at a
time, of one tenant eight: who answers slowly holds up itself. The order is not promised.
"""

import asyncio
import json
import logging
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from interpreters.models import WebhookDelivery, WebhookEndpoint
from interpreters.webhooks import signing
from interpreters.webhooks.posting import Poster
from interpreters.webhooks.retrying import Answer, is_hopeless, next_try
from tenants.audit import Action, record
from tenants.encryption import CannotDecrypt
from tenants.threads import in_thread
from tenants.webhook_urls import BadUrl, WebhookUrl

logger = logging.getLogger(__name__)

OF_ENDPOINT, OF_TENANT = 2, 8

Post = Callable[[WebhookUrl, Mapping[str, str], bytes, Hashable], Awaitable[Answer]]


class Sender:
    def __init__(self, post: Post | None = None) -> None:
        self._post = post
        self._under_way: dict[asyncio.Task[None], WebhookDelivery] = {}
        self._finished = asyncio.Event()

    async def send_due(self) -> None:
        """Send what is due, until nothing is, or what is left has to wait for its endpoint."""
        while True:
            self._finished.clear()
            room = settings.PARALLEL_WEBHOOKS - len(self._under_way)
            taken = await in_thread(take_up)(room, list(self._under_way.values())) if room > 0 else []
            for delivery in taken:
                task = asyncio.create_task(self._attempt(delivery))
                self._under_way[task] = delivery
                task.add_done_callback(self._done)
            if not self._under_way:
                return
            await self._finished.wait()

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._finished.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("a webhook's attempt is made again later: %r", error)

    async def _attempt(self, delivery: WebhookDelivery) -> None:
        endpoint = delivery.endpoint
        body = body_of(delivery)
        now = timezone.now()
        try:
            url = WebhookUrl.parse(endpoint.url, allow_http=settings.WEBHOOK_HTTP)
            signed = signing.headers(delivery.message_id, int(now.timestamp()), body, endpoint.signing_secrets)
        except BadUrl as error:
            answer = Answer(error=str(error)[:200])
        except CannotDecrypt:
            answer = Answer(error="Its secret cannot be read any more: rotate it.")
        else:
            self._post = self._post or Poster().post
            answer = await self._post(url, signed, body, endpoint.tenant_id)
        await in_thread(conclude)(delivery, answer)


def body_of(delivery: WebhookDelivery) -> bytes:
    """The same bytes at each attempt."""
    return json.dumps(delivery.payload, sort_keys=True, separators=(",", ":")).encode()


# --- At the database ---


def take_up(room: int, under_way: list[WebhookDelivery]) -> list[WebhookDelivery]:
    """Claim what may be sent now beside what is under way."""
    endpoints = Counter(one.endpoint_id for one in under_way)
    tenants = Counter(one.endpoint.tenant_id for one in under_way)
    taken: list[WebhookDelivery] = []
    while len(taken) < room:
        busy = [key for key, count in endpoints.items() if count >= OF_ENDPOINT]
        full = [key for key, count in tenants.items() if count >= OF_TENANT]
        due = WebhookDelivery.objects.due().exclude(endpoint__in=busy).exclude(endpoint__tenant__in=full)
        delivery = due.select_related("endpoint").first()
        if delivery is None:
            break
        if delivery.take_up():
            taken.append(delivery)
            endpoints[delivery.endpoint_id] += 1
            tenants[delivery.endpoint.tenant_id] += 1
    return taken


def conclude(delivery: WebhookDelivery, answer: Answer) -> None:
    """Write down what came of an attempt, and what follows."""
    now = timezone.now()
    again = None if answer.taken else next_try(delivery.attempts, answer, now, random.random)
    state = delivery.State.DELIVERED if answer.taken else delivery.State.PENDING if again else delivery.State.FAILED
    attempt: dict[str, Any] = {"at": now.isoformat(), "status": answer.status, "error": answer.words}
    with transaction.atomic():
        if not delivery.note({**attempt, "seconds": round(answer.seconds, 3)}, state, again):
            return
        endpoint = delivery.endpoint
        row = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        since = None if answer.taken else Coalesce("failing_since", now)
        row.update(last_status=answer.status, last_error=answer.words, last_attempt_at=now, failing_since=since)
        if not answer.taken:
            endpoint.refresh_from_db(fields=["failing_since"])
            _give_up(endpoint, answer)


def _give_up(endpoint: WebhookEndpoint, answer: Answer) -> None:
    if answer.gone:
        why = "It answered 410 Gone."
    elif is_hopeless(endpoint.failing_since, timezone.now(), settings.WEBHOOK_PATIENCE_DAYS):
        why = f"Nothing has arrived since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC."
    else:
        return
    if endpoint.switch_off(why):
        logger.warning("webhook %s is off: %s", endpoint.pk, why)
        record(Action.WEBHOOK_DISABLED, tenant=endpoint.tenant_id, about=endpoint, why=why)


# --- The thread of a worker ---


class Thread:
    """Sends when it is told to. A process has one, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: asyncio.Event

    def poke(self) -> None:
        """There may be something to send. Returns at once."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._told = asyncio.Event()
                threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True).start()
        self._loop.call_soon_threadsafe(self._told.set)

    async def _run(self) -> None:
        sender = Sender()
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                await sender.send_due()
            except DatabaseError as error:
                logger.warning("webhooks wait: %s", error)
            except Exception:
                logger.exception("webhooks wait")


thread = Thread()
