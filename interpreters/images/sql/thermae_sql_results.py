"""Results of statements: their first rows are shown, all of them are kept for paging, sorting and filtering.

What is kept lies in a SQLite database of its own, in a file, so that a large result costs disk and not memory, and
no statement of the user's meets it.
"""

import html
import os
import secrets
import sqlite3
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from thermae_questions import Bad, text
from thermae_sql_databases import Answer

MIME = "application/vnd.thermae.table+json"
FIRST = 200
MOST_PAGE = 1000
MOST_ROWS = 1_000_000
MOST_KEPT = 20
CELL = 2000  # characters of a value
HTML_ROWS, TEXT_ROWS = 50, 20

INTEGERS = ("INT", "HUGEINT", "BIGINT", "NUMBER(0")
NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "REAL", "NUMBER", "NUMERIC")


def kind_of(declared: str, values: list[Any]) -> str:
    """The type of the table contract that a column has: by the database's word, or by what is in it."""
    word = declared.upper()
    if any(part in word for part in ("[", "STRUCT", "MAP", "UNION", "BLOB")):
        return "object"
    if "BOOL" in word:
        return "boolean"
    if "TIMESTAMP" in word or word.startswith(("DATE", "TIME")):
        return "datetime"
    if any(part in word for part in INTEGERS) and "INTERVAL" not in word:
        return "integer"
    if word.startswith(NUMBERS):
        return "number"
    if word:
        return "string"
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int}:
        return "integer"
    if kinds and kinds <= {int, float}:
        return "number"
    return "string" if kinds <= {str} else "object"


def plain(value: Any) -> Any:
    """A value as JSON and SQLite have it; None stays None, so that NULL is not ''."""
    match value:
        case None | bool() | str():
            return text(value, CELL) if isinstance(value, str) else value
        case int():
            return value if abs(value) < 1 << 53 else str(value)
        case float():
            return value if value - value == 0 else str(value)
        case Decimal():
            return float(value) if len(value.as_tuple().digits) <= 15 and value.is_finite() else str(value)
        case datetime() | date() | time():
            return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        case bytes() | bytearray() | memoryview():
            return f"{len(value)} bytes: {bytes(value)[:32].hex()}"
    return text(str(value), CELL)


class Kept:
    """One result, as a table of a database of its own file."""

    def __init__(self, columns: list[tuple[str, str]]) -> None:
        self.columns = columns
        self._folder = tempfile.TemporaryDirectory(prefix="thermae-result-")
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            os.path.join(self._folder.name, "rows"), isolation_level=None, check_same_thread=False
        )
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000")
        names = ", ".join(f"c{number}" for number in range(len(columns)))
        self._db.execute(f"CREATE TABLE rows ({names})")
        self._marks = ", ".join("?" * len(columns))

    def add(self, rows: list[list[Any]]) -> None:
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT INTO rows VALUES ({self._marks})", rows)  # noqa: S608 - question marks
            self._db.execute("COMMIT")

    def page(self, wanted: dict[str, Any]) -> dict[str, Any]:
        where, values = self._where(wanted)
        order = ", ".join(self._sort(wanted)) or "rowid"
        offset, limit = (max(0, _number(wanted.get(name), 0)) for name in ("offset", "limit"))
        with self._lock:
            total = self._db.execute("SELECT count(*) FROM rows").fetchone()[0]
            filtered = self._db.execute(f"SELECT count(*) FROM rows {where}", values).fetchone()[0]  # noqa: S608
            rows = self._db.execute(
                f"SELECT * FROM rows {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - names are c0, c1, …
                [*values, min(limit or FIRST, MOST_PAGE), offset],
            ).fetchall()
        booleans = [kind == "boolean" for _, kind in self.columns]
        fixed = [
            [bool(one) if flag and one is not None else one for one, flag in zip(row, booleans, strict=True)]
            for row in rows
        ]
        return {"rows": fixed, "total": total, "filtered": filtered}

    def _column(self, number: Any) -> str:
        if not isinstance(number, int) or not 0 <= number < len(self.columns):
            raise Bad("There is no such column.")
        return f"c{number}"

    def _sort(self, wanted: dict[str, Any]) -> Iterator[str]:
        for one in _list(wanted.get("sort")):
            name = self._column(one.get("column"))
            yield f"{name} IS NULL, {name} {'DESC' if one.get('descending') else 'ASC'}"

    def _where(self, wanted: dict[str, Any]) -> tuple[str, list[Any]]:
        terms: list[str] = []
        values: list[Any] = []
        for one in _list(wanted.get("filters")):
            name, value = self._column(one.get("column")), str(one.get("value", ""))
            kind = self.columns[one["column"]][1]
            compare: Any = value
            if kind in ("integer", "number") and one.get("op") in ("eq", "lt", "gt"):
                try:
                    compare = float(value)
                except ValueError:
                    raise Bad(f"{value[:40]!r} is no number.") from None
            elif kind == "boolean":
                compare = value.lower() in ("true", "1", "yes")
            match one.get("op"):
                case "contains":
                    terms.append(f"{name} LIKE ? ESCAPE '\\'")
                    values.append(_like(value))
                case "eq" | "lt" | "gt" as op:
                    terms.append(f"{name} { {'eq': '=', 'lt': '<', 'gt': '>'}[op] } ?")
                    values.append(compare)
                case "empty":
                    terms.append(f"({name} IS NULL OR {name} = '')")
                case _:
                    raise Bad("A filter is one of contains, eq, lt, gt and empty.")
        search = str(wanted.get("search") or "")
        if search:
            each = [f"c{number} LIKE ? ESCAPE '\\'" for number in range(len(self.columns))]
            terms.append(f"({' OR '.join(each)})")
            values += [_like(search)] * len(self.columns)
        return (f"WHERE {' AND '.join(terms)}" if terms else ""), values

    def close(self) -> None:
        with self._lock:
            self._db.close()
        self._folder.cleanup()


class Results:
    """The last results, by the ids that their tables were shown with."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def keep(self, result: Kept) -> str:
        name = secrets.token_hex(8)
        self._kept[name] = result
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)[1].close()
        return name

    def page(self, wanted: dict[str, Any]) -> dict[str, Any]:
        result = self._kept.get(str(wanted.get("id")))
        if result is None:
            raise Bad("This result is not kept any more: run the cell again.", "gone")
        return result.page(wanted)


def shown(answer: Answer, results: Results | None) -> dict[str, Any]:
    """A result as a table of Thermae's, HTML and text. Of what is kept there are at most MOST_ROWS rows."""
    first: list[list[Any]] = []
    kept: Kept | None = None
    kinds: list[str] = []
    total, more = 0, False
    try:
        for batch in answer.batches():
            rows = [[plain(value) for value in row] for row in batch]
            if not kinds:
                kinds = _kinds(answer, batch)
            first += rows[: FIRST - len(first)] if len(first) < FIRST else []
            if results is not None and total + len(rows) > FIRST:
                if kept is None:
                    kept = Kept([(name, kind) for (name, _), kind in zip(answer.columns, kinds, strict=True)])
                    kept.add(first[:total])
                kept.add(rows)
            total += len(rows)
            if total >= MOST_ROWS:
                more = True
                break
    except BaseException:
        if kept is not None:
            kept.close()
        raise
    finally:
        answer.close()
    kinds = kinds or _kinds(answer, [])
    columns = [
        {"name": text(name, 200), "type": kind, "index": False}
        for (name, _), kind in zip(answer.columns, kinds, strict=True)
    ]
    table = {
        "version": 1,
        "id": results.keep(kept) if results is not None and kept is not None else None,
        "columns": columns,
        "rows": first,
        "total": total,
        "truncated": total > len(first),
    }
    names = [column["name"] for column in columns]
    words = f"{'The first ' if more else ''}{total} row{'' if total == 1 else 's'}"
    return {MIME: table, "text/html": _html(names, first, words), "text/plain": _text(names, first, total, words)}


def _kinds(answer: Answer, batch: list[Any]) -> list[str]:
    return [
        kind_of(declared, [row[number] for row in batch[:FIRST]]) for number, (_, declared) in enumerate(answer.columns)
    ]


def _html(names: list[str], rows: list[list[Any]], words: str) -> str:
    cell: Callable[[Any], str] = lambda value: "<i>NULL</i>" if value is None else html.escape(str(value))  # noqa: E731
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows[:HTML_ROWS])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{words}</p>"


def _text(names: list[str], rows: list[list[Any]], total: int, words: str) -> str:
    cells = [
        ["NULL" if value is None else " ".join(str(value).split())[:40] for value in row] for row in rows[:TEXT_ROWS]
    ]
    widths = [max([len(name), *(len(row[number]) for row in cells)]) for number, name in enumerate(names)]
    lines = [
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) for row in [names, *cells]
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join([*lines, *(["…"] if total > TEXT_ROWS else []), f"({words})"])


def _like(value: str) -> str:
    for special in ("\\", "%", "_"):
        value = value.replace(special, "\\" + special)
    return f"%{value}%"


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)][:20] if isinstance(value, list) else []


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value < 1 << 53 else default
