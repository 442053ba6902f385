"""Makes what an image's row asks for, wherever it comes from, and keeps the row true."""

import logging
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from interpreters import references
from interpreters.images import builder, building, loading, pulling
from interpreters.images.events import BuildFailed, answering
from interpreters.images.facts import facts
from interpreters.images.guard import Guard, disk_of
from interpreters.images.pulling import Platform
from interpreters.images.record import Record
from interpreters.images.sources import UnknownSource
from interpreters.images.tarball import BadArchive
from interpreters.models import FormerImage, InterpreterImage
from interpreters.models.uploads import remove_upload, size_of, upload_path
from interpreters.runtime.base import RuntimeUnavailable
from interpreters.runtime.docker import connect
from tenants import storage
from tenants.encryption import CannotDecrypt

logger = logging.getLogger(__name__)

Origin = InterpreterImage.Origin
Make = Callable[[InterpreterImage, Path, Platform, Record, Guard], str]
MAKERS: dict[str, Make] = {Origin.ARCHIVE: loading.load, Origin.DOCKERFILE: building.build}


def acquire(image: InterpreterImage) -> bool:
    """Work on an image that `begin` gave us, to its end. Whether it is ready; the row says why not."""
    if image.origin == Origin.SOURCE:
        return _build_ours(image)
    try:
        record = Record(image, image.credential.secret if image.credential else "")
    except CannotDecrypt as error:
        image.failed(str(error))
        return False
    try:
        name = _make(image, record)
        about = pulling.describe(name)
        if about is None:
            raise BuildFailed("The engine lost the image while it was made: refresh it.")
    except (BuildFailed, RuntimeUnavailable, BadArchive) as error:
        reason = record.without_secret(str(error))
        logger.info("image %s of %s: %s", image, image.tenant, reason.splitlines()[-1])
        image.failed(reason, build_log=record.log)
        return False
    except DatabaseError:
        raise
    except Exception:
        # Whatever an upload made us stumble over: the row must not stay at it for ever.
        logger.exception("image %s of %s could not be made", image, image.tenant)
        image.failed("Something unforeseen went wrong; the worker's log tells the operator what.", build_log=record.log)
        return False
    return _keep(image, name, facts(about), record)


def _make(image: InterpreterImage, record: Record) -> str:
    """The engine's name for the image, once it is there."""
    with answering():
        info = connect().info()
    guard = Guard(image, disk_of(info), settings.IMAGE_TIMEOUT)
    platform = Platform.of(info)
    if image.origin == Origin.REGISTRY:
        try:
            wanted = references.parse(image.registry_reference)
        except references.BadReference as error:
            raise BuildFailed(str(error)) from error
        return pulling.pull(image, wanted, platform, record, guard)
    if not image.upload:
        raise BuildFailed("There is nothing to make it from any more: upload it again.")
    return MAKERS[image.origin](image, upload_path(image.upload), platform, record, guard)


def _keep(image: InterpreterImage, name: str, found: dict[str, object], record: Record) -> bool:
    """Start from the digest that was pulled, or from the id of what was made here: neither ever moves."""
    by_digest = image.origin == Origin.REGISTRY
    if by_digest:
        found["digest"] = name.rpartition("@")[2]
    used = image.upload if image.origin == Origin.ARCHIVE else ""
    if refusal := _no_room(image, found, used):
        FormerImage.remember(name)
        image.failed(refusal, build_log=record.log)
        return False
    if not image.succeeded(
        reference=name if by_digest else found["digest"], stored_as=name, build_log=record.log, **found
    ):
        FormerImage.remember(name)
        return False
    FormerImage.objects.filter(name=name).delete()
    if used:
        # The engine has it now; a newer upload, which came meanwhile, stays.
        InterpreterImage.objects.filter(pk=image.pk, upload=used).update(upload="")
        remove_upload(used)
    return True


def _no_room(image: InterpreterImage, found: dict[str, object], used: str) -> str:
    """Why the tenant may not keep it; empty if it may. It replaces what was made before, and its archive."""
    if image.tenant is None:
        return ""
    size = found.get("size")
    more = (size if isinstance(size, int) else 0) - (image.size or 0) - size_of(used)
    try:
        storage.check(image.tenant, more)
    except storage.StorageFull as full:
        return full.message
    return ""


def _build_ours(image: InterpreterImage) -> bool:
    try:
        builder.build(image, logger.info)
    except (BuildFailed, RuntimeUnavailable, UnknownSource) as error:
        logger.warning("image %s was not built: %s", image, error)
        return False
    return True
