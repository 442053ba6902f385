"""Rows whose changes are audited, whoever makes them: an edge, the admin or a command.

A model is watched by the fields that people set; what the product writes into its other fields is no event.
`QuerySet.update` is not seen: it is for states, and who uses it for more records that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_init, post_save

from tenants.audit import Action, differences, record


@dataclass(frozen=True, slots=True)
class Watch:
    """`tenant` gives the key of the tenant that a row is of."""

    fields: dict[str, str]  # names, and the names of their attributes
    created: Action | None
    changed: Action | None
    deleted: Callable[[Any], Action] | None
    tenant: Callable[[Any], int | None]

    def values(self, row: models.Model) -> dict[str, Any]:
        """What is loaded of the fields: what was deferred is not asked for."""
        loaded = row.__dict__
        return {name: loaded[attribute] for name, attribute in self.fields.items() if attribute in loaded}


_watched: dict[type[models.Model], Watch] = {}


def watch(
    model: type[models.Model],
    *fields: str,
    created: Action | None = None,
    changed: Action | None = None,
    deleted: Action | Callable[[Any], Action] | None = None,
    tenant: Callable[[Any], int | None] = lambda row: row.tenant_id,
) -> None:
    """`deleted` may depend on the row."""
    attributes = {name: model._meta.get_field(name).attname for name in fields}  # type: ignore[union-attr]
    how = (lambda _: deleted) if isinstance(deleted, Action) else deleted
    _watched[model] = Watch(attributes, created, changed, how, tenant)
    # Weak references would let them go: they are nobody's else.
    for signal, receiver in ((post_init, _loaded), (post_save, _saved), (post_delete, _deleted)):
        signal.connect(receiver, sender=model, weak=False, dispatch_uid=f"audit {model._meta.label}")


def _loaded(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    instance._audited = _watched[sender].values(instance)  # type: ignore[attr-defined]


def _saved(
    sender: type[models.Model], instance: Any, created: bool, raw: bool = False, update_fields: Any = None, **_: Any
) -> None:
    watched = _watched[sender]
    now = watched.values(instance)
    if update_fields is not None:
        now = {name: value for name, value in now.items() if name in update_fields}
    old, new = ({}, now) if created else differences(instance._audited, now)
    instance._audited = {**instance._audited, **now}
    action = watched.created if created else watched.changed
    if action is not None and not raw and (created or new):
        record(action, tenant=watched.tenant(instance), about=instance, old=old, new=new)


def _deleted(sender: type[models.Model], instance: Any, **_: Any) -> None:
    watched = _watched[sender]
    if watched.deleted is not None:
        record(watched.deleted(instance), tenant=watched.tenant(instance), about=instance, old=watched.values(instance))
