# ruff: noqa: E501, PT018
"""Run inside the Python image, with thermae_tables.py beside it: what the table formatter makes of all kinds of tables.

Prints `ok` at the end; an assertion that fails is the traceback. See tests/integration/test_tables.py.
"""

import decimal
import gc
import json
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import thermae_tables as tables


def described(table):
    about = tables.describe(table)
    json.dumps(about, allow_nan=False)
    return about


def page(about, **asked):
    answer = tables.page_of(about["id"], **asked)
    json.dumps(answer, allow_nan=False)
    assert "error" not in answer, answer
    return answer


def column(answer, place):
    return [row[place] for row in answer["rows"]]


mixed = pd.DataFrame(
    {
        "n": [3, 1, 2],
        "x": [1.5, float("nan"), float("inf")],
        "b": [True, False, True],
        "t": pd.to_datetime(["2026-01-02", None, "2026-01-01 12:00"], format="mixed"),
        "s": ["b", None, "A,b"],
        "o": [decimal.Decimal("1.10"), [1, 2], {"k": "v"}],
        "big": [1 << 60, 1, 2],
        "long": ["y" * 5000, "", "z"],
    }
)
about = described(mixed)
assert [(each["name"], each["type"], each["index"]) for each in about["columns"]] == [
    ("", "integer", True), ("n", "integer", False), ("x", "number", False), ("b", "boolean", False), ("t", "datetime", False),
    ("s", "string", False), ("o", "object", False), ("big", "integer", False), ("long", "string", False),
], about["columns"]  # fmt: skip
first, second, third = about["rows"]
assert first[:6] == [0, 3, 1.5, True, "2026-01-02", "b"], first
assert second[1:6] == [1, None, False, None, None] and second[6] == "[1, 2]", second
assert third[2] == "inf" and first[7] == str(1 << 60) and third[4] == "2026-01-01 12:00:00", third
assert len(first[8]) == tables.LONGEST_CELL + 1
assert (about["total"], about["truncated"]) == (3, False)

# Sorting: what is missing comes last, either way; equals keep their order.
assert column(page(about, sort=[{"column": 1, "descending": False}]), 1) == [1, 2, 3]
assert column(page(about, sort=[{"column": 2, "descending": False}]), 1) == [3, 2, 1]
assert column(page(about, sort=[{"column": 2, "descending": True}]), 1) == [2, 3, 1]
assert column(page(about, sort=[{"column": 4, "descending": True}]), 1) == [3, 2, 1]
assert column(page(about, sort=[{"column": 5, "descending": True}]), 1) == [3, 2, 1]
assert len(column(page(about, sort=[{"column": 6, "descending": True}]), 1)) == 3  # cannot be compared: by their text
assert column(page(about, sort=[{"column": 3, "descending": False}, {"column": 1, "descending": True}]), 1) == [1, 3, 2]

# Filters and search.
for place, op, value, kept in (
    (1, "gt", "1", [3, 2]), (1, "lt", "2.5", [1, 2]), (1, "eq", "2", [2]), (2, "empty", "", [1]), (5, "contains", "B", [3, 2]),
    (3, "eq", "true", [3, 2]), (4, "gt", "2026-01-01 13:00", [3]), (5, "eq", "b", [3]), (5, "empty", "", [1]), (8, "empty", "", [1]),
    (6, "eq", "1.10", [3]),
):  # fmt: skip
    answer = page(about, filters=[{"column": place, "op": op, "value": value}])
    assert (column(answer, 1), answer["filtered"], answer["total"]) == (kept, len(kept), 3), (place, op, value, answer)
assert column(page(about, search="a,B"), 1) == [2]
assert column(page(about, search="1.5"), 1) == [3]
assert page(about, search="(")["filtered"] == 0  # no pattern: a text
assert column(page(about, offset=1, limit=1), 1) == [1]
for bad in (
    {"sort": [{"column": 99}]},
    {"filters": [{"column": 1, "op": "gt", "value": "x"}]},
    {"filters": [{"column": 1, "op": "??"}]},
    {"filters": [{}]},
    {"offset": "x"},
):
    assert tables.page_of(about["id"], **bad)["error"] == "bad", bad
assert tables.page_of("t999")["error"] == "gone"

# Names twice, indexes of several levels, names of several levels, categories, nothing at all.
twice = described(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
assert [each["name"] for each in twice["columns"]] == ["", "a", "a"]
assert column(page(twice, sort=[{"column": 2, "descending": True}]), 2) == [4, 2]
levels = pd.DataFrame(
    {("a", "x"): [1, 2], ("a", ""): [3, 4]}, index=pd.MultiIndex.from_tuples([("u", 1), ("v", 2)], names=["p", "q"])
)
about = described(levels)
assert [(each["name"], each["index"]) for each in about["columns"]] == [
    ("p", True),
    ("q", True),
    ("a / x", False),
    ("a", False),
]
assert about["rows"] == [["u", 1, 1, 3], ["v", 2, 2, 4]]
assert column(page(about, sort=[{"column": 0, "descending": True}]), 0) == ["v", "u"]
category = described(pd.DataFrame({"c": pd.Categorical(["x", "y", None])}))
assert category["columns"][1]["type"] == "string"
assert page(category, search="X")["filtered"] == 1
assert page(category, sort=[{"column": 1, "descending": True}])["rows"][-1][1] is None
assert described(pd.DataFrame())["rows"] == [] and described(pd.DataFrame({"a": []}))["total"] == 0
nullable = described(
    pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "s": pd.array(["x", None], dtype="string")})
)
assert nullable["rows"] == [[0, 1, "x"], [1, None, None]], nullable
assert page(nullable, filters=[{"column": 1, "op": "gt", "value": "0"}])["filtered"] == 1
assert page(nullable, filters=[{"column": 2, "op": "empty"}])["filtered"] == 1
arrow = described(pa.table({"a": [3, 1, 2]}))
assert column(page(arrow, sort=[{"column": 1, "descending": False}]), 1) == [1, 2, 3]

# Wide tables lose columns, tables of huge cells lose rows; both say so.
wide = described(pd.DataFrame(np.zeros((2, 300))))
assert (len(wide["columns"]), wide["hidden_columns"], wide["truncated"]) == (100, 201, True)
huge = described(pd.DataFrame({str(place): ["w" * 900] * 300 for place in range(50)}))
assert huge["truncated"] and 0 < len(huge["rows"]) < 200


# What breaks is shown as it always was.
class Broken(pd.DataFrame):
    @property
    def index(self):
        raise RuntimeError("no")


assert tables.describe(Broken({"a": [1]})) is None
assert tables.describe(object()) is None
pd.set_option("display.float_format", "{:.1f}".format)
assert tables.describe(mixed) is None
pd.reset_option("display.float_format")

# A table that is displayed again is the same one, and shows what it holds now.
again = described(mixed)
mixed.loc[3] = mixed.loc[0]
assert described(mixed)["id"] == again["id"] and page(again)["total"] == 4

# Memory: only the last few small tables are kept alive by being displayed.
names = [described(pd.DataFrame({"a": np.zeros(100) + number}))["id"] for number in range(10)]
gc.collect()
alive = [name for name in names if "error" not in tables.page_of(name)]
assert alive == names[-tables.MOST_KEPT :], alive
large = described(pd.DataFrame({"a": np.zeros(8 << 20)}))["id"]
gc.collect()
assert tables.page_of(large)["error"] == "gone"
for number in range(tables.MOST_TABLES + 50):
    described(pd.DataFrame({"a": [number]}))
assert len(tables._tables) == tables.MOST_TABLES

# A million rows.
rng = np.random.default_rng(0)
million = pd.DataFrame(
    {
        "i": rng.integers(0, 1000, 10**6),
        "x": rng.random(10**6),
        "s": rng.choice(["alpha", "beta", "gamma"], 10**6).astype(object),
    }
)
about = described(million)
for asked in (
    {}, {"offset": 999_990, "limit": 20}, {"sort": [{"column": 2, "descending": True}]}, {"sort": [{"column": 3, "descending": False}]},
    {"sort": [{"column": 1, "descending": False}, {"column": 2, "descending": True}]}, {"filters": [{"column": 2, "op": "gt", "value": "0.5"}]},
    {"filters": [{"column": 3, "op": "contains", "value": "amm"}]}, {"search": "amm"}, {"search": "12"},
):  # fmt: skip
    began = time.perf_counter()
    page(about, **asked)
    took = time.perf_counter() - began
    began = time.perf_counter()
    page(about, **asked)
    print(f"{took:6.2f} s, then {time.perf_counter() - began:6.3f} s: {asked}")
    assert took < 30, asked

# In IPython: beside the HTML, and a display never fails because of it.
from IPython.core.interactiveshell import InteractiveShell  # noqa: E402

shell = InteractiveShell.instance()
tables.load_ipython_extension(shell)
data, _ = shell.display_formatter.format(mixed)
assert set(data) == {"text/plain", "text/html", tables.MIME}, set(data)
assert tables.MIME not in shell.display_formatter.format(SimpleNamespace(a=1))[0]
if hasattr(mixed, "style"):
    try:
        styled = mixed.style
    except (ImportError, AttributeError):  # Jinja is not in the image
        pass
    else:
        assert tables.MIME not in shell.display_formatter.format(styled)[0]
print("ok")
