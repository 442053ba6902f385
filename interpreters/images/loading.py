"""Loads an uploaded archive into the engine, under a name of ours and no other."""

from pathlib import Path

from django.conf import settings

from interpreters.images import archives
from interpreters.images.events import BuildFailed, answering, follow
from interpreters.images.guard import Guard
from interpreters.images.pulling import Platform, describe, remove, too_large
from interpreters.images.record import Record
from interpreters.images.tags import upload_tag
from interpreters.images.tarball import BadArchive
from interpreters.models import FormerImage, InterpreterImage
from interpreters.runtime.docker import connect

PATIENCE = 600.0  # seconds in which the engine unpacks a layer without a word


def load(image: InterpreterImage, path: Path, platform: Platform, record: Record, guard: Guard) -> str:
    """Returns the image's tag. Raises BuildFailed or RuntimeUnavailable."""
    record.progress("looking through the archive")
    try:
        with path.open("rb") as file:
            contents = archives.read(file, settings.MAX_IMAGE_BYTES, guard.check)
    except FileNotFoundError:
        raise BuildFailed("The archive is not kept any more: upload it again.") from None
    except BadArchive as error:
        raise BuildFailed(str(error)) from error
    made_for = [str(contents.about.get(key, ""))[:40] for key in ("os", "architecture")]
    if not platform.runs(*made_for):
        raise BuildFailed(f"The image is made for {'/'.join(made_for)}, and this engine runs {platform}.")
    tag = upload_tag(image, contents.fingerprint)
    FormerImage.remember(tag)
    record.progress("loading")
    with answering():
        archive = archives.rewritten(path, contents, tag, guard.check)
        events = connect(PATIENCE).load_image(archive)  # type: ignore[no-untyped-call]
        follow(events or (), record.line, guard.check)
    about = describe(tag)
    if about is None:
        raise BuildFailed("The engine took the archive and made no image of it: is it from `docker save`?")
    if about["Size"] > settings.MAX_IMAGE_BYTES:
        remove(tag)
        raise BuildFailed(too_large(about["Size"]))
    return tag
