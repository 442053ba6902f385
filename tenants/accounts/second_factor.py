"""Authenticator apps, passkeys and recovery codes; and who needs one."""

from collections.abc import Iterator
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest

from tenants.accounts import limits
from tenants.encryption import decrypt, encrypt, rotate
from tenants.roles import ADMINISTERS

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# Parts of an authenticator's data that are encrypted.
SEALED = ("secret", "seed")


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is wrong or was used before. Wait for the next one.",
    }

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text)

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return "Passkey" if not count else f"Passkey {count + 1}"


def has_second_factor(user: Any) -> bool:
    return bool(Authenticator.objects.filter(user=user.pk, type__in=FACTORS).exists())


def admin_needs_one(request: HttpRequest) -> bool:
    """Whether this person must set up a second factor before the admin opens.

    Who signed in by a tenant's provider reaches that tenant alone, which trusts its provider for that too.
    """
    user = request.user
    if not user.is_authenticated or limits.is_limited(request):
        return False
    run = limits.memberships(user, "").filter(role__in=ADMINISTERS)
    asked = run.filter(tenant__requires_second_factor=True).exists()
    if settings.ADMIN_SECOND_FACTOR:
        asked = asked or user.is_superuser or run.exists()
    return bool(asked) and not has_second_factor(user)


def reencrypt() -> Iterator[tuple[int, str]]:
    """Put all under the present key; gives each one's key and "", or why it cannot be read."""
    from tenants.encryption import CannotDecrypt

    for authenticator in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).iterator():
        try:
            turned = {name: rotate(authenticator.data[name]) for name in SEALED if name in authenticator.data}
        except CannotDecrypt as error:
            yield authenticator.pk, str(error)
            continue
        authenticator.data |= turned
        authenticator.save(update_fields=["data"])
        yield authenticator.pk, ""
