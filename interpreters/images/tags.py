"""Names that the engine keeps our own images by. Two installations on one engine have names of their own."""

import re

from django.conf import settings

from interpreters.models import InterpreterImage


def upload_tag(image: InterpreterImage, fingerprint: str) -> str:
    return f"thermae-upload/{_installation()}/{image.pk}:{fingerprint}"


def build_tag(image: InterpreterImage, fingerprint: str) -> str:
    return f"thermae-build/{_installation()}/{image.pk}:{fingerprint}"


def build_label() -> str:
    """Marks each stage of a tenant's build, so that what is left of a failed one is found."""
    return f"thermae.build={_installation()}"


def _installation() -> str:
    return re.sub(r"[^a-z0-9]+", "-", settings.INSTALLATION.lower()).strip("-") or "thermae"
