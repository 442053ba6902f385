"""API tokens: secrets that stand for a member in one tenant."""

import hashlib
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from tenants import token_text
from tenants.addresses import check_networks
from tenants.models.tenant import Tenant
from tenants.roles import Scope

POOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
MOST_POOLS = 100
# Valid tokens of one person or service account: a list that one can still look through.
MOST = 100


class CannotRotate(Exception):
    """The message says what to do."""


def check_names(names: object) -> None:
    """Raises ValidationError unless this is a list of names that pools can have."""
    if not isinstance(names, list) or not all(isinstance(name, str) and POOL_NAME.fullmatch(name) for name in names):
        raise ValidationError("Give a list of names of pools.")
    if len(names) > MOST_POOLS:
        raise ValidationError(f"At most {MOST_POOLS} pools: a token without any is for all.")


def default_scopes() -> list[str]:
    return [Scope.POOLS_READ, Scope.SESSIONS_USE]


def hash_token(secret: str) -> str:
    """SHA-256 of a token. Tokens carry 256 random bits, so a fast hash is enough (and needed on every request)."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiToken(models.Model):
    """A secret that stands for a member, or a service account, in one tenant. Shown once, stored hashed.

    `session` limits it to one session: such tokens are short-lived and are handed to a browser or an agent
    that must not reach anything else.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)
    hashed = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=default_scopes)
    session = models.UUIDField(null=True, blank=True, db_index=True)
    # Empty lists limit nothing.
    pools = models.JSONField(
        default=list, blank=True, validators=[check_names], help_text="Names of the only pools it may use."
    )
    networks = models.JSONField(
        default=list, blank=True, validators=[check_networks], help_text="The only networks it may be used from."
    )
    # The token that this one took the place of, when it was rotated: it goes with it, or nobody could find it.
    successor_of = models.OneToOneField(
        "self", models.CASCADE, null=True, blank=True, related_name="successor", editable=False
    )
    # How long it would last, had it not been made by its predecessor itself: a person who rotates it gives it that.
    lasts_for = models.DurationField(null=True, blank=True, editable=False)
    # The token that made this one, which is for one session: it ends with it.
    maker = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="made", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        if not self._state.adding or self.session or not (self.tenant_id and self.user_id):
            return
        rows = ApiToken.objects.filter(tenant=self.tenant_id, user=self.user_id, session=None, revoked_at=None)
        if rows.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now())).count() >= MOST:
            raise ValidationError(f"There are {MOST} valid tokens already: revoke those that nobody uses.")

    @classmethod
    def issue(cls, *, lifetime: timedelta | None = None, **fields: Any) -> tuple["ApiToken", str]:
        """Make a token and return it with its secret, which is never readable again."""
        if lifetime is not None:
            fields["expires_at"] = timezone.now() + lifetime
        token = cls(**fields)
        secret = token.set_secret()
        token.save()
        return token, secret

    def set_secret(self) -> str:
        """Give it a new secret; save the token, and show the secret now or never."""
        secret = token_text.make()
        self.prefix, self.hashed = secret[:12], hash_token(secret)
        return secret

    def rotate(self, overlap: timedelta, *, by_itself: bool = False) -> tuple["ApiToken", str]:
        """A new token that may do the same, for as long; this one ends after `overlap`. Raises CannotRotate.

        `by_itself`: whoever has its secret asks, and nobody else. The new one then ends when this one would have, or
        somebody who found it could go on for ever.
        """
        try:
            with transaction.atomic():
                self._lock()
                if not self.usable or self.session:
                    what = "Only a valid token that is for more than one session can be rotated"
                    raise CannotRotate(f"{what}: make a new one.")
                names = ("tenant", "user", "name", "scopes", "pools", "networks")
                fields = {name: getattr(self, name) for name in names} | {"lasts_for": self.lasts}
                ends = {"expires_at": self.expires_at} if by_itself else {"lifetime": self.lasts}
                made = ApiToken.issue(successor_of=self, **fields, **ends)
                over = timezone.now() + overlap
                self.expires_at = min(self.expires_at or over, over)
                self.save(update_fields=["expires_at"])
        except IntegrityError:
            raise CannotRotate("This token was rotated before: use its successor, or make a new one.") from None
        return made

    def revoke(self) -> list["ApiToken"]:
        """End it for good, with its successors and what they made. Whoever uses them is refused from now on.

        Returns the successors that were valid: whoever has its secret may have rotated it.
        """
        ended = []
        with transaction.atomic():
            for token in self.line():
                # One that is being rotated has its successor by now, or gets none.
                token._lock()
                for made in token.made.filter(revoked_at=None, expires_at__gt=timezone.now()):
                    made.revoke()
                if token.revoked_at is None:
                    ended += [token] if token is not self and token.usable else []
                    token.revoked_at = timezone.now()
                    token.save(update_fields=["revoked_at"])
        return ended

    def line(self) -> Iterator["ApiToken"]:
        """It, and those that took its place one after the other; each is asked for only after the one before it."""
        token: ApiToken | None = self
        while token is not None:
            yield token
            token = ApiToken.objects.filter(successor_of=token.pk).first()

    def _lock(self) -> None:
        """Against being rotated and revoked at the same time."""
        rows = ApiToken.objects.select_for_update()
        self.refresh_from_db(fields=["revoked_at", "expires_at"], from_queryset=rows)

    @property
    def lasts(self) -> timedelta | None:
        """How long a successor lasts that somebody makes who is not it."""
        return (self.lasts_for or self.expires_at - self.created_at) if self.expires_at else None

    @property
    def ends_at(self) -> datetime | None:
        """When it expires; of one session: when the token that made it does, if that is sooner."""
        return min((token.expires_at for token in self.limits if token.expires_at), default=None)

    @property
    def usable(self) -> bool:
        ends = self.ends_at
        return not any(token.revoked_at for token in self.limits) and (ends is None or ends > timezone.now())

    @property
    def limits(self) -> tuple["ApiToken", ...]:
        """The tokens that limit what it may: itself, and the one that made it, as that is now."""
        return (self,) if self.maker is None else (self, self.maker)
