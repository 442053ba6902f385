"""The Celery application and the whole table of periodic work: read it to know everything that runs by the clock."""

import os
from pathlib import Path

from celery import Celery
from celery.signals import heartbeat_sent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("thermae")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["interpreters"], related_name="webhook_tasks")
app.autodiscover_tasks(["interpreters"], related_name="erasure_tasks")


@heartbeat_sent.connect
def be_seen(**_: object) -> None:
    """A health check need not start Django to ask: a worker that lost its broker sends no heartbeat."""
    from django.conf import settings

    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


@app.on_after_configure.connect
def schedule(sender: Celery, **_: object) -> None:
    from django.conf import settings

    sender.conf.beat_schedule = {
        # expires: a tick that waited behind a busy worker is worthless once the next one is due.
        "maintain every pool": {
            "task": "interpreters.tasks.maintain_pools",
            "schedule": settings.MAINTAIN_INTERVAL,
            "options": {"expires": settings.MAINTAIN_INTERVAL},
        },
        "measure sessions": {
            "task": "interpreters.tasks.measure_sessions",
            "schedule": 60.0,
            "options": {"expires": 60.0},
        },
        "sample pools": {
            "task": "interpreters.tasks.sample_pools",
            "schedule": 60.0,
            "options": {"expires": 60.0},
        },
        "run what waits for a place": {
            "task": "frontend.tasks.ask_for_places",
            "schedule": settings.MAINTAIN_INTERVAL,
            "options": {"expires": settings.MAINTAIN_INTERVAL},
        },
        "look after images": {
            "task": "interpreters.tasks.look_after_images",
            "schedule": 60.0,
            "options": {"expires": 60.0},
        },
        "save what has ended while nobody listened": {
            "task": "interpreters.upkeep_tasks.save_ended_executions",
            "schedule": 10.0,
            "options": {"expires": 10.0},
        },
        "look after kept files": {
            "task": "interpreters.upkeep_tasks.look_after_workspaces",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "send webhooks that are due": {
            "task": "interpreters.webhook_tasks.send_webhooks",
            "schedule": settings.MAINTAIN_INTERVAL,
            "options": {"expires": settings.MAINTAIN_INTERVAL},
        },
        "forget old deliveries of webhooks": {
            "task": "interpreters.webhook_tasks.forget_webhook_deliveries",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "look after archives and erasures": {
            "task": "interpreters.erasure_tasks.look_after_erasures",
            "schedule": 2 * settings.MAINTAIN_INTERVAL,
            "options": {"expires": 2 * settings.MAINTAIN_INTERVAL},
        },
        "forget audit events that were kept long enough": {
            "task": "interpreters.upkeep_tasks.prune_audit",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "forget tokens of single sessions that expired long ago": {
            "task": "interpreters.upkeep_tasks.prune_session_tokens",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "tell of quotas that are near or reached": {
            "task": "interpreters.upkeep_tasks.note_quotas",
            "schedule": 60.0,
            "options": {"expires": 60.0},
        },
        "forget usage that was kept long enough": {
            "task": "interpreters.upkeep_tasks.prune_usage",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "forget old decisions of the egress proxy": {
            "task": "interpreters.upkeep_tasks.forget_egress_decisions",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
        "empty the trash of notebooks": {
            "task": "frontend.tasks.empty_trash",
            "schedule": 3600.0,
            "options": {"expires": 3600.0},
        },
    }
