"""The SQL image as a pool uses it: DuckDB over files, another database, interrupt, questions; by the agent inside."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from interpreters.images import sources
from interpreters.runtime import SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from tests import sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

MIME = "application/vnd.thermae.table+json"
LONG = "SELECT count(*) FROM range(10_000_000) a, range(100_000) b WHERE a.range * b.range % 7 = 3"


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UUID]:

    source = sources.load("sql")
    runtime = DockerRuntime()
    with tempfile.TemporaryDirectory(prefix="thm-") as folder, override_settings(SOCKET_DIR=f"{folder}/s"):
        spec = SandboxSpec(
            uuid4(), f"{os.environ['THERMAE_INSTALLATION']}-sql", pool=1, revision=1, image=sandboxes.image("sql"),
            kernel=source.kernel, warm_up=source.warm_up, memory=512,
        )  # fmt: skip
        handle = runtime.create(spec).handle
        try:
            health = sandboxes.wait_until_ready(spec.session)
            assert health["state"] == "ready", (health, runtime.logs(handle))
            yield spec.session
        finally:
            runtime.remove(handle)


def tables(sql: UUID, code: str) -> list[dict[str, Any]]:
    data = [message["content"].get("data", {}) for message in sandboxes.outputs(sql, code)]
    return [each[MIME] for each in data if MIME in each]


def ask(sql: UUID, about: str, **arguments: Any) -> dict[str, Any]:
    status, answer = sandboxes.ask(
        sql, "POST", "/contexts/default/ask", {"about": about, "arguments": arguments}, timeout=20
    )
    assert status == 200, answer
    return dict(answer)


def test_files_are_tables_and_each_statement_shows_its_result(sql: UUID) -> None:
    sandboxes.run(sql, "COPY (SELECT i AS id, i * 1.5 AS price FROM range(3) t(i)) TO 'data.csv'")
    first, second = tables(sql, "SELECT * FROM 'data.csv'; SELECT 1 + 1 AS two, NULL AS n, '' AS e")
    assert [(column["name"], column["type"]) for column in first["columns"]] == [("id", "integer"), ("price", "number")]
    assert first["rows"] == [[0, 0.0], [1, 1.5], [2, 3.0]]
    assert second["rows"] == [[2, None, ""]]


def test_values_of_every_kind_are_told_as_what_they_are(sql: UUID) -> None:
    (table,) = tables(
        sql,
        "SELECT TRUE AS b, DATE '2026-01-02' AS d, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS t, 1.25::DECIMAL(9,2) AS m,"
        " [1, 2] AS l, {'a': 1} AS s, 'x'::BLOB AS x, 170141183460469231731687303715884105727 AS h, 'nan'::DOUBLE AS n",
    )
    assert [column["type"] for column in table["columns"]] == [
        "boolean", "datetime", "datetime", "number", "object", "object", "object", "integer", "number",
    ]  # fmt: skip
    assert table["rows"][0][0] is True
    assert table["rows"][0][7] == "170141183460469231731687303715884105727"


def test_changes_say_how_many_rows_and_state_is_kept(sql: UUID) -> None:
    said = sandboxes.run(
        sql,
        "CREATE OR REPLACE TABLE t AS SELECT i FROM range(5) r(i);"
        "INSERT INTO t VALUES (7); UPDATE t SET i = 0 WHERE i > 3",
    )
    assert "5 rows stored." in said
    assert "1 row added." in said
    assert "2 rows changed." in said
    assert tables(sql, "SELECT count(*) AS n FROM t")[0]["rows"] == [[6]]


def test_errors_say_where_in_words(sql: UUID) -> None:
    said = sandboxes.run(sql, "SELECT *\nFROM nowhere")
    assert "nowhere" in said
    assert "LINE 2" in said
    assert "^" in said
    assert "Parser" in sandboxes.run(sql, "SELEC 1")


def test_nothing_is_fetched_or_loaded(sql: UUID) -> None:
    assert "rror" in sandboxes.run(sql, "INSTALL spatial")
    assert "rror" in sandboxes.run(sql, "SELECT * FROM 'https://example.com/data.csv'")


def test_a_long_statement_is_interrupted_and_answers_come_meanwhile(sql: UUID) -> None:
    sandboxes.run(sql, "CREATE OR REPLACE TABLE kept AS SELECT 42 AS answer")
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(sandboxes.run(sql, LONG)))
    thread.start()
    time.sleep(1)
    started = time.monotonic()
    assert "kept" in {row["name"] for row in ask(sql, "variables")["variables"]}
    _, completed = sandboxes.ask(
        sql, "POST", "/contexts/default/complete", {"code": "SELECT * FROM kep", "cursor_pos": 17}, timeout=20
    )
    assert completed["matches"] == ["kept"]
    assert sandboxes.health(sql)["busy"]
    assert time.monotonic() - started < 15
    sandboxes.ask(sql, "POST", "/contexts/default/interrupt", {})
    thread.join(30)
    assert "interrupted" in said[0]
    assert tables(sql, "SELECT answer FROM kept")[0]["rows"] == [[42]]


def test_a_large_result_is_paged(sql: UUID) -> None:
    (table,) = tables(sql, "SELECT i, 'name ' || i AS name FROM range(300_000) r(i)")
    assert (len(table["rows"]), table["total"], table["truncated"]) == (200, 300_000, True)
    page = ask(sql, "table", id=table["id"], offset=299_998, limit=5, sort=[], filters=[], search="")
    assert page["rows"] == [[299_998, "name 299998"], [299_999, "name 299999"]]
    assert ask(sql, "table", id="other", offset=0, limit=1)["error"] == "gone"


def test_another_database_is_connected_to(sql: UUID) -> None:
    said = sandboxes.run(sql, "%connect sqlite:shop.db\nCREATE TABLE s (a); INSERT INTO s VALUES (1), (2);")
    assert "Connected to SQLite shop.db." in said
    assert "2 rows added." in said
    assert tables(sql, "SELECT sum(a) AS n FROM s")[0]["rows"] == [[3]]
    detail = ask(sql, "variable", name="s")
    assert detail["table"]["rows"] == [[1], [2]]
    assert "Connected to DuckDB in memory." in sandboxes.run(sql, "-- connect")


def test_inspection_describes_a_table(sql: UUID) -> None:
    sandboxes.run(sql, "CREATE OR REPLACE TABLE people (name VARCHAR, age INTEGER)")
    _, reply = sandboxes.ask(sql, "POST", "/contexts/default/inspect", {"code": "FROM people", "cursor_pos": 11})
    assert "age   INTEGER" in reply["data"]["text/plain"]
    assert sandboxes.ask(sql, "POST", "/contexts/default/restart", {}, timeout=60)[1]["state"] == "idle"
    assert ask(sql, "variables")["variables"] == []
