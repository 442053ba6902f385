"""Make the environment that sandboxes without a container engine take their kernels from."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from interpreters.runtime.bubblewrap import KernelsFailed, prepare_kernels


class Command(BaseCommand):
    help = "Install the kernels of bubblewrap sandboxes into THERMAE_KERNELS_DIR, unless they are up to date."

    def handle(self, **options: Any) -> None:
        try:
            prepare_kernels(self.stdout.write)
        except KernelsFailed as error:
            raise CommandError(str(error)) from error
