"""The SQL kernel's parts that need no DuckDB: SQLite, results with pages, completion. The image's own tests run the
rest."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

IMAGES = Path(__file__).parents[2] / "interpreters/images"
pytest.importorskip("ipykernel")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for folder in ("sql", "base"):
        monkeypatch.syspath_prepend(str(IMAGES / folder))
    yield
    for name in [name for name in sys.modules if name.startswith(("thermae_sql", "thermae_questions"))]:
        del sys.modules[name]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    from thermae_sql_databases import connect

    database = connect(f"sqlite:{tmp_path}/shop.db")
    database.run("CREATE TABLE orders (id INTEGER, item TEXT, price REAL)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    item = "CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN '' ELSE 'tea;' || i END"
    database.run(f"INSERT INTO orders {numbers} SELECT i, {item}, i / 2.0 FROM n")
    yield database
    database.close()


def show(database: Any, statement: str) -> tuple[dict[str, Any], dict[str, Any], Any]:
    from thermae_sql_results import MIME, Results, shown

    results = Results()
    data = shown(database.run(statement), results)
    return data[MIME], data, results


def test_statements_are_told_apart_by_more_than_semicolons(shop: Any) -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; SELECT 2; END;"
    code = f"SELECT ';' AS a; -- a comment; with one\n {trigger}\nSELECT 2;;"
    assert len(shop.split(code)) == 3
    assert shop.split("-- nothing\n/* ; */") == []


def test_a_result_is_a_table_html_and_text_and_null_is_not_the_empty_text(shop: Any) -> None:
    table, data, _ = show(shop, "SELECT id, item, price FROM orders WHERE id IN (5, 6, 7) ORDER BY id")
    assert [column["type"] for column in table["columns"]] == ["integer", "string", "number"]
    assert table["rows"] == [[5, None, 2.5], [6, "", 3.0], [7, "tea;7", 3.5]]
    assert (table["total"], table["truncated"], table["id"]) == (3, False, None)
    assert "<i>NULL</i>" in data["text/html"]
    assert data["text/plain"].endswith("(3 rows)")


def test_html_of_a_value_is_no_markup(shop: Any) -> None:
    _, data, _ = show(shop, "SELECT '<script>alert(1)</script>' AS \"<b>\"")
    assert "<script" not in data["text/html"]
    assert "<b>" not in data["text/html"]


def test_a_large_result_is_paged_sorted_filtered_and_searched(shop: Any) -> None:
    table, _, results = show(shop, "SELECT * FROM orders")
    assert (len(table["rows"]), table["total"], table["truncated"]) == (200, 1000, True)

    def page(**wanted: Any) -> dict[str, Any]:
        found: dict[str, Any] = results.page({"id": table["id"], "offset": 0, "limit": 2, **wanted})
        return found

    assert page(offset=500)["rows"][0][0] == 501
    assert page(sort=[{"column": 2, "descending": True}])["rows"][0][0] == 1000
    assert page(sort=[{"column": 1, "descending": False}])["rows"][0][1] == ""
    assert page(filters=[{"column": 0, "op": "gt", "value": "990"}])["filtered"] == 10
    assert page(filters=[{"column": 1, "op": "empty", "value": ""}])["filtered"] == 400
    assert page(filters=[{"column": 1, "op": "contains", "value": "a;99"}])["filtered"] == 7
    assert page(filters=[{"column": 1, "op": "contains", "value": "%"}])["filtered"] == 0
    assert page(search="tea;7")["filtered"] > 0
    assert page()["total"] == 1000


@pytest.mark.parametrize(
    "wanted",
    [
        {"id": None},
        {"id": "x' OR 1"},
        {"sort": [{"column": 9}]},
        {"sort": [{"column": "c0; DROP TABLE rows"}]},
        {"filters": [{"column": 0, "op": "gt", "value": "many"}]},
        {"filters": [{"column": 0, "op": "matches", "value": "x"}]},
    ],
)
def test_a_page_that_cannot_be_is_told_in_words(shop: Any, wanted: dict[str, Any]) -> None:
    from thermae_questions import Bad

    table, _, results = show(shop, "SELECT * FROM orders")
    with pytest.raises(Bad) as bad:
        results.page({"id": table["id"], **wanted})
    assert bad.value.code == ("gone" if "id" in wanted else "bad")


def test_old_results_are_let_go(shop: Any) -> None:
    from thermae_questions import Bad
    from thermae_sql_results import MIME, MOST_KEPT, Results, shown

    results = Results()
    names = [shown(shop.run("SELECT * FROM orders"), results)[MIME]["id"] for _ in range(MOST_KEPT + 1)]
    assert results.page({"id": names[1]})["total"] == 1000
    with pytest.raises(Bad):
        results.page({"id": names[0]})


def test_an_error_says_where_and_a_change_how_many(shop: Any) -> None:
    from thermae_sql_databases import SqlError

    with pytest.raises(SqlError) as error:
        shop.run("SELECT id,\n  colour\nFROM orders")
    assert str(error.value) == "no such column: colour\n\nLINE 2:   colour\n          ^"
    assert shop.run("UPDATE orders SET price = 0 WHERE id < 3").words == "2 rows changed."
    assert shop.run("DELETE FROM orders WHERE id = 1").words == "1 row deleted."


def test_completion_and_inspection_know_tables_columns_aliases_and_files(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thermae_sql_naming import completions, described

    def matches(code: str) -> list[str]:
        found: list[str] = completions(shop, code, len(code))["matches"]
        return found

    assert "orders" in matches("SELECT * FROM ord")
    assert matches("SELECT * FROM orders o WHERE o.it") == ["item"]
    assert "SELECT" in matches("SEL")
    assert "select" in matches("sel")
    (tmp_path / "data.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    assert matches("SELECT * FROM 'da") == ["data.csv"]
    assert described(shop, "SELECT * FROM orders", 17).splitlines()[0].startswith("table orders")
    assert "orders.item" in described(shop, "SELECT item", 9)
    assert described(shop, "SELECT nothing", 10) == ""


def test_a_command_is_a_line_of_its_own_and_other_comments_are_none(modules: None) -> None:
    from thermae_sql import SqlKernel

    def parts(code: str) -> list[str]:
        found: list[str] = SqlKernel._statements(None, code)
        return [part.strip() for part in found]

    assert parts("%connect sqlite:a b.db\nSELECT 1\n-- connect\nSELECT 2") == [
        "%connect sqlite:a b.db", "SELECT 1", "%connect", "SELECT 2",
    ]  # fmt: skip
    assert parts("-- connect the dots\nSELECT 7 % 2") == ["-- connect the dots\nSELECT 7 % 2"]
