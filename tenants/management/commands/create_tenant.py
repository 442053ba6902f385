"""`manage.py create_tenant acme --name "Acme" --owner alice`: an organisation with its first owner.

Who has no account yet gets an invitation, whose link is printed, once.
"""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from tenants.models import CannotInvite, Invitation, Membership, Role, Tenant
from tenants.models.invitation import LIFETIME


class Command(BaseCommand):
    help = "Make an organisation and its first owner: a person with an account, else whoever gets the printed link."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its short name, in small letters, as acme")
        parser.add_argument("--name", default="", help="its name for people; default: the short one")
        parser.add_argument("--owner", required=True, help="user name; of no account: for whom the invitation is")
        parser.add_argument("--days", type=int, default=LIFETIME.days, help="days for which the invitation is valid")
        parser.add_argument("--url", default="", help="where the installation is, as https://thermae.example.org")

    @transaction.atomic
    def handle(self, *, slug: str, name: str, owner: str, days: int, url: str, **options: Any) -> None:
        tenant = Tenant(slug=slug, name=name or slug)
        try:
            tenant.full_clean()
        except ValidationError as error:
            faults = [f"{field}: {text}" for field, texts in error.message_dict.items() for text in texts]
            raise CommandError(" ".join(faults)) from None
        tenant.save()
        user = get_user_model()._default_manager.filter(username=owner).first()
        if user is not None:
            Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER)
            self.stdout.write(f"{user} owns {tenant}.")
            return
        try:
            secret = Invitation.issue(tenant, Role.OWNER, by=None, note=owner[:200], lifetime=timedelta(days=days))[1]
        except CannotInvite as refusal:
            raise CommandError(str(refusal)) from None
        self.stderr.write(
            f"There is no account {owner!r}. Whoever opens this link owns {tenant}, once, within {days} days:"
        )
        self.stdout.write(f"{url.rstrip('/') or _address()}{reverse('open_invitation', args=[secret])}")


def _address() -> str:
    """As far as the settings know it."""
    named = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if "*" not in origin]
    return named[0].rstrip("/") if named else "http://127.0.0.1:8000"
