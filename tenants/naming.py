"""Names of people in the audit log, which is never changed: whoever was erased is shown as a number."""

from collections.abc import Iterable, Iterator
from itertools import islice

from django.contrib.auth import get_user_model

from tenants.models import AuditEvent


def named(events: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """The same events, told without the names of people whose account is gone."""
    rest = iter(events)
    while some := list(islice(rest, 500)):
        keys = {key for event in some for key in (event.user_id, _about(event)) if key is not None}
        there = set(get_user_model().objects.filter(pk__in=keys).values_list("pk", flat=True))
        for event in some:
            if event.user_id is not None and event.user_id not in there:
                event.who = f"person {event.user_id}"
            about = _about(event)
            if about is not None and about not in there:
                event.name = f"person {about}"
            yield event


def _about(event: AuditEvent) -> int | None:
    """The person that something was done to."""
    if event.kind == "user":
        return int(event.key) if event.key.isdecimal() else None
    if event.kind != "membership":
        return None
    user = event.new.get("user", event.old.get("user"))
    return user if isinstance(user, int) else None
