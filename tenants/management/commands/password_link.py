"""`manage.py password_link alice`: for who has lost a password, or has none yet. Nothing is sent: hand it over."""

from argparse import ArgumentParser
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from tenants.audit import Action, Who, record


class Command(BaseCommand):
    help = "A link by which somebody sets a new password, once, within three days. Only an operator makes one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        text = "take away authenticator app, passkeys and recovery codes: for who has lost them all"
        parser.add_argument("--without-second-factor", action="store_true", help=text)

    @transaction.atomic
    def handle(self, *, username: str, without_second_factor: bool, **options: Any) -> None:
        user = get_user_model()._default_manager.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no account named {username!r} that is on.")
        who = Who(name="operator, by a command")
        if without_second_factor:
            Authenticator.objects.filter(user=user).delete()
            record(Action.SECOND_FACTOR_REMOVED, who=who, about=user, old={"kind": "all"})
        record(Action.PASSWORD_LINK_MADE, who=who, about=user)
        parts = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
        path = reverse("account_reset_password_from_key", kwargs=parts)
        self.stdout.write(f"Below the address of this installation, once, within three days: {path}")
