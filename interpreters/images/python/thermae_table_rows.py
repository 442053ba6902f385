"""Which rows of a table, in which order: what `thermae_tables.page_of` is asked for, by pandas and numpy."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def values_of(frame: Any, place: int) -> Any:
    """The column of that place, index levels counted first."""
    levels = frame.index.nlevels
    if place < levels:
        return frame.index.get_level_values(place).to_series(index=range(len(frame)))
    return frame.iloc[:, place - levels].reset_index(drop=True)


def ordered(
    frame: Any,
    columns: int,
    sort: Sequence[Mapping[str, Any]],
    filters: Sequence[Mapping[str, Any]],
    search: str,
) -> Any:
    """Positions of the rows that are wanted, in the order in which they are; None for all as they are."""
    import numpy

    rows = None
    for one in filters:
        kept = _matches(values_of(frame, _place(one, columns)), str(one["op"]), str(one.get("value", "")))
        rows = kept if rows is None else rows & kept
    if search:
        found = numpy.zeros(len(frame), dtype=bool)
        for place in range(columns):
            found |= _contains(values_of(frame, place), search)
        rows = found if rows is None else rows & found
    places = None if rows is None else numpy.flatnonzero(rows)
    # The last is the first key: each sorting keeps the order of equals.
    for one in reversed(sort):
        values = values_of(frame, _place(one, columns))
        order = _order(values if places is None else values.iloc[places], bool(one.get("descending")))
        places = order if places is None else places[order]
    return places


def _place(one: Mapping[str, Any], columns: int) -> int:
    place = one["column"]
    if not isinstance(place, int) or not 0 <= place < columns:
        raise ValueError(f"there is no column {place!r}")
    return place


def _order(values: Any, descending: bool) -> Any:
    """Positions that sort the values; what is missing comes last either way."""
    import numpy

    values = values.reset_index(drop=True)
    if values.dtype == object:
        missing = values.isna().to_numpy()
        if not all(isinstance(value, str) for value in values[~missing]):
            try:
                return values.sort_values(ascending=not descending, kind="stable").index.to_numpy()
            except TypeError:
                values = values.astype(str).mask(missing)
        # Far faster than comparing texts one by one.
        codes, _ = values.factorize(sort=True)
        codes = numpy.where(codes < 0, len(values), -codes if descending else codes)
        return numpy.argsort(codes, kind="stable")
    return values.sort_values(ascending=not descending, kind="stable", na_position="last").index.to_numpy()


def _matches(values: Any, op: str, wanted: str) -> Any:
    if op == "empty":
        return values.isna().to_numpy() | (values == "").to_numpy(dtype=bool, na_value=False)
    if op == "contains":
        return _contains(values, wanted)
    if op not in ("eq", "lt", "gt"):
        raise ValueError(f"there is no filter {op!r}")
    other = _like(values, wanted)
    if isinstance(other, str) and values.dtype == object:
        values = values.where(values.isna(), values.astype(str))
    compared = {"eq": values.eq, "lt": values.lt, "gt": values.gt}[op](other)
    return (compared & values.notna()).to_numpy(dtype=bool, na_value=False)


def _like(values: Any, wanted: str) -> Any:
    """The text that somebody typed, as what the column holds. Raises ValueError."""
    kind = getattr(values.dtype, "kind", "O")
    if kind == "b":
        return wanted.strip().lower() in ("true", "1", "yes")
    if kind in "iuf":
        return float(wanted)
    if kind == "M":
        import pandas

        return pandas.Timestamp(wanted, tz=getattr(values.dtype, "tz", None))
    return wanted


def _contains(values: Any, wanted: str) -> Any:
    """Where the text of a value holds another, whatever the case."""
    import numpy

    number = getattr(values.dtype, "kind", "O") in "iuf"
    if number and not set(wanted.lower()) <= set("0123456789.+-e"):
        return numpy.zeros(len(values), dtype=bool)
    if str(values.dtype) == "category":
        values = values.astype(object)
    found = _found_fast(values, wanted) if number or values.dtype == object else None
    if found is not None:
        return found
    text = values.astype(str).str
    return (text.contains(wanted, case=False, regex=False) & values.notna()).to_numpy(dtype=bool, na_value=False)


def _found_fast(values: Any, wanted: str) -> Any:
    """The same by pyarrow, several times as fast; None for what it does not take."""
    if "pyarrow" not in sys.modules:
        return None
    import pyarrow
    from pyarrow import compute

    try:
        words = pyarrow.array(values, from_pandas=True)
        if not pyarrow.types.is_string(words.type):
            words = words.cast(pyarrow.string())
        found = compute.match_substring(words, wanted, ignore_case=True)
        return found.fill_null(False).to_numpy(zero_copy_only=False)
    except (pyarrow.ArrowException, AttributeError):
        return None
