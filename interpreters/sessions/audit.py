"""The tenant's audit log, for programs: looked through by a cursor, and taken away as a file."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from interpreters.sessions import access, problems
from tenants.audit import Action, record
from tenants.audit_export import MOST as MOST_OF_A_FILE
from tenants.audit_export import as_dict, as_json_lines, csv_header, csv_lines
from tenants.authentication import Actor
from tenants.models import AuditEvent, Scope
from tenants.models.audit import AuditEventQuerySet
from tenants.naming import named
from tenants.threads import in_thread

MOST = 1000  # events of one answer
PIECE = 1000  # events that are read at once, of a file
FORMS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# PostgreSQL hands out keys before it commits: what is younger than this may still get one before it.
SETTLED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Question:
    """What one wants to see; empty fields ask for nothing. `after`: the key of the last event that one has."""

    after: int = 0
    action: str = ""
    who: str = ""
    kind: str = ""
    key: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def of(self, rows: AuditEventQuerySet) -> AuditEventQuerySet:
        given = {name: getattr(self, name) for name in ("action", "who", "kind", "key", "address")}
        rows = rows.filter(pk__gt=self.after, **{name: value for name, value in given.items() if value})
        if self.since:
            rows = rows.filter(at__gte=self.since)
        if self.until:
            rows = rows.filter(at__lt=self.until)
        if connection.vendor == "postgresql":
            rows = rows.filter(at__lt=timezone.now() - SETTLED)
        return rows.order_by("pk")


@in_thread
def events(actor: Actor, question: Question, limit: int) -> list[dict[str, Any]]:
    """Those after a cursor, oldest first, so that a collector misses none. Raises Problem."""
    return [as_dict(event) for event in named(_found(actor, question)[: min(limit, MOST)])]


@in_thread
def last_of(actor: Actor, question: Question, limit: int, form: str) -> int:
    """The key of the last event that an export will have: where the next goes on. It is told to the log itself."""
    if form not in FORMS:
        raise problems.BadRequest(f"`format` is one of {', '.join(FORMS)}.", "no_such_format")
    found = _found(actor, question)[: min(limit, MOST_OF_A_FILE)].aggregate(last=Max("pk"))["last"]
    asked = {name: getattr(question, name) for name in Question.__slots__ if getattr(question, name)}
    record(Action.AUDIT_EXPORTED, who=actor.who, tenant=actor.tenant, new={"format": form, **asked})
    return found or question.after


async def export(actor: Actor, question: Question, last: int, form: str) -> AsyncGenerator[str, None]:
    """The lines of a file, up to the event with the key `last`."""
    if form == "csv":
        yield csv_header()
    after = question.after
    while after < last:
        after, text = await _piece(actor, question, after, last, form)
        yield text


@in_thread
def _piece(actor: Actor, question: Question, after: int, last: int, form: str) -> tuple[int, str]:
    rows = list(named(_found(actor, question).filter(pk__gt=after, pk__lte=last)[:PIECE]))
    lines = csv_lines(rows) if form == "csv" else as_json_lines(rows)
    return (rows[-1].pk if rows else last), "".join(lines)


def _found(actor: Actor, question: Question) -> AuditEventQuerySet:
    access.allowed(actor, Scope.AUDIT_READ)
    return question.of(AuditEvent.objects.of(actor.tenant))
