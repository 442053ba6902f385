"""Celery's interface to webhooks: a message only says that there may be something to send, which the rows know."""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings
from django.dispatch import receiver

from interpreters.models import WebhookDelivery
from interpreters.tasks import enqueue
from interpreters.webhooks import outbox, sending

logger = logging.getLogger(__name__)


@shared_task
def send_webhooks() -> None:
    sending.thread.poke()


@shared_task
def forget_webhook_deliveries() -> None:
    if forgotten := WebhookDelivery.objects.prune(settings.WEBHOOK_DAYS):
        logger.info("%d webhook deliveries were older than %d days", forgotten, settings.WEBHOOK_DAYS)


@receiver(outbox.written)
def send_soon(sender: Any, **_: Any) -> None:
    enqueue(send_webhooks)
