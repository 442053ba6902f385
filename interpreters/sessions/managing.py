"""A tenant's own pools: making, changing and deleting them. Shared ones are the operator's, in the admin."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from interpreters.models import InterpreterImage, SessionPool
from interpreters.models.custom import merged_secrets
from interpreters.sessions import access, problems
from interpreters.tasks import enqueue, maintain_pool
from tenants.authentication import Actor
from tenants.encryption import CannotDecrypt
from tenants.models import Scope, Tenant
from tenants.threads import in_thread

logger = logging.getLogger(__name__)

TAKEN = "You have a pool of this name, or one that is being deleted: change it, or choose another name."


@in_thread
def own_pool(actor: Actor, name: str) -> SessionPool:
    """The tenant's own pool of this name, counted. Raises Problem."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    return _own(actor, name)


@in_thread
def create_pool(actor: Actor, image: str, fields: Mapping[str, Any]) -> SessionPool:
    """Raises Problem, with every fault of the fields and what to do about it."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    if not actor.uses(fields["name"]):
        raise problems.NotAllowed(f"This token is for the pools {', '.join(actor.only_pools)} only.", "other_pool")
    with transaction.atomic():
        _alone(actor)
        if SessionPool.objects.filter(tenant=actor.tenant, name=fields["name"]).exists():
            raise problems.Conflict(TAKEN, "exists")
        pool = SessionPool(tenant=actor.tenant, image=_image(actor, image))
        _set(pool, fields)
        _save(pool, actor, "created")
    return _own(actor, pool.name)


@in_thread
def change_pool(actor: Actor, name: str, image: str | None, fields: Mapping[str, Any]) -> SessionPool:
    """Change what is named. Ready instances made of something else are replaced; sessions stay as they are."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    with transaction.atomic():
        _alone(actor)
        pool = _own(actor, name)
        if pool.deleting:
            raise problems.Conflict("This pool is being deleted: make a new one.", "being_deleted")
        if image is not None:
            pool.image = _image(actor, image)
        _set(pool, fields)
        _save(pool, actor, "changed", [*fields, *(["image"] if image is not None else [])])
    return _own(actor, name)


@in_thread
def delete_pool(actor: Actor, name: str) -> SessionPool:
    """End its sessions; it is gone when its last sandbox is. Asking again changes nothing."""
    access.allowed(actor, Scope.POOLS_MANAGE)
    pool = _own(actor, name)
    logger.info("pool %s of %s: to be deleted by %s", pool, actor.tenant, actor.user)
    pool.retire()
    enqueue(maintain_pool, pool.pk, time.time())
    return pool


def _alone(actor: Actor) -> None:
    """One change at a time of what a tenant has, so that its quotas hold; until the transaction ends."""
    Tenant.objects.hold(actor.tenant.pk)


def _own(actor: Actor, name: str) -> SessionPool:
    pools = SessionPool.objects.filter(tenant=actor.tenant, name=name).select_related("image").with_counts()
    found = pools.first()
    if found is None or not actor.uses(name):
        raise problems.NotFound(f"Your tenant has no pool of its own named {name!r:.80}.")
    return found


def _image(actor: Actor, name: str) -> InterpreterImage:
    """The tenant's own image of this name, else the shared one that it is offered."""
    named = InterpreterImage.objects.usable_by(actor.tenant).filter(name=name)
    found = named.filter(tenant=actor.tenant).first() or named.first()
    if found is None:
        raise problems.BadRequest(f"There is no image named {name!r:.80} that you may use.", "no_such_image")
    return found


def _set(pool: SessionPool, fields: Mapping[str, Any]) -> None:
    for field, value in fields.items():
        setattr(pool, field, merged_secrets(pool.readable_secrets, value) if field == "secrets" else value)


def _save(pool: SessionPool, actor: Actor, what: str, fields: list[str] | None = None) -> None:
    """`fields`: what alone is written of a pool that exists; workers write others meanwhile."""
    try:
        pool.full_clean()
    except ValidationError as error:
        raise problems.BadRequest(_told(error), "invalid") from None
    except CannotDecrypt:
        raise problems.Conflict("The key of its secrets was lost: send all of them again.", "secrets_lost") from None
    pool.save(update_fields=fields)
    logger.info("pool %s of %s: %s by %s", pool, actor.tenant, what, actor.user)
    enqueue(maintain_pool, pool.pk, time.time())


def _told(error: ValidationError) -> str:
    """Every fault as `field: what to do`."""
    faults = [(field, text) for field, texts in error.message_dict.items() for text in texts]
    return " ".join(text if field == "__all__" else f"{field}: {text}" for field, text in faults)[:4000]
