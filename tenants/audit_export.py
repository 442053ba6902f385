"""The audit log as rows of text, for spreadsheets and collectors."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from tenants.models import AuditEvent
from tenants.naming import named

COLUMNS = ("id", "at", "tenant", "who", "token", "address", "action", "kind", "key", "name", "old", "new", "why")
# A spreadsheet takes a text that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST = 100_000  # rows of one file
AT_ONCE = 1000


def as_dict(event: AuditEvent) -> dict[str, Any]:
    told = {name: getattr(event, name) for name in COLUMNS if name not in ("at", "tenant")}
    return {**told, "at": event.at.timestamp(), "tenant": event.tenant_id}


def as_json_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    for event in events:
        yield json.dumps(as_dict(event), ensure_ascii=False) + "\n"


def csv_header() -> str:
    return str(csv.writer(Line()).writerow(COLUMNS))


def csv_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(Line())
    for event in events:
        told = {**as_dict(event), "at": event.at.isoformat()}
        yield str(writer.writerow([cell(told[name]) for name in COLUMNS]))


def as_text(events: QuerySet[AuditEvent], json_lines: bool) -> Iterator[str]:
    """A file's text, the newest event first, some at a time: each part is a query of its own."""
    if not json_lines:
        yield csv_header()
    form = as_json_lines if json_lines else csv_lines
    events, left = events.order_by("-pk"), MOST
    older = events
    while left and (rows := list(named(older[: min(left, AT_ONCE)]))):
        yield "".join(form(rows))
        left -= len(rows)
        older = events.filter(pk__lt=rows[-1].pk)


class Line:
    """What a writer of CSV writes to; it gives the line back."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text
