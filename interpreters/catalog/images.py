"""A tenant's images: asked for by reference or upload, refreshed, looked at, deleted. A worker does the work."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet

from interpreters.catalog import credentials
from interpreters.catalog.checking import checked
from interpreters.models import InterpreterImage
from interpreters.models.image import WAITING
from interpreters.models.uploads import NoSpace, UploadTooLarge, remove_upload, size_of, store
from interpreters.sessions import access, problems
from interpreters.tasks import acquire_images, enqueue
from tenants import storage
from tenants.audit import Action, record
from tenants.authentication import Actor
from tenants.models import Scope, Tenant
from tenants.storage import StorageFull
from tenants.threads import in_thread

Origin = InterpreterImage.Origin
UPLOADED = (Origin.ARCHIVE, Origin.DOCKERFILE)


@in_thread
def list_of(actor: Actor) -> list[InterpreterImage]:
    """The tenant's own, and those that all tenants share."""
    return list(_usable(actor).order_by("name", "pk"))


@in_thread
def get(actor: Actor, name: str) -> InterpreterImage:
    own_first = _usable(actor).filter(name=name).order_by("-tenant")
    found = next((image for image in own_first if image.tenant_id), None) or own_first.first()
    if found is None:
        raise _not_found(name)
    return found


@in_thread
def create(actor: Actor, name: str, credential: int | None, **about: Any) -> InterpreterImage:
    """An image by its name in a registry: it is pulled at once."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    login = credentials.find(actor, credential) if credential is not None else None
    image = InterpreterImage(tenant=actor.tenant, name=name, origin=Origin.REGISTRY, credential=login, **about)
    _room(actor, 1)
    return _added(image)


@in_thread
def upload(actor: Actor, name: str, origin: str, length: int, body: Iterable[bytes], **about: Any) -> InterpreterImage:
    """An image by an archive or a build context, which is read only if all else is well; a second one replaces it."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    image = _own(actor).filter(name=name).first() or InterpreterImage(tenant=actor.tenant, name=name, origin=origin)
    if image.origin != origin:
        raise problems.Conflict(f"{name} is {image.get_origin_display()}: choose another name.", "other_origin")
    for field, value in about.items():
        if value or not image.pk:
            setattr(image, field, value)
    _check(image)
    if length > settings.MAX_IMAGE_UPLOAD_BYTES:
        raise problems.TooLarge(str(UploadTooLarge()))
    _room(actor, max(1, length - size_of(image.upload)))
    try:
        file = store(body)
    except UploadTooLarge as refusal:
        raise problems.TooLarge(str(refusal)) from refusal
    except NoSpace as error:
        raise problems.Unavailable(str(error), "no_space", retry_after=60) from error
    former, image.upload = image.upload, file
    try:
        with storage.room_for(actor.tenant):
            done = _replaced(image, [*about, "upload"]) if image.pk else _added(image)
    except StorageFull as full:
        remove_upload(file)
        raise problems.of_storage(full) from full
    except BaseException:
        remove_upload(file)
        raise
    remove_upload(former)
    return done


@in_thread
def refresh(actor: Actor, name: str) -> InterpreterImage:
    """Pull again what its tag means by now, or build again. A new digest changes over the pools that use it."""
    image = _find_own(actor, name)
    if image.origin in UPLOADED and not image.upload:
        raise problems.Conflict("Its archive is with the engine and not kept here: upload it anew.", "nothing_kept")
    image.request()
    record(Action.IMAGE_REFRESHED, who=actor.who, tenant=actor.tenant, about=image)
    enqueue(acquire_images)
    return image


@in_thread
def delete(actor: Actor, name: str) -> None:
    image = _find_own(actor, name)
    try:
        image.delete()
    except ProtectedError as error:
        pools = ", ".join(sorted(str(pool) for pool in error.protected_objects)[:5])
        raise problems.Conflict(f"It is used by {pools}: change or delete that first.", "in_use") from error
    remove_upload(image.upload)


def too_many(tenant: Tenant) -> str:
    """Why a tenant may have no image more; empty if it may."""
    if InterpreterImage.objects.filter(tenant=tenant).count() < settings.MAX_IMAGES_PER_TENANT:
        return ""
    return f"A tenant may have {settings.MAX_IMAGES_PER_TENANT} images: delete one."


# --- Steps ---


def _room(actor: Actor, more: int) -> None:
    """Refuse what cannot fit before it is sent. How large an image is, is known when it is made: then it fails."""
    try:
        storage.check(actor.tenant, more)
    except StorageFull as full:
        raise problems.of_storage(full) from full


def _added(image: InterpreterImage) -> InterpreterImage:
    _check(image)
    assert image.tenant is not None
    if full := too_many(image.tenant):
        raise problems.Conflict(full, "too_many")
    return _asked_for(image, image.save)


def _replaced(image: InterpreterImage, fields: Iterable[str]) -> InterpreterImage:
    return _asked_for(image, lambda: image.save(update_fields=list(fields)))


def _asked_for(image: InterpreterImage, save: Callable[[], None]) -> InterpreterImage:
    try:
        with transaction.atomic():
            save()
            image.request()
    except IntegrityError as error:
        raise problems.Conflict(f"There is an image named {image.name} already.", "exists") from error
    enqueue(acquire_images)
    image.progress = WAITING
    return image


def _check(image: InterpreterImage) -> None:
    try:
        image.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise checked(error) from error
    if not image.pk and InterpreterImage.objects.filter(tenant=image.tenant, name=image.name).exists():
        raise problems.Conflict(f"There is an image named {image.name} already.", "exists")


def _usable(actor: Actor) -> QuerySet[InterpreterImage]:
    access.allowed(actor, Scope.POOLS_MANAGE)
    return InterpreterImage.objects.usable_by(actor.tenant).select_related("credential", "tenant")


def _own(actor: Actor) -> QuerySet[InterpreterImage]:
    return InterpreterImage.objects.filter(tenant=actor.tenant).select_related("credential", "tenant")


def _find_own(actor: Actor, name: str) -> InterpreterImage:
    access.allowed(actor, Scope.POOLS_MANAGE)
    found = _own(actor).filter(name=name).first()
    if found is None:
        raise _not_found(name)
    return found


def _not_found(name: str) -> problems.NotFound:
    return problems.NotFound(f"There is no image named {name!r:.80}: GET /images lists yours.")
