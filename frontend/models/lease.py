"""Who edits a notebook: one tab at a time, as all web processes see it.

A lease is one row for a notebook, changed by conditional UPDATEs only: of two who take it at once one has it. It runs
out when its holder vanishes. Whoever wants it from somebody else says so first: the holder saves and lets go, or, when
nothing is heard of it, the lease goes over after a moment. It keeps nobody from saving: that is decided by versions.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from frontend.models.notebook import Notebook

LIFETIME = timedelta(seconds=15)
# What the holder has to save what it has not saved yet, once somebody wants to take over.
GRACE = timedelta(seconds=3)
# Who asked and did not come for it.
FORGOTTEN = 3 * GRACE
# A tab in which nothing was typed for so long gives way to another tab of the same person; it has saved by then.
IDLE = timedelta(seconds=2)
NOBODY: dict[str, Any] = {"wanted_tab": None, "wanted_user": None, "wanted_at": None}


class EditorLease(models.Model):
    notebook = models.OneToOneField(Notebook, models.CASCADE, primary_key=True, related_name="lease")
    tab = models.UUIDField(null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    until = models.DateTimeField(null=True)
    typed_at = models.DateTimeField(null=True)
    wanted_tab = models.UUIDField(null=True)
    wanted_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    wanted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.notebook}: {self.user or 'nobody'}"

    @classmethod
    def holder(cls, notebook: UUID) -> "EditorLease | None":
        """The lease that is held now."""
        rows = cls.objects.filter(notebook=notebook, tab__isnull=False, until__gt=timezone.now())
        return rows.select_related("user", "wanted_user").first()

    @property
    def wanted_name(self) -> str | None:
        """Who is just taking over."""
        if self.wanted_user is None or self.wanted_at is None or self.wanted_at < timezone.now() - FORGOTTEN:
            return None
        return self.wanted_user.get_full_name() or self.wanted_user.get_username()

    @classmethod
    def take(cls, notebook: UUID, tab: UUID, user: int) -> bool:
        """Take what is free, has run out, or is held by an idle tab of the same person. False: somebody holds it."""
        now = timezone.now()
        cls.objects.get_or_create(notebook_id=notebook)
        idle = Q(user=user) & (Q(typed_at=None) | Q(typed_at__lt=now - IDLE))
        free = Q(tab=None) | Q(until__lte=now) | Q(tab=tab) | idle
        return cls.objects.filter(free, notebook=notebook).update(**_held_by(tab, user, now)) == 1

    @classmethod
    def wish(cls, notebook: UUID, tab: UUID, user: int) -> bool:
        """Say that one wants to take over. False: nobody holds it, or somebody else has just asked."""
        now = timezone.now()
        unasked = Q(wanted_tab=None) | Q(wanted_tab=tab) | Q(wanted_at__lt=now - FORGOTTEN)
        rows = cls.objects.filter(unasked, notebook=notebook, until__gt=now).exclude(tab=tab).exclude(tab=None)
        return rows.update(wanted_tab=tab, wanted_user=user, wanted_at=now) == 1

    @classmethod
    def take_over(cls, notebook: UUID, tab: UUID, user: int) -> bool:
        """Take what was asked for a while ago from a holder who did not let go of it."""
        now = timezone.now()
        rows = cls.objects.filter(notebook=notebook, wanted_tab=tab, wanted_at__lte=now - GRACE)
        return rows.update(**_held_by(tab, user, now)) == 1

    @classmethod
    def renew(cls, notebook: UUID, tab: UUID, *, typing: bool) -> bool:
        """The holder is still there. False: it holds it no more."""
        now = timezone.now()
        more = {"typed_at": now} if typing else {}
        return cls.objects.filter(notebook=notebook, tab=tab).update(until=now + LIFETIME, **more) == 1

    @classmethod
    def release(cls, notebook: UUID, tab: UUID) -> bool:
        """Let go of it, and of a wish for it. Who asked for it has it now."""
        now = timezone.now()
        cls.objects.filter(notebook=notebook, wanted_tab=tab).update(**NOBODY)
        held = cls.objects.filter(notebook=notebook, tab=tab)
        asked = {"tab": F("wanted_tab"), "user": F("wanted_user"), "until": now + LIFETIME, "typed_at": None}
        if held.filter(wanted_tab__isnull=False, wanted_at__gt=now - FORGOTTEN).update(**asked, **NOBODY) == 1:
            return True
        return held.update(tab=None, user=None, until=None, typed_at=None) == 1


def _held_by(tab: UUID, user: int, now: datetime) -> dict[str, Any]:
    return {"tab": tab, "user": user, "until": now + LIFETIME, "typed_at": None, **NOBODY}
