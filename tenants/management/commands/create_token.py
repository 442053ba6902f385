"""`manage.py create_token demo alice --name ci --days 90`: make an API token and print it, once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.models import ApiToken, Membership, Scope, default_scopes


class Command(BaseCommand):
    help = "Make an API token for a member of a tenant and print it. It is stored hashed: nobody can print it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug of the tenant")
        parser.add_argument("username", help="a member of it")
        parser.add_argument("--name", default="command line", help="what it is for")
        parser.add_argument("--days", type=int, default=90, help="days until it expires; 0 for never")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="may be repeated; default: what sessions need"
        )

    def handle(self, *, tenant: str, username: str, name: str, days: int, scope: list[str] | None, **_: Any) -> None:
        member = Membership.objects.filter(tenant__slug=tenant, user__username=username).first()
        if member is None:
            raise CommandError(f"{username} is no member of a tenant with the slug {tenant!r}: add them in the admin.")
        if days < 0:
            raise CommandError("--days must be 0 or more.")
        lifetime = timedelta(days=days) if days else None
        scopes = scope or default_scopes()
        _token, secret = ApiToken.issue(
            tenant=member.tenant, user=member.user, name=name, scopes=scopes, lifetime=lifetime
        )
        self.stdout.write(secret)
