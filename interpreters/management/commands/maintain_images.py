"""`manage.py maintain_images`: what the clock does for images every minute, once, by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from interpreters.images.events import BuildFailed
from interpreters.images.housekeeping import look_after
from interpreters.models import FormerImage
from interpreters.runtime import RuntimeUnavailable


class Command(BaseCommand):
    help = "Give up images whose worker died, and remove what nothing needs where the engine's disk runs short."

    def handle(self, **options: Any) -> None:
        before = FormerImage.objects.count()
        try:
            look_after()
        except (BuildFailed, RuntimeUnavailable) as error:
            raise CommandError(f"Nothing was removed: {error}") from error
        left = FormerImage.objects.count()
        self.stdout.write(f"Removed {max(0, before - left)}; {left} that nothing needs are kept while there is room.")
