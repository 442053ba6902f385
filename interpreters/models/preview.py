"""A person's way by browser into one port of one session: a ticket, for a minute and once, then a cookie.

Both name the row and are signed; neither is stored. The row dies with its session, its person, the token that made
it, or else with that person's signing out, and with it all that it opened.
"""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core import signing
from django.db import models
from django.dispatch import receiver
from django.utils import timezone

from interpreters.models.session import Session
from tenants.models import ApiToken
from tenants.signals import sign_in_ended

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TICKET, COOKIE = "thermae.preview.ticket", "thermae.preview.cookie"  # what each is signed as
TICKET_LIFETIME, COOKIE_LIFETIME = timedelta(seconds=60), timedelta(hours=12)


class PreviewQuerySet(models.QuerySet["Preview"]):
    def at(self, session: uuid.UUID, port: int) -> Self:
        return self.filter(session=session, port=port).select_related("user", "session__tenant")

    def by_ticket(self, ticket: str) -> Self:
        return self._signed(ticket, TICKET, TICKET_LIFETIME).filter(entered_at=None)

    def by_cookie(self, cookie: str) -> Self:
        return self._signed(cookie, COOKIE, COOKIE_LIFETIME).exclude(entered_at=None)

    def _signed(self, text: str, salt: str, lifetime: timedelta) -> Self:
        try:
            key = uuid.UUID(hex=signing.loads(text, salt=salt, max_age=lifetime))
        except (signing.BadSignature, ValueError, TypeError, AttributeError):
            return self.none()
        return self.filter(pk=key)


class Preview(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="previews")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="previews")
    token = models.ForeignKey(ApiToken, models.CASCADE, null=True, related_name="previews")
    # What the person was signed in by, if it was a tenant's provider: its key, as in the browser's session.
    provider = models.CharField(max_length=36, blank=True, editable=False)
    port = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    entered_at = models.DateTimeField(null=True, editable=False)

    objects = PreviewQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"port {self.port} of {self.session_id}"

    @classmethod
    def issue(cls, session: Session, port: int, user: "User", token: ApiToken | None, provider: str = "") -> "Preview":
        """Make one, and forget those of the past."""
        cls.objects.filter(created_at__lt=timezone.now() - TICKET_LIFETIME - COOKIE_LIFETIME).delete()
        values: dict[str, Any] = {"session": session, "port": port, "user": user, "token": token}
        return cls.objects.create(**values, provider=provider)

    @property
    def ticket(self) -> str:
        return signing.dumps(self.id.hex, salt=TICKET)

    @property
    def ticket_expires_at(self) -> datetime:
        return self.created_at + TICKET_LIFETIME

    @property
    def cookie(self) -> str:
        return signing.dumps(self.id.hex, salt=COOKIE)

    def enter(self) -> bool:
        """Use the ticket; False if somebody did before."""
        now = timezone.now()
        return Preview.objects.filter(pk=self.pk, entered_at=None).update(entered_at=now) == 1


@receiver(sign_in_ended)
def sign_in_over(sender: Any, user: Any, **_: Any) -> None:
    """Those that a browser was given go with its sign-in. Which one it was is not kept: a new link is soon made."""
    Preview.objects.filter(user=user.pk, token=None).delete()
