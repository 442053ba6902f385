"""What the clock forgets, prunes and counts. Nothing of it changes a sandbox."""

import logging

from celery import shared_task
from django.conf import settings

from interpreters import workspaces
from interpreters.models import EgressDecision, usage
from interpreters.outputs import sweeping
from tenants import audit, quotas

logger = logging.getLogger(__name__)


@shared_task
def save_ended_executions() -> None:
    if saved := sweeping.save_ended():
        logger.info("%d executions ended while nobody listened", saved)


@shared_task
def look_after_workspaces() -> None:
    if removed := workspaces.sweep():
        logger.info("workspaces: %d files removed that belong to none", removed)


@shared_task
def forget_egress_decisions() -> None:
    forgotten = EgressDecision.objects.forget_old()
    if forgotten:
        logger.info("%d egress decisions were older than %d days", forgotten, settings.EGRESS_LOG_DAYS)


@shared_task
def prune_audit() -> None:
    pruned = audit.prune()
    if pruned:
        logger.info("%d audit events were older than %d days", pruned, settings.AUDIT_DAYS)


@shared_task
def note_quotas() -> None:
    """Tell who listens that a quota is near or reached: hours pass also while nobody asks for anything."""
    quotas.note_all()


@shared_task
def prune_usage() -> None:
    pruned = usage.prune()
    if pruned:
        logger.info("usage of %d sessions was older than %d days", pruned, settings.USAGE_DAYS)
