"""Is everything that this installation needs well? Each line is "ok", or what to do."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from interpreters.management.checkup import CHECKS, Finding
from interpreters.management.isolation import check as check_isolation


class Command(BaseCommand):
    help = "Check settings, database, Redis, worker, engine, images, a sandbox and the disk; the status tells."
    # The command reports what the system checks say, instead of ending at the first.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-sandbox", action="store_true", help="Do not start a sandbox.")
        parser.add_argument(
            "--isolation",
            action="store_true",
            help="Instead of all that, try to get out of real sandboxes of each enabled pool.",
        )
        parser.add_argument("--pool", default="", metavar="NAME", help="With --isolation: only this pool.")
        parser.add_argument("--json", action="store_true", help="With --isolation: print the reports as JSON.")

    def handle(self, *, no_sandbox: bool, isolation: bool, pool: str, json: bool, **options: Any) -> None:
        if isolation:
            if not check_isolation(pool, as_json=json, say=self.stdout.write):
                raise SystemExit(1)
            return
        grave = 0
        for check in CHECKS:
            if no_sandbox and check.__name__ == "sandbox":
                continue
            try:
                for finding in check():
                    self._tell(finding)
                    grave += bool(finding.advice and finding.grave)
            except DatabaseError as error:
                # What `database` has said already, met again by a check that reads rows.
                self._tell(
                    Finding(check.__name__, f"not checked, for the database: {error}", "mend the database first")
                )
                grave += 1
        if grave:
            raise SystemExit(1)

    def _tell(self, finding: Finding) -> None:
        if not finding.advice:
            mark = self.style.SUCCESS("ok  ")
        else:
            mark = self.style.ERROR("BAD ") if finding.grave else self.style.WARNING("note")
        self.stdout.write(f"{mark} {finding.subject:10} {finding.text}")
        if finding.advice:
            self.stdout.write(f"     {'':10} → {finding.advice}")
