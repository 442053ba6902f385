"""API tokens: secrets that stand for a member in one tenant."""

import hashlib
import re
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from tenants import token_text
from tenants.addresses import check_networks
from tenants.models.tenant import Tenant
from tenants.roles import Scope

POOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
MOST_POOLS = 100


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
    # The token that this one took the place of, when it was rotated.
    successor_of = models.OneToOneField(
        "self", models.SET_NULL, null=True, blank=True, related_name="successor", editable=False
    )
    # The token that made this one, which is for one session: it ends with it.
    maker = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="made", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

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

    def rotate(self, overlap: timedelta) -> tuple["ApiToken", str]:
        """A new token that may do the same, for as long; this one ends after `overlap`. Raises CannotRotate."""
        if not self.usable or self.session:
            raise CannotRotate("Only a valid token that is for more than one session can be rotated: make a new one.")
        lasts = self.expires_at - self.created_at if self.expires_at else None
        fields = {name: getattr(self, name) for name in ("tenant", "user", "name", "scopes", "pools", "networks")}
        ends = timezone.now() + overlap
        try:
            with transaction.atomic():
                made = ApiToken.issue(lifetime=lasts, successor_of=self, **fields)
                self.expires_at = min(self.expires_at or ends, ends)
                self.save(update_fields=["expires_at"])
        except IntegrityError:
            raise CannotRotate("This token was rotated before: use its successor, or make a new one.") from None
        return made

    def revoke(self) -> None:
        """End it for good, with what it made. Whoever uses it is refused from now on."""
        with transaction.atomic():
            for token in self.made.filter(revoked_at=None, expires_at__gt=timezone.now()):
                token.revoke()
            if self.revoked_at is None:
                self.revoked_at = timezone.now()
                self.save(update_fields=["revoked_at"])

    @property
    def usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
