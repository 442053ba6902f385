"""The audit log as rows of text, for spreadsheets and collectors."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from tenants.models import AuditEvent

COLUMNS = ("id", "at", "tenant", "who", "token", "address", "action", "kind", "key", "name", "old", "new", "why")
# A spreadsheet takes a text that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST = 100_000  # rows of one file


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


def as_csv(events: Iterable[AuditEvent]) -> Iterator[str]:
    """Lines, a header first."""
    yield csv_header()
    yield from csv_lines(events)


class Line:
    """What a writer of CSV writes to; it gives the line back."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text
