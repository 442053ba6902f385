"""The user's variables: a list of all, and one in detail."""

import types
from collections.abc import Mapping
from itertools import islice
from typing import Any

import thermae_values as values
from thermae_questions import Bad, text

MOST = 1000
MOST_NODES = 500
MOST_CHILDREN = 100
DEEPEST = 4
LONGEST = 20_000  # characters of a value in detail


def listed(namespace: Mapping[str, Any], hidden: Mapping[str, Any]) -> dict[str, Any]:
    """Each variable as a row, in the order in which they came to be."""
    nothing = object()
    mine = {
        name: value
        for name, value in list(namespace.items())
        if isinstance(name, str) and not name.startswith("_") and hidden.get(name, nothing) is not value
    }
    return {"variables": [_row(name, value) for name, value in islice(mine.items(), MOST)], "total": len(mine)}


def _row(name: str, value: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": text(name, 200), "type": "", "kind": "data", "value": "", "bytes": None}
    try:
        row |= {"type": text(values.name_of(type(value)), 80), "kind": _kind(value)}
        row |= {"shape": values.shape(value), "length": values.length(value)}
        row["bytes"], row["estimated"] = values.size(value)
        row["value"] = text(values.brief(value), values.SHORT)
    except Exception as error:
        row["value"] = f"cannot be shown: {type(error).__name__}"
    return row


def _kind(value: Any) -> str:
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        return "module"
    if issubclass(kind, type):
        return "class"
    if kind.__module__ == "builtins" and kind.__name__ in ("function", "builtin_function_or_method", "method"):
        return "function"
    return "data"


def detail(namespace: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One variable: its row, its whole text, and a tree or a table where it is made of parts. Raises Bad."""
    if name not in namespace:
        raise Bad(f"There is no variable {name[:80]} any more.", "gone")
    value = namespace[name]
    found = _row(name, value)
    if found["kind"] == "data":
        found |= {"table": _table(value), "tree": _Tree().children(value, 1)}
        if found["table"] is None:
            found["text"] = text(_whole(value), LONGEST)
    return found


def _whole(value: Any) -> str:
    """As the cell would print it. Here the user's `__repr__` is asked: it was wanted for this one value."""
    kind = type(value)
    if kind is str:
        return str(value[:LONGEST])
    length = values.length(value)
    if values.container(kind) is not None and (length or 0) > 1000:
        return values.brief(value, 3, 2000)
    return repr(value) if kind is not int else values.brief(value)


def _table(value: Any) -> dict[str, Any] | None:
    """The table of a data frame, as the cell would show it."""
    if len(values.shape(value) or ()) not in (1, 2) or not values.installed(type(value)):
        return None
    try:
        from thermae_tables import table_of
    except ImportError:
        return None
    found = table_of(value)
    return found if isinstance(found, dict) else None


class _Tree:
    """What a value is made of, in a bounded number of nodes."""

    def __init__(self) -> None:
        self._left = MOST_NODES

    def children(self, value: Any, depth: int) -> list[dict[str, Any]]:
        base = values.container(type(value))
        if base is not None:
            parts = [(values.brief(key, 0, 60), one) for key, one in values.items(value, base)[:MOST_CHILDREN]]
        elif not values.installed(type(value)) and not issubclass(type(value), type):
            parts = list(values.stored(value).items())[:MOST_CHILDREN]
        else:
            return []
        nodes = []
        for label, part in parts:
            if self._left <= 0:
                break
            self._left -= 1
            node = {"label": text(str(label), 80), "type": text(values.name_of(type(part)), 80)}
            node["value"] = text(values.brief(part, 1, 80), 100)
            node["length"] = values.length(part)
            if depth < DEEPEST:
                node["children"] = self.children(part, depth + 1)
            nodes.append(node)
        return nodes
