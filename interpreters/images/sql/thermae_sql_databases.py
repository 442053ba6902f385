"""The databases that a cell can speak to: DuckDB and SQLite, alike to the kernel."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

BATCH = 2048
MEMORY = int(os.environ.get("THERMAE_MEMORY_LIMIT") or 1 << 30)


class SqlError(Exception):
    """What is wrong, in the database's words, with its line and caret."""

    def __init__(self, message: str, kind: str = "Error") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Table:
    name: str
    quoted: str
    kind: str  # table | view
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: int | None = None


class Answer(Protocol):
    """What a statement gave: columns and rows, or a sentence."""

    columns: list[tuple[str, str]]  # name and type, as the database calls it
    words: str

    def batches(self) -> Iterator[list[tuple[Any, ...]]]: ...
    def close(self) -> None: ...


class Database(Protocol):
    title: str

    def split(self, code: str) -> list[str]: ...
    def run(self, statement: str) -> Answer: ...
    def interrupt(self) -> None: ...
    def aside(self) -> Any: ...
    def tables(self) -> list[Table]: ...
    def functions(self) -> list[tuple[str, str]]: ...
    def close(self) -> None: ...


class Rows:
    """An answer by a DB-API cursor."""

    def __init__(self, cursor: Any, columns: list[tuple[str, str]], words: str = "", translate: Any = None) -> None:
        self.columns, self.words, self._cursor, self._translate = columns, words, cursor, translate

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        try:
            while rows := self._cursor.fetchmany(BATCH):
                yield rows
        except Exception as error:
            raise self._translate(error) from None

    def close(self) -> None:
        """What is left of it is not wanted."""


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def counted(rows: int, verb: str) -> str:
    return f"{rows} row{'' if rows == 1 else 's'} {verb}."


def connect(address: str) -> Database:
    """By `sqlite:file`, a file, or nothing for DuckDB in memory. Raises SqlError."""
    if address.startswith("sqlite:") or (os.path.isfile(address) and _is_sqlite(address)):
        return Sqlite(address.removeprefix("sqlite:"))
    return Duck(address.removeprefix("duckdb:"))


def _is_sqlite(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(15) == b"SQLite format 3"


# --- DuckDB ---------------------------------------------------------------------------------------------------------

DONE = {"INSERT": "added", "UPDATE": "changed", "DELETE": "deleted", "COPY": "written", "CREATE": "stored"}


class Duck:
    def __init__(self, path: str = "", connection: Any = None) -> None:
        import duckdb

        self._duckdb = duckdb
        self.title = f"DuckDB {path or 'in memory'}"
        try:
            self._connection = connection or duckdb.connect(path or ":memory:", config=_duck_settings())
        except duckdb.Error as error:
            raise self._translate(error) from None

    def split(self, code: str) -> list[str]:
        try:
            return [statement.query for statement in self._duckdb.extract_statements(code)]
        except self._duckdb.Error as error:
            raise self._translate(error) from None

    def run(self, statement: str) -> Answer:
        try:
            cursor = self._connection.execute(statement)
            kind = self._duckdb.extract_statements(statement)[0].type.name
            described = cursor.description or []
            columns = [(str(column[0]), str(column[1])) for column in described]
            if kind in DONE and [name for name, _ in columns] == ["Count"]:
                done = cursor.fetchone()
                words = counted(int(done[0]), DONE[kind]) if done is not None else "Done."
                return Rows(cursor, [], words, self._translate)
            if kind not in ("SELECT", "EXPLAIN", "CALL", "PRAGMA", "EXECUTE", *DONE) or not columns:
                return Rows(cursor, [], "Done.", self._translate)
        except (self._duckdb.Error, KeyboardInterrupt, RuntimeError) as error:
            raise self._translate(error) from None
        return Rows(cursor, columns, "", self._translate)

    def interrupt(self) -> None:
        self._connection.interrupt()

    @contextmanager
    def aside(self) -> Iterator["Duck"]:
        """Another connection to the same data, for questions while a statement runs."""
        other = Duck(connection=self._connection.cursor())
        try:
            yield other
        finally:
            other.close()

    def tables(self) -> list[Table]:
        code = """
            SELECT c.schema_name, c.table_name, c.column_name, c.data_type, t.estimated_size
            FROM duckdb_columns() c LEFT JOIN duckdb_tables() t
              ON t.database_oid = c.database_oid AND t.schema_oid = c.schema_oid AND t.table_oid = c.table_oid
            WHERE NOT c.internal ORDER BY c.table_oid, c.column_index LIMIT 20000
        """
        found: dict[str, Table] = {}
        with self.aside() as other:
            for schema, name, column, kind, size in (row for batch in other.run(code).batches() for row in batch):
                shown = name if schema == "main" else f"{schema}.{name}"
                quoted = quote(name) if schema == "main" else f"{quote(schema)}.{quote(name)}"
                table = found.setdefault(shown, Table(shown, quoted, "view" if size is None else "table", [], size))
                table.columns.append((column, kind))
        return list(found.values())

    def functions(self) -> list[tuple[str, str]]:
        code = """
            SELECT function_name, any_value(coalesce(description, '')) FROM duckdb_functions()
            WHERE function_name ~ '^[a-z_0-9]+$' GROUP BY 1 ORDER BY 1
        """
        with self.aside() as other:
            return [(str(row[0]), str(row[1] or "")) for batch in other.run(code).batches() for row in batch]

    def close(self) -> None:
        self._connection.close()

    def _translate(self, error: BaseException) -> SqlError:
        if isinstance(error, KeyboardInterrupt | self._duckdb.InterruptException) or "nterrupted" in str(error):
            return SqlError("The statement was interrupted.", "Interrupted")
        kind, _, words = str(error).partition(": ")
        return SqlError(words or kind, kind.split(" Error")[0] + "Error" if words else "Error")


def _duck_settings() -> dict[str, str]:
    """Nothing is fetched or loaded; half of the memory is the database's, the rest is for results and Python."""
    return {
        "memory_limit": f"{max(64, MEMORY // 2 >> 20)}MiB",
        "temp_directory": "/tmp/.duckdb",  # noqa: S108 - the sandbox's own
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
    }


# --- SQLite ---------------------------------------------------------------------------------------------------------


class Sqlite:
    def __init__(self, path: str = "") -> None:
        self._path = path
        self.title = f"SQLite {path or 'in memory'}"
        # In memory, a shared cache lets questions see the same data.
        where = f"file:{path}" if path else f"file:thermae{id(self)}?mode=memory&cache=shared"
        self._where = where
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self._where, uri=True, isolation_level=None, check_same_thread=False, timeout=2)
        except sqlite3.Error as error:
            raise _translate(error) from None

    def split(self, code: str) -> list[str]:
        statements, rest = [], ""
        for piece in re.split(r"(?<=;)", code):
            rest += piece
            if sqlite3.complete_statement(rest):
                statements.append(rest)
                rest = ""
        found = [*statements, rest]
        return [one.strip() for one in found if re.sub(r"--[^\n]*|/\*.*?\*/|[\s;]", "", one, flags=re.S)]

    def run(self, statement: str) -> Answer:
        try:
            cursor = self._connection.execute(statement)
        except sqlite3.Error as error:
            raise _translate(error, statement) from None
        if cursor.description is None:
            verb = {"INSERT": "added", "UPDATE": "changed", "DELETE": "deleted", "REPLACE": "added"}
            done = verb.get(statement.split(None, 1)[0].upper())
            words = counted(cursor.rowcount, done) if done and cursor.rowcount >= 0 else "Done."
            return Rows(cursor, [], words, _translate)
        return Rows(cursor, [(column[0], "") for column in cursor.description], "", _translate)

    def interrupt(self) -> None:
        self._connection.interrupt()

    @contextmanager
    def aside(self) -> Iterator["Sqlite"]:
        other = Sqlite.__new__(Sqlite)
        other._path, other.title, other._where = self._path, self.title, self._where
        other._connection = other._open()
        try:
            yield other
        finally:
            other.close()

    def tables(self) -> list[Table]:
        found = []
        with self.aside() as other:
            master = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            for name, kind in other._connection.execute(master).fetchmany(1000):
                columns = other._connection.execute(f"PRAGMA table_info({quote(name)})").fetchall()
                found.append(Table(name, quote(name), kind, [(each[1], each[2] or "any") for each in columns]))
        return found

    def functions(self) -> list[tuple[str, str]]:
        with self.aside() as other:
            rows = other._connection.execute("SELECT DISTINCT name FROM pragma_function_list ORDER BY 1").fetchall()
        return [(row[0], "") for row in rows if row[0].isidentifier()]

    def close(self) -> None:
        self._connection.close()


def _translate(error: BaseException, statement: str = "") -> SqlError:
    words = str(error)
    if "interrupted" in words:
        return SqlError("The statement was interrupted.", "Interrupted")
    near = re.search(r'near "([^"]+)"', words) or re.search(r"no such (?:column|table|function): ([\w.]+)", words)
    at = statement.find(near[1]) if near else -1
    if at >= 0:
        number = statement.count("\n", 0, at) + 1
        line = statement.splitlines()[number - 1]
        column = at - (statement.rfind("\n", 0, at) + 1)
        label = f"LINE {number}: "
        words += f"\n\n{label}{line}\n{' ' * (len(label) + column)}^"
    return SqlError(words, "SQLite" + type(error).__name__)
