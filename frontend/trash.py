"""The trash: notebooks that were deleted can be brought back for a while, then go for good with all that is theirs."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from frontend.models import Notebook
from interpreters.lifecycle import Reason
from interpreters.models import Execution, Session


def goes_at(deleted_at: datetime) -> datetime:
    """When a notebook that was deleted then is deleted for good."""
    return deleted_at + timedelta(days=settings.TRASH_DAYS)


def delete_for_good(notebooks: Iterable[Notebook]) -> int:
    """Delete them with their versions and outputs; their sessions end. Only what is in the trash is deleted."""
    count = 0
    for notebook in notebooks:
        with transaction.atomic():
            gone, _ = Notebook.objects.filter(pk=notebook.pk, deleted_at__isnull=False).delete()
            if not gone:
                continue  # it was brought back just now
            name = f"notebook-{notebook.pk}-"  # of whoever's session for it
            sessions = Session.objects.filter(tenant=notebook.tenant_id, identifier__startswith=name)
            Execution.objects.filter(session__in=sessions).delete()
        for session in sessions.open():
            session.end(Reason.CLOSED)
        count += 1
    return count


def empty_old() -> int:
    """Delete for good what has been in the trash for long enough."""
    before = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    return delete_for_good(Notebook.objects.filter(deleted_at__lt=before).defer("document").iterator())
