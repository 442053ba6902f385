"""What can be written at a cursor, and what is known about the name there."""

import os
import re
from typing import Any

from thermae_sql_databases import Database, Table

KEYWORDS = frozenset(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "BY",
        "ORDER",
        "HAVING",
        "LIMIT",
        "OFFSET",
        "JOIN",
        "LEFT",
        "RIGHT",
        "FULL",
        "CROSS",
        "ON",
        "USING",
        "AS",
        "DISTINCT",
        "UNION",
        "ALL",
        "INTERSECT",
        "EXCEPT",
        "WITH",
        "RECURSIVE",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "CREATE",
        "TABLE",
        "VIEW",
        "INDEX",
        "DROP",
        "ALTER",
        "ADD",
        "COLUMN",
        "PRIMARY",
        "KEY",
        "FOREIGN",
        "REFERENCES",
        "NOT",
        "NULL",
        "DEFAULT",
        "CHECK",
        "UNIQUE",
        "AND",
        "OR",
        "IN",
        "IS",
        "LIKE",
        "ILIKE",
        "BETWEEN",
        "EXISTS",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "CAST",
        "ASC",
        "DESC",
        "NULLS",
        "FIRST",
        "LAST",
        "OVER",
        "PARTITION",
        "WINDOW",
        "QUALIFY",
        "PIVOT",
        "UNPIVOT",
        "DESCRIBE",
        "SUMMARIZE",
        "SHOW",
        "EXPLAIN",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "ATTACH",
        "DETACH",
        "COPY",
        "TO",
        "TRUE",
        "FALSE",
    ]
)
MOST = 200
READABLE = (".csv", ".tsv", ".parquet", ".json", ".ndjson", ".jsonl", ".db", ".duckdb", ".sqlite")

Kinds = list[tuple[str, str]]


def completions(database: Database, code: str, cursor: int) -> dict[str, Any]:
    before = code[:cursor]
    quoted = _open_quote(before)
    if quoted is not None:
        return _reply(_files(quoted), cursor - len(quoted), cursor)
    word = re.search(r"[\w.]*$", before)[0]  # type: ignore[index]
    owner, dot, start = word.rpartition(".")
    tables = database.tables()
    if dot:
        found = [(column, "property") for column, _ in _columns(tables, _aliases(code).get(owner.lower(), owner))]
    else:
        upper = start.isupper() or not start
        names = sorted(KEYWORDS) if upper else sorted(word.lower() for word in KEYWORDS)
        mentioned = [table for table in tables if re.search(rf"\b{re.escape(table.name)}\b", code)]
        found = [
            *((column, "property") for table in mentioned for column, _ in table.columns),
            *((table.name, "class") for table in tables),
            *((name, "keyword") for name in names),
            *((name, "function") for name, _ in database.functions() if len(start) > 1),
        ]
    matching = [(name, kind) for name, kind in dict.fromkeys(found) if name.lower().startswith(start.lower())]
    return _reply(matching, cursor - len(start), cursor)


def _reply(found: Kinds, start: int, end: int) -> dict[str, Any]:
    kinds = [{"start": start, "end": end, "text": name, "type": kind} for name, kind in found[:MOST]]
    return {
        "status": "ok",
        "matches": [name for name, _ in found[:MOST]],
        "cursor_start": start,
        "cursor_end": end,
        "metadata": {"_jupyter_types_experimental": kinds},
    }


def _open_quote(before: str) -> str | None:
    """What stands behind a quotation mark that is open on this line."""
    line = before.rpartition("\n")[2]
    return line.rpartition("'")[2] if line.count("'") % 2 else None


def _files(start: str) -> Kinds:
    folder, _, name = start.rpartition("/")
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)[:5000]
    except OSError:
        return []
    prefix = f"{folder}/" if folder else ""
    return [
        (f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}", "path")
        for entry in entries
        if entry.name.startswith(name) and (entry.is_dir() or entry.name.endswith(READABLE))
    ]


def _aliases(code: str) -> dict[str, str]:
    """`FROM orders AS o` and `JOIN orders o`: what stands for which table."""
    pairs = re.findall(r'\b(?:from|join)\s+"?([\w.]+)"?\s+(?:as\s+)?(\w+)', code, re.I)
    return {alias.lower(): table for table, alias in pairs if alias.upper() not in KEYWORDS}


def _columns(tables: list[Table], name: str) -> Kinds:
    return next((table.columns for table in tables if table.name.lower() == name.lower()), [])


def described(database: Database, code: str, cursor: int) -> str:
    """A table with its columns, a column with its type, or a function with what it does."""
    name = re.search(r"[\w.]*$", code[:cursor])[0] + re.match(r"[\w]*", code[cursor:])[0]  # type: ignore[index]
    if not name:
        return ""
    tables = database.tables()
    table = next((table for table in tables if table.name.lower() == name.lower()), None)
    if table is not None:
        width = max([len(column) for column, _ in table.columns], default=0)
        lines = [f"  {column.ljust(width)}  {kind}" for column, kind in table.columns]
        size = "" if table.rows is None else f", about {table.rows} rows"
        return "\n".join([f"{table.kind} {table.name}{size}", *lines])
    column = name.rpartition(".")[2].lower()
    owners = [
        f"{table.name}.{known}  {kind}" for table in tables for known, kind in table.columns if known.lower() == column
    ]
    if owners:
        return "\n".join(owners[:20])
    return next((f"{known}()\n{words}".strip() for known, words in database.functions() if known == name.lower()), "")
