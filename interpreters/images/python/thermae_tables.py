"""Tables of this kernel as data, beside their HTML: `application/vnd.thermae.table+json`, and its pages on demand.

The schema and the first rows go with the display; `page_of` gives any other rows, sorted and filtered, as long as the
table is there. Nothing here may break a display: whatever goes wrong, there is the usual HTML. No library is imported
for it.
"""

import math
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thermae_table_rows import ordered, values_of

MIME = "application/vnd.thermae.table+json"
FIRST_ROWS = 200
MOST_COLUMNS = 100
MOST_ROWS = 5000  # in one page
LONGEST_CELL = 400  # characters
LARGEST = 600_000  # characters of the rows that go with a display
# Tables that are known by their id, and those that are kept alive by us: a table that was only displayed would be gone.
MOST_TABLES, MOST_KEPT, LARGEST_KEPT = 300, 4, 32 << 20
KINDS = {"i": "integer", "u": "integer", "f": "number", "b": "boolean", "M": "datetime"}
EXACT = 1 << 53  # beyond it a browser's numbers are not exact
GONE = "The kernel has this table no more. Run the cell again."


class _Table:
    """A table that was displayed: how to get at it, and the last order in which it was asked for."""

    def __init__(self, table: Any) -> None:
        self.find: Callable[[], Any] = weakref.ref(table)
        self.asked: Any = None
        self.rows: Any = None  # positions, in the order of `asked`
        self.converted: Any = None  # what is no DataFrame of pandas


_tables: OrderedDict[str, _Table] = OrderedDict()
_kept: OrderedDict[str, Any] = OrderedDict()
_count = 0


# --- what goes with a display ---


def describe(table: Any) -> dict[str, Any] | None:
    """The MIME's content for a table; None where its own HTML should be shown alone."""
    try:
        pandas = sys.modules.get("pandas")
        if pandas is not None and pandas.get_option("display.float_format") is not None:
            return None  # who has chosen how numbers look sees them so
        total = len(table)
        first = _as_frame(_first(table, FIRST_ROWS))
        columns = _columns(first)
        rows = _rows(first, columns)
        while len(rows) > 1 and sum(len(str(cell)) for row in rows for cell in row) > LARGEST:
            rows = rows[: len(rows) // 2]
        more = first.shape[1] + first.index.nlevels - len(columns)
        about = {"version": 1, "id": _remember(table), "columns": columns, "rows": rows, "total": total}
        return {**about, "truncated": len(rows) < total or more > 0, "hidden_columns": more}
    except Exception:  # a display must never fail because of us
        return None


def _first(table: Any, count: int) -> Any:
    return table.iloc[:count] if hasattr(table, "iloc") else table[:count]


def _as_frame(table: Any) -> Any:
    return table if hasattr(table, "iloc") else table.to_pandas()


def _remember(table: Any) -> str | None:
    global _count
    for known, entry in _tables.items():
        if entry.find() is table:
            entry.asked = None  # it may have changed since
            _tables.move_to_end(known)
            return known
    _count += 1
    name = f"t{_count}"
    _tables[name] = _Table(table)
    while len(_tables) > MOST_TABLES:
        _tables.popitem(last=False)
    if _size(table) <= LARGEST_KEPT:
        _kept[name] = table
        while len(_kept) > MOST_KEPT or sum(map(_size, _kept.values())) > LARGEST_KEPT:
            _kept.popitem(last=False)
    return name


def _size(table: Any) -> int:
    if hasattr(table, "memory_usage"):
        # Of objects only the pointers are counted here: some of what they point to, for all of them.
        objects = sum(str(kind) == "object" for kind in table.dtypes)
        return int(table.memory_usage().sum()) + objects * len(table) * 64
    return int(getattr(table, "nbytes", 0) or table.estimated_size())


def _columns(frame: Any) -> list[dict[str, Any]]:
    """Index levels first, as a table shows them. Several columns may have one name: a column is its place."""
    levels = [frame.index.get_level_values(number) for number in range(frame.index.nlevels)]
    named = [{"name": _name(level.name, ""), "type": _type(level), "index": True} for level in levels]
    for place in range(min(frame.shape[1], max(0, MOST_COLUMNS - len(named)))):
        about = {"name": _name(frame.columns[place], str(place)), "type": _type(frame.iloc[:, place]), "index": False}
        named.append(about)
    return named


def _name(name: Any, default: str) -> str:
    if isinstance(name, tuple):
        return " / ".join(str(part) for part in name if str(part))[:200]
    return default if name is None else str(name)[:200]


def _type(values: Any) -> str:
    kind = getattr(values.dtype, "kind", "O")
    if kind in KINDS:
        return KINDS[kind]
    if str(values.dtype) in ("string", "category", "str"):
        return "string"
    some = [value for value in values[:50] if isinstance(value, str) or not _missing(value)]
    return "string" if some and all(isinstance(value, str) for value in some) else "object"


def _rows(frame: Any, columns: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    told = [[_cell(value) for value in values_of(frame, place).tolist()] for place in range(len(columns))]
    return [list(row) for row in zip(*told, strict=True)] if told else [[] for _ in range(len(frame))]


def _missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value) or type(value).__name__ == "NAType"
    except Exception:  # an array, or what cannot be compared
        return type(value).__name__ == "NAType"


def _cell(value: Any) -> Any:
    """As JSON has it: null for what is missing, text for what JSON has no form for."""
    if isinstance(value, str):
        text = value
    elif value is None or isinstance(value, bool):
        return value
    elif isinstance(value, int):
        return value if -EXACT <= value <= EXACT else str(value)
    elif isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    elif _missing(value):
        return None
    else:
        text = _words(value)
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…"


def _words(value: Any) -> str:
    if type(value).__name__ in ("Timestamp", "datetime"):
        text = value.isoformat(sep=" ")
        return text.removesuffix(" 00:00:00")
    if isinstance(value, (list, tuple, set, dict)) and len(value) > LONGEST_CELL:
        return f"{type(value).__name__} with {len(value)} items"
    try:
        return str(value)
    except Exception:  # whatever a program put into a table
        return f"<{type(value).__name__}>"


# --- pages ---


def page_of(
    table_id: str,
    offset: int = 0,
    limit: int = 100,
    sort: Sequence[Mapping[str, Any]] = (),
    filters: Sequence[Mapping[str, Any]] = (),
    search: str = "",
) -> dict[str, Any]:
    """Rows of a displayed table: `{"rows", "total", "filtered"}`, or `{"error", "message"}`."""
    entry = _tables.get(table_id)
    table = entry.find() if entry is not None else None
    if entry is None or table is None:
        return {"error": "gone", "message": GONE}
    try:
        offset, limit = max(0, int(offset)), min(max(0, int(limit)), MOST_ROWS)
        if not hasattr(table, "iloc"):
            entry.converted = table = entry.converted if entry.converted is not None else table.to_pandas()
        columns = _columns(table)
        asked = (len(table), repr(list(sort)), repr(list(filters)), str(search))
        if entry.asked != asked:
            entry.rows, entry.asked = ordered(table, len(columns), sort, filters, str(search)), asked
        rows = entry.rows
        if rows is None:
            shown, filtered = table.iloc[offset : offset + limit], len(table)
        else:
            shown, filtered = table.iloc[rows[offset : offset + limit]], len(rows)
        return {"rows": _rows(shown, columns), "total": len(table), "filtered": int(filtered)}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        return {"error": "bad", "message": f"The table cannot be shown so: {error}"[:300]}
    except Exception as error:  # another thread may be changing it
        return {"error": "busy", "message": f"The table cannot be read at the moment: {error}"[:300]}


# --- IPython ---


def load_ipython_extension(shell: Any) -> None:
    """Tables get one more form. By name, so that no library is imported for it."""
    from IPython.core.formatters import BaseFormatter

    class TableFormatter(BaseFormatter):  # type: ignore[misc]  # of an untyped library
        format_type = MIME
        print_method = "_repr_thermae_table_"
        _return_type = dict

    formatter = TableFormatter(parent=shell.display_formatter)
    for module, name in (
        ("pandas.core.frame", "DataFrame"),
        ("polars.dataframe.frame", "DataFrame"),
        ("pyarrow.lib", "Table"),
    ):
        formatter.for_type_by_name(module, name, describe)
    shell.display_formatter.formatters[MIME] = formatter
