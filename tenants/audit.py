"""Writing the audit log: `record(…)` wherever something is done that somebody may be asked about.

A row is written in the transaction of what it tells, so that neither is without the other. Who does it is known to the
edges: each says so once, by `acting`, and everything below is told by that.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from tenants.addresses import client_of_request
from tenants.models import AuditEvent, AuditPruning, Tenant, name_of

Action = AuditEvent.Action
# Names of fields whose value is nobody's to read.
SECRET = ("secret", "password", "hashed", "token")
CHANGED = "(changed)"
LONGEST_VALUE, LONGEST_WHY = 2000, 4000
# The youngest event that may ever be deleted.
LEAST_DAYS = 7
PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Who:
    """Who did it, and from where. All of it may be unknown: what a worker does, nobody does."""

    user: Any = None
    token: str = ""
    address: str = ""
    # For who is no user of ours, such as a wrong name at the sign-in.
    name: str = ""

    @classmethod
    def of(cls, request: Any) -> "Who":
        """Of a request of Django's, as in the admin."""
        user = getattr(request, "user", None)
        known = user if user is not None and user.is_authenticated else None
        return cls(known, address=client_of_request(request.META))


NOBODY = Who()
_acting: ContextVar[Who] = ContextVar("acting", default=NOBODY)


def acts(who: Who) -> None:
    """From here on, in this request or task, it is `who` that does things."""
    _acting.set(who)


@contextmanager
def acting(who: Who) -> Iterator[None]:
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)


def who_acts() -> Who:
    return _acting.get()


def record(
    action: AuditEvent.Action,
    *,
    who: Who | None = None,
    tenant: Tenant | int | None = None,
    about: models.Model | None = None,
    name: str = "",
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    why: str = "",
) -> AuditEvent:
    """Add one event. `about`: what it was done to; `name`, if that is better than its `str`; `who`, if not who acts."""
    who = who or who_acts()
    event = AuditEvent(
        tenant_id=tenant.pk if isinstance(tenant, Tenant) else tenant,
        user_id=who.user.pk if who.user is not None else None,
        who=_short(name_of(who.user) if who.user is not None else who.name, 200),
        token=who.token,
        address=who.address or None,
        action=action,
        kind=about._meta.model_name or "" if about is not None else "",
        key=str(about.pk) if about is not None else "",
        name=_short(name or (str(about) if about is not None else ""), 200),
        old=readable(old or {}),
        new=readable(new or {}),
        why=_short(why, LONGEST_WHY),
    )
    event.save(force_insert=True)
    return event


def readable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON keeps them, short, and without secrets."""
    return {name: CHANGED if _is_secret(name) else _plain(value) for name, value in values.items()}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The old and the new values of the fields that differ."""
    changed = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in changed}, {name: after[name] for name in changed}


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): CHANGED if _is_secret(str(key)) else _plain(item) for key, item in list(value.items())[:100]}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in list(value)[:100]]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _short(str(value), LONGEST_VALUE)


def _short(text: str, limit: int) -> str:
    clean = text.replace("\0", "�").encode(errors="replace").decode()
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def prune() -> int:
    """Delete the events that were kept for as long as `AUDIT_DAYS` says; how many there were. 0 days: for ever."""
    if not settings.AUDIT_DAYS:
        return 0
    before = timezone.now() - timedelta(days=max(settings.AUDIT_DAYS, LEAST_DAYS))
    deleted = 0
    while True:
        with transaction.atomic():
            old = AuditEvent.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:PRUNED_AT_ONCE]
            keys = list(old)
            if not keys:
                return deleted
            AuditPruning.objects.create(before=before, events=len(keys))
            # By the raw way: collecting what depends on them would load every row.
            AuditEvent.objects.filter(pk__in=keys)._raw_delete("default")
            deleted += len(keys)
