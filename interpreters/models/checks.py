"""What a pool may say, whoever makes it: by field, each fault with what to do about it."""

import math
from typing import TYPE_CHECKING, Any

from django.conf import settings

from interpreters.models import custom, quotas
from interpreters.models.image import RELAY
from tenants.egress import Ceiling, Mode, parse_entries

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool


def faults(pool: "SessionPool") -> dict[str, Any]:
    """Fields that are no sense by themselves have said so already: here they count as not given."""
    found = quotas.faults(pool) | _runtime(pool) | _egress(pool)
    if pool.image_id:
        found |= custom.faults(pool)
    found |= _numbers(pool)
    if pool.image_id:
        found |= _image(pool)
    if not custom.is_environment(pool.environment):
        found["environment"] = 'Give variables as text, as {"NAME": "value"}; names are letters, digits and _.'
    return found


def _numbers(pool: "SessionPool") -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not math.isfinite(pool.cpu or 0):
        found["cpu"] = "Give a number of cores, as 0.5 or 2."
    if pool.memory and pool.disk and pool.disk > pool.memory // 2:
        found["disk"] = "The work directory is held in memory: give it at most half of it."
    if pool.cooldown and pool.max_alive and pool.cooldown > pool.max_alive and not pool.until_exit:
        found["cooldown"] = "A session ends at its longest life anyway: make the cooldown shorter than that."
    if pool.max_concurrent and (pool.ready_instances or 0) > pool.max_concurrent:
        found["ready_instances"] = (
            f"Ready instances are sandboxes too: keep at most {pool.max_concurrent} ready, or allow more sandboxes."
        )
    return found


def _image(pool: "SessionPool") -> dict[str, Any]:
    found: dict[str, Any] = {}
    image, before = pool.image, _image_before(pool)
    if image.least_memory and pool.memory and pool.memory < image.least_memory:
        found["memory"] = f"The image {image} needs at least {image.least_memory} MiB: give it as much."
    if image.source == RELAY:
        found["image"] = "This image is the installation's own relay: choose another one."
    elif before and before["image__kind"] != image.kind:
        # What its open sessions are would be mistaken for what they are not.
        found["image"] = "A pool runs code, or containers of your own: make a new pool for the other."
    elif image.tenant_id not in (None, pool.tenant_id):
        found["image"] = "This image is another tenant's: choose one of your own, or a shared one."
    elif before and before["image"] == image.pk:
        pass  # what became of it since then keeps nobody from changing the pool's other settings
    elif pool.tenant and not type(image).objects.usable_by(pool.tenant).filter(pk=image.pk).exists():
        found["image"] = "This image is not offered to your tenant: choose one of your own, or a shared one."
    elif not image.usable:
        failed = image.state == image.State.FAILED
        found["image"] = (
            "This image could not be made: see its log, and refresh it."
            if failed
            else "This image is not made yet: wait until it is ready."
        )
    return found


def _image_before(pool: "SessionPool") -> dict[str, Any] | None:
    if pool._state.adding:
        return None
    before: Any = type(pool).objects.filter(pk=pool.pk).values("image", "image__kind").first()
    return before  # type: ignore[no-any-return]


def _runtime(pool: "SessionPool") -> dict[str, Any]:
    if not pool.oci_runtime or pool.oci_runtime in settings.ALLOWED_OCI_RUNTIMES:
        return {}
    allowed = ", ".join(settings.ALLOWED_OCI_RUNTIMES) or "none; ask your operator"
    return {"oci_runtime": f"Leave this empty for the engine's default, or use one that is allowed: {allowed}."}


def _egress(pool: "SessionPool") -> dict[str, Any]:
    try:
        mode, entries = Mode(pool.egress), parse_entries(pool.egress_allow)
        ceiling = pool.tenant.egress_limit if pool.tenant else Ceiling()
    except ValueError:  # the fields have said so themselves
        return {}
    errors = dict(ceiling.objections(mode, entries))
    if mode is Mode.ALLOW_LIST and not entries:
        errors.setdefault("egress_allow", "The list is empty: name what may be reached, or choose no network.")
    return errors
