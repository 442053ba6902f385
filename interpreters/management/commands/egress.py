"""`manage.py egress`: the proxy through which sandboxes with egress reach the network. A process of its own."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from interpreters.egress.server import Server
from interpreters.models import EgressProxy

UNNAMED = (
    "In a container only its own addresses can be seen, and this machine's must be refused too: name them in "
    "THERMAE_EGRESS_DENY, such as 198.51.100.7/32."
)


class Command(BaseCommand):
    help = "Filter the network access of sandboxes: one Unix socket for each in EGRESS_DIR. Runs until a SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--in-container", action="store_true", help="Refuse to start without EGRESS_DENY.")
        parser.add_argument("--check", action="store_true", help="Only say whether one runs; the status tells.")

    def handle(self, *, in_container: bool = False, check: bool = False, **options: Any) -> None:
        if check:
            if not EgressProxy.objects.alive().exists():
                raise CommandError("No egress process answers.")
            self.stdout.write("An egress process answers.")
            return
        if in_container and not settings.EGRESS_DENY:
            raise CommandError(UNNAMED)
        asyncio.run(Server().run_until_told())
