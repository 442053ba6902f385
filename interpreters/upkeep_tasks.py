"""What the clock forgets, prunes and counts. Nothing of it changes a sandbox."""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from interpreters import workspaces
from interpreters.models import EgressDecision, Preview, usage
from interpreters.outputs import sweeping
from tenants import audit, quotas
from tenants.models import ApiToken

logger = logging.getLogger(__name__)

# For which a token of one session is still shown when it has expired, and the most that go at once.
EXPIRED_FOR, AT_ONCE = timedelta(days=7), 1000


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
def prune_session_tokens() -> None:
    """There may be one of each session. What was done with them stays in the audit log, as do those who made them."""
    old = ApiToken.objects.filter(expires_at__lt=timezone.now() - EXPIRED_FOR).exclude(session=None)
    pruned = 0
    while keys := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            Preview.objects.filter(token__in=keys).delete()
            # By the raw way: nobody did it, so that there is no event of each, and nobody to be closed.
            ApiToken.objects.filter(pk__in=keys)._raw_delete("default")
        pruned += len(keys)
    if pruned:
        logger.info("%d tokens of single sessions had expired %d days ago", pruned, EXPIRED_FOR.days)


@shared_task
def note_quotas() -> None:
    """Tell who listens that a quota is near or reached: hours pass also while nobody asks for anything."""
    quotas.note_all()


@shared_task
def prune_usage() -> None:
    pruned = usage.prune()
    if pruned:
        logger.info("usage of %d sessions was older than %d days", pruned, settings.USAGE_DAYS)
