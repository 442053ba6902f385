"""What the sandboxes of a check are made from: a pool's own spec, with nothing of a tenant's inside."""

import uuid
from dataclasses import replace

from django.conf import settings

from interpreters.isolation.application import as_application
from interpreters.isolation.sandboxes import label
from interpreters.models import InterpreterImage, Session, SessionPool
from interpreters.runtime.base import SandboxSpec


class CannotProbe(Exception):
    """No sandbox of this pool can be made for the check; the message says why, for an operator."""


def spec_for_probing(pool: SessionPool) -> SandboxSpec:
    """What a sandbox of this pool is made from, in all that isolates it.

    A tenant's own image or variables could bring a Python that lies: there one of ours takes its place. It has a
    label of its own, so that no worker takes it for a stray of the installation. Raises CannotProbe, LaunchFailed.
    """
    made_from = Session(id=uuid.uuid4(), pool=pool, pool_revision=pool.revision).sandbox_spec
    spec = replace(made_from, installation=label(), warm_up="", environment={})
    if not spec.custom:
        image = _image_of_ours(pool)
        return replace(spec, image=image.reference, kernel=image.kernel)
    if not spec.relay:
        raise CannotProbe("The relay for custom containers is not built: run `manage.py build_images relay`.")
    return as_application(spec)


def _image_of_ours(pool: SessionPool) -> InterpreterImage:
    image = pool.image
    if image.tenant_id is not None:
        shared = InterpreterImage.objects.filter(tenant=None, kind=image.kind).exclude(kernel="")
        found = next((one for one in shared.exclude(reference="").order_by("pk") if one.usable), None)
        if found is None:
            raise CannotProbe("There is no shared image to put in the place of the tenant's own: run make images.")
        return found
    if not (image.usable or settings.RUNTIME == "bubblewrap"):
        raise CannotProbe(f"The image {image.name} is not built: run make images.")
    return image
