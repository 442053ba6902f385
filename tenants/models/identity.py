"""A tenant's own OpenID Connect provider, by which its people sign in."""

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models

from tenants.encryption import EncryptedTextField
from tenants.models.tenant import Tenant
from tenants.roles import Role

MOST_DOMAINS = 50
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
# Nobody becomes more by signing in: who runs a tenant is made so by a person.
FIRST_ROLES = [(Role.MEMBER.value, Role.MEMBER.label), (Role.VIEWER.value, Role.VIEWER.label)]


def check_domains(domains: object) -> None:
    if not isinstance(domains, list) or not all(isinstance(name, str) and DOMAIN.fullmatch(name) for name in domains):
        raise ValidationError("Give domains in lower case, as example.org.")
    if len(domains) > MOST_DOMAINS:
        raise ValidationError(f"At most {MOST_DOMAINS} domains.")


def check_issuer(issuer: str) -> None:
    try:
        parts = urlsplit(issuer)
        wrong = parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", issuer):
        raise ValidationError("Write the issuer as its provider does: https://login.example.org/realm, and no more.")


class IdentityProvider(models.Model):
    """An OpenID Connect provider of a tenant's, which counts for that tenant alone.

    Issuer and client are fixed once it is made: identities are the provider's word for them, and another issuer could
    give the same word to somebody else.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="identity_providers")
    name = models.CharField(max_length=40, help_text="As on the button “Sign in with …”.")
    issuer = models.CharField(
        max_length=200, validators=[check_issuer], help_text="As https://login.example.org/realms/acme."
    )
    client_id = models.CharField("client id", max_length=191)
    secret = EncryptedTextField(default="", blank=True)
    allowed_domains = models.JSONField(
        default=list, blank=True, validators=[check_domains], help_text="Domains of e-mail addresses that may sign in."
    )
    claim = models.CharField(
        max_length=100, blank=True, help_text="A claim that whoever signs in must have, such as groups."
    )
    claim_value = models.CharField(
        max_length=200, blank=True, help_text="What the claim must be, or contain if it is a list."
    )
    creates_members = models.BooleanField(
        "makes members",
        default=False,
        help_text="Whoever signs in for the first time becomes a member. Else only members who connected it sign in.",
    )
    default_role = models.CharField(max_length=10, choices=FIRST_ROLES, default=Role.MEMBER.value)
    enabled = models.BooleanField(default=True, help_text="Off: nobody signs in by it, and who did is out at once.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_identity_provider_of_a_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if bool(self.claim) != bool(self.claim_value):
            raise ValidationError("Give a claim and its value, or neither.")

    def objection(self, claims: dict[str, Any]) -> str:
        """Why whoever the provider says this of may not sign in; empty if they may."""
        if self.allowed_domains:
            domain = str(claims.get("email") or "").rpartition("@")[2].lower()
            if claims.get("email_verified") is not True or domain not in self.allowed_domains:
                return "no verified e-mail address of an allowed domain"
        if self.claim:
            found = claims.get(self.claim)
            values = found if isinstance(found, list) else [found]
            if self.claim_value not in [str(value) for value in values if isinstance(value, str | int | bool)]:
                return f"the claim {self.claim} does not allow it"
        return ""
