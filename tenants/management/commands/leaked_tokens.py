"""`manage.py leaked_tokens --revoke < report.txt`: which live tokens a text holds, and an end to them."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.leaks import look_for

LARGEST = 64 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Look for API tokens in a text that was found somewhere, read from standard input or a file, and say which are "
        "live, or have been rotated into one that is. Its status is 1 if any is and stays so. A token is no argument: "
        "others see those."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="where the text is; standard input if none")
        parser.add_argument("--revoke", action="store_true", help="revoke those that are live, with their successors")

    def handle(self, *, file: Path | None, revoke: bool, **_: Any) -> None:
        try:
            text = (file.read_bytes() if file else sys.stdin.buffer.read(LARGEST + 1)).decode(errors="replace")
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        if len(text) > LARGEST:
            raise CommandError(f"Give at most {LARGEST // 1024**2} MiB at once.")
        found = look_for(text, revoke=revoke)
        for finding in found:
            self.stdout.write(str(finding))
        if not found:
            self.stdout.write("No token of ours is in it, or each has a mistake in it.")
        if any(finding.remains for finding in found):
            sys.exit(1)
