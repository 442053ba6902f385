"""Values in words, without running their own code where that is the user's: bounded in length, depth and time.

`__repr__`, `__len__` and properties of classes from installed packages are used; of classes that were defined in the
notebook, or beside it, only what is stored in their objects is looked at.
"""

import sys
import sysconfig
import types
from itertools import islice
from typing import Any

SHORT = 120  # characters
ITEMS = 6
SAMPLE = 500  # objects that are looked at to tell the size of a container
CONTAINERS: tuple[type, ...] = (list, tuple, set, frozenset, dict)
BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", dict: "{}"}


def name_of(kind: type) -> str:
    """As people write it: `DataFrame`, `int`, `my_module.Thing`."""
    module, name = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    return str(name) if module in ("builtins", "__main__") or installed(kind) else f"{module}.{name}"


def installed(kind: type) -> bool:
    """Whether a class came with Python or a package, not with the notebook."""
    root = str(type.__getattribute__(kind, "__module__")).partition(".")[0]
    if root == "__main__":
        return False
    if root in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return file.startswith((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))


def container(kind: type) -> type | None:
    """The built-in container that it is one of."""
    return next((base for base in CONTAINERS if issubclass(kind, base)), None)


def items(value: Any, base: type) -> list[tuple[Any, Any]]:
    """The first entries of a container, as its built-in base has them, with their keys or places."""
    if base is dict:
        return list(islice(dict.items(value), 1000))
    return list(enumerate(islice(base.__iter__(value), 1000)))  # type: ignore[attr-defined]


def stored(value: Any) -> dict[str, Any]:
    """The attributes that an object stores, by looking and not by asking it."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return dict(found) if type(found) is dict else {}


def length(value: Any) -> int | None:
    base = container(type(value))
    if base is not None:
        return int(base.__len__(value))  # type: ignore[attr-defined]
    if issubclass(type(value), str | bytes | bytearray):
        return next(kind.__len__(value) for kind in (str, bytes, bytearray) if issubclass(type(value), kind))
    if installed(type(value)) and hasattr(type(value), "__len__"):
        return len(value)
    return None


def shape(value: Any) -> list[int] | None:
    """Of arrays, tables and tensors."""
    if not installed(type(value)) or isinstance(value, type | types.ModuleType):
        return None
    found = getattr(value, "shape", None)
    if not isinstance(found, tuple | list) and not hasattr(found, "__iter__"):
        return None
    sides = [int(side) for side in islice(found, 32)]
    return sides or None


def brief(value: Any, depth: int = 2, room: int = SHORT) -> str:
    """A line about a value."""
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value[:room]) + ("…" if len(value) > room else "")
    if kind is int:
        return repr(value) if value.bit_length() < 2000 else f"a number of {value.bit_length()} bits"
    if issubclass(kind, type):
        return f"class {name_of(value)}"
    base = container(kind)
    if base is not None:
        return _entries(value, kind, base, depth, room)
    if not installed(kind):
        return _object(value, kind, depth, room)
    return _known(value, room)


def _entries(value: Any, kind: type, base: type, depth: int, room: int) -> str:
    opening, closing = BRACKETS[base]
    count = length(value) or 0
    if depth == 0 and count:
        words = "…"
    else:
        shown = items(value, base)[:ITEMS]
        each = max(12, room // max(1, len(shown)))
        parts = [
            f"{brief(key, 0, each)}: {brief(item, depth - 1, each)}" if base is dict else brief(item, depth - 1, each)
            for key, item in shown
        ]
        words = ", ".join([*parts, *(["…"] if count > len(shown) else [])])
    plain = f"{opening}{words}{closing}"
    return plain if kind in CONTAINERS else f"{name_of(kind)}({plain})"


def _object(value: Any, kind: type, depth: int, room: int) -> str:
    if issubclass(kind, BaseException):
        return f"{name_of(kind)}({brief(BaseException.args.__get__(value), 1, room)[1:-1]})"  # type: ignore[attr-defined]
    if depth == 0:
        return f"{name_of(kind)}(…)"
    attributes = stored(value)
    shown = list(attributes.items())[:ITEMS]
    each = max(12, room // max(1, len(shown)))
    parts = [f"{name}={brief(one, depth - 1, each)}" for name, one in shown]
    return f"{name_of(kind)}({', '.join([*parts, *(['…'] if len(attributes) > len(shown) else [])])})"


def _known(value: Any, room: int) -> str:
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if issubclass(kind, types.ModuleType):
        return f"module {types.ModuleType.__getattribute__(value, '__name__')}"
    if callable(value) and hasattr(value, "__name__"):
        return f"{value.__name__}{_signature(value)}"
    if root == "numpy" and hasattr(value, "dtype") and shape(value):
        return (
            f"{value.dtype} "
            + brief(value.ravel()[:ITEMS].tolist(), 1, room).rstrip("]")
            + (", …]" if value.size > ITEMS else "]")
        )
    if root in ("pandas", "polars", "pyarrow") and len(shape(value) or ()) == 2:
        names = [str(name) for name in islice(getattr(value, "column_names", None) or value.columns, 12)]
        return ", ".join(names)
    if root == "pandas" and kind.__name__ == "Series":
        return f"{value.dtype} {brief(value.iloc[:ITEMS].tolist(), 1, room)}"
    return " ".join(repr(value).split())


def _signature(value: Any) -> str:
    """Of a function: from its code, which is no code of the user's to run."""
    code = getattr(value, "__code__", None)
    if not isinstance(code, types.CodeType):
        return "()"
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return f"({', '.join(names)})"


def size(value: Any) -> tuple[int, bool]:
    """Bytes that a value holds, and whether that is only estimated."""
    kind = type(value)
    if not issubclass(kind, type) and installed(kind):
        for attribute in ("nbytes", "memory_usage", "estimated_size"):
            known = getattr(value, attribute, None)
            try:
                known = known() if callable(known) else known
                known = known.sum() if hasattr(known, "sum") else known
            except TypeError:
                continue
            if known is not None:
                return int(known), attribute != "nbytes"
    return _sum_up(value)


def _sum_up(value: Any) -> tuple[int, bool]:
    total, seen, guessed = 0.0, set(), False
    waiting: list[tuple[Any, float]] = [(value, 1.0)]
    while waiting and len(seen) < 4 * SAMPLE:
        one, weight = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += weight * _own_size(one)
        base = container(type(one))
        inner: list[Any] = []
        count = 0
        if base is not None:
            count = length(one) or 0
            inner = [part for pair in items(one, base)[:SAMPLE] for part in (pair if base is dict else pair[1:])]
        elif not installed(type(one)):
            inner = list(stored(one).values())[:SAMPLE]
        looked_at = len(inner) // 2 if base is dict else len(inner)
        share = weight * (count / looked_at if looked_at and count > looked_at else 1.0)
        guessed = guessed or share > weight
        waiting += [(each, share) for each in inner]
    return int(total), guessed or bool(waiting)


def _own_size(value: Any) -> int:
    return sys.getsizeof(value) if installed(type(value)) else int(object.__sizeof__(value))
