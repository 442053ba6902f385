"""A Jupyter kernel for SQL: `python -P -m thermae_sql -f <connection file>`.

A cell is any number of statements, each of which shows its result. `%connect file.db` goes to another database.
"""

import asyncio
import re
import signal
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from thermae_questions import Bad, Questions, text
from thermae_sql_databases import Database, SqlError, connect
from thermae_sql_naming import completions, described
from thermae_sql_results import Results, shown

# As a comment it names one thing at most: other comments begin with that word, too.
COMMAND = re.compile(r"%(\w+.*)|--\s*(connect(?:\s+\S+)?)")
HELP = """Connects to a database: %connect (DuckDB in memory), %connect file.duckdb, %connect sqlite:file.db,
%connect sqlite: (SQLite in memory)."""


class SqlKernel(Questions, Kernel):
    implementation = "thermae_sql"
    implementation_version = "1.0"
    banner = "SQL by DuckDB and SQLite"
    language_info = {"name": "sql", "mimetype": "application/sql", "file_extension": ".sql"}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.database: Database = connect("")
        self.results = Results()

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: Any = None,
        allow_stdin: bool = False,
    ) -> dict[str, Any]:
        before = signal.signal(signal.SIGINT, self._interrupt)
        self._interrupted = False
        try:
            for statement in self._statements(code):
                self._run(statement, silent)
        except SqlError as error:
            return self._fail("Interrupted" if self._interrupted else error.kind, str(error), silent)
        finally:
            signal.signal(signal.SIGINT, before)
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

    def _interrupt(self, *_: Any) -> None:
        self._interrupted = True
        self.database.interrupt()

    def _statements(self, code: str) -> list[str]:
        """The statements of a cell; a line that says `%connect …` or `-- connect …` is one of its own."""
        parts: list[str] = [""]
        for line in code.splitlines(keepends=True):
            command = COMMAND.fullmatch(line.strip())
            if command:
                parts += ["%" + (command[1] or command[2]), ""]
            else:
                parts[-1] += line
        return [part for part in parts if part.strip()]

    def _run(self, part: str, silent: bool) -> None:
        if part.startswith("%"):
            self._command(part, silent)
            return
        for statement in self.database.split(part):
            if self._interrupted:
                raise SqlError("Interrupted.", "Interrupted")
            answer = self.database.run(statement)
            if silent:
                answer.close()
                continue
            if answer.columns:
                self._display(shown(answer, self.results))
            else:
                self._say(answer.words)

    def _command(self, command: str, silent: bool) -> None:
        name, _, argument = command[1:].strip().partition(" ")
        if name != "connect":
            self._say(HELP)
            return
        old, self.database = self.database, connect(argument.strip().rstrip(";").strip("'\""))
        old.close()
        if not silent:
            self._say(f"Connected to {self.database.title}.")

    def _say(self, words: str) -> None:
        self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": f"{words}\n"})

    def _display(self, data: dict[str, Any]) -> None:
        self.send_response(self.iopub_socket, "display_data", {"data": data, "metadata": {}, "transient": {}})

    def _fail(self, kind: str, words: str, silent: bool) -> dict[str, Any]:
        told = {
            "ename": kind,
            "evalue": text(words, 2000),
            "traceback": [f"\x1b[31m{kind}\x1b[0m: {words}"],
        }
        if not silent:
            self.send_response(self.iopub_socket, "error", told)
        return {"status": "error", "execution_count": self.execution_count, **told}

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        return await asyncio.to_thread(completions, self.database, code, cursor_pos)

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        words = await asyncio.to_thread(described, self.database, code, cursor_pos)
        data = {"text/plain": words} if words else {}
        return {"status": "ok", "found": bool(words), "data": data, "metadata": {}}

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        return {"status": "complete" if code.rstrip().endswith(";") else "unknown"}

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        return {"status": "ok", "restart": restart}

    def thermae_answer(self, about: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match about:
            case "variables":
                return self._tables()
            case "variable":
                return self._table(str(arguments.get("name")))
            case "table":
                return self.results.page(arguments)
        return super().thermae_answer(about, arguments)

    def _tables(self) -> dict[str, Any]:
        rows = [
            {
                "name": text(table.name, 200),
                "type": table.kind,
                "kind": "data",
                "shape": None if table.rows is None else [table.rows, len(table.columns)],
                "value": text(", ".join(f"{name} {kind}" for name, kind in table.columns), 120),
                "bytes": None,
            }
            for table in self.database.tables()[:1000]
        ]
        return {"variables": rows, "total": len(rows)}

    def _table(self, name: str) -> dict[str, Any]:
        found = next((table for table in self.database.tables() if table.name == name), None)
        if found is None:
            raise Bad(f"There is no table {name[:80]} any more.", "gone")
        row = {"name": name, "type": found.kind, "kind": "data", "value": "", "bytes": None}
        with self.database.aside() as other:
            data = shown(other.run(f"SELECT * FROM {found.quoted} LIMIT 200"), None)  # noqa: S608 - quoted
        return row | {
            "table": data["application/vnd.thermae.table+json"],
            "tree": [{"label": column, "type": kind, "value": "", "length": None} for column, kind in found.columns],
        }


if __name__ == "__main__":
    from thermae_sql import SqlKernel as Ours

    IPKernelApp.launch_instance(kernel_class=Ours)
