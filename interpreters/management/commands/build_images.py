"""Build the interpreter images that this installation offers; those whose content is unchanged are left as they are."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from interpreters.images import builder, sources
from interpreters.models import InterpreterImage
from interpreters.runtime.base import RuntimeUnavailable


class Command(BaseCommand):
    help = "Build interpreter images: all of this installation's, or those named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", help=f"Some of: {', '.join(sources.buildable())}. None: all but optional ones."
        )
        parser.add_argument("--force", action="store_true", help="Build again what is unchanged, without any cache.")
        parser.add_argument("--quiet", action="store_true", help="Print one line per image only.")

    def handle(self, *, names: list[str], force: bool, quiet: bool, **options: Any) -> None:
        unknown = set(names) - set(sources.buildable())
        if unknown:
            known = ", ".join(sources.buildable())
            raise CommandError(f"No image is named {', '.join(sorted(unknown))}: choose from {known}.")
        failed = [
            name for name in names or sources.built_by_default() if not self._build(name, force=force, quiet=quiet)
        ]
        if failed:
            raise CommandError(f"Not built: {', '.join(failed)}.")

    def _build(self, name: str, *, force: bool, quiet: bool) -> bool:
        image = _image(name)

        def show(line: str) -> None:
            if not quiet:
                self.stdout.write(f"[{name}] {line}")

        try:
            builder.build(image, show, force=force)
        except (builder.BuildFailed, RuntimeUnavailable) as error:
            self.stderr.write(f"[{name}] {error}")
            return False
        self.stdout.write(f"{name}: {image.reference} ({(image.size or 0) / 1e6:.0f} MB)")
        return True


def _image(name: str) -> InterpreterImage:
    """The row of an image that all tenants share, made when it is missing."""
    source = sources.load(name)
    about = {"language": source.language, "source": name, "kernel": source.kernel, "warm_up": source.warm_up}
    image, _ = InterpreterImage.objects.update_or_create(tenant=None, name=name, defaults=about)
    return image
