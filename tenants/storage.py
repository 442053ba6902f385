"""Bytes that a tenant keeps, of all kinds together, within its quota `max_stored`.

Each application says what it keeps, by `counted`. Whoever keeps more does so inside `room_for`, which looks at the sum
before and after, in a transaction that holds the tenant's row: what does not fit is undone, and what was there stays.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.db import transaction

from tenants.audit import Action, record
from tenants.models import Tenant
from tenants.quotas import Standing, Used, measured, note

MIB = 1024**2
QUOTA = "max_stored"
Counter = Callable[[Tenant], int]
_counters: dict[str, Counter] = {}
# When this process last wrote a refusal of a tenant into the audit log, and seconds between two.
_recorded: dict[int, float] = {}
RECORDED_EVERY = 60.0


class StorageFull(Exception):
    """More than the tenant may keep. The message says how much that is, and what to do."""

    def __init__(self, tenant: Tenant, stored: int, more: int) -> None:
        most = tenant.max_stored or 0
        self.standing = Standing(QUOTA, most, stored / MIB)
        self.message = (
            f"{tenant} may store {most} MiB; {stored / MIB:.1f} MiB are stored, and this needs {more / MIB:.1f} more. "
            "What was stored before is unchanged. Delete notebooks (those in the trash count), versions, kept files or "
            "images that nobody needs, or ask your operator for more."
        )
        super().__init__(self.message)


def counted(kind: str) -> Callable[[Counter], Counter]:
    """From now on the decorated function says how many bytes of this kind a tenant keeps."""

    def register(counter: Counter) -> Counter:
        _counters[kind] = counter
        return counter

    return register


def stored(tenant: Tenant) -> dict[str, int]:
    """Bytes by kind."""
    return {kind: counter(tenant) for kind, counter in _counters.items()}


def left(tenant: Tenant) -> int | None:
    """Bytes that it may still store, not below 0; None where nothing says how many."""
    if tenant.max_stored is None:
        return None
    return max(0, tenant.max_stored * MIB - sum(stored(tenant).values()))


def check(tenant: Tenant, more: int) -> None:
    """Raises StorageFull unless so many bytes more can be stored. What gets smaller always fits."""
    room = left(tenant)
    if room is not None and more > room:
        _refuse(StorageFull(tenant, sum(stored(tenant).values()), more), tenant)


@contextmanager
def room_for(tenant: Tenant) -> Iterator[None]:
    """Store more inside. Raises StorageFull, with everything inside undone, where it does not fit."""
    if tenant.max_stored is None:
        yield
        return
    try:
        with transaction.atomic():
            held = Tenant.objects.select_for_update().get(pk=tenant.pk)
            before = sum(stored(held).values())
            yield
            after = sum(stored(held).values())
            if held.max_stored is not None and after > max(before, held.max_stored * MIB):
                raise StorageFull(held, before, after - before)
    except StorageFull as full:
        _refuse(full, tenant)


def _refuse(full: StorageFull, tenant: Tenant) -> NoReturn:
    note(tenant, full.standing, refused=True)
    now = time.monotonic()
    if now - _recorded.get(tenant.pk, -RECORDED_EVERY) >= RECORDED_EVERY:  # a page tries again and again
        _recorded[tenant.pk] = now
        record(Action.QUOTA_REFUSED, tenant=tenant, about=tenant, name=QUOTA, why=full.message)
    raise full


@measured(QUOTA)
def used(tenant: Tenant) -> Used:
    return Used(sum(stored(tenant).values()) / MIB)
