"""Sessions that belong to something above us, as to a notebook: who of a tenant may use them is asked there.

The same goes for the files that are kept of them.
"""

from collections.abc import Callable, Iterable

from tenants.authentication import Actor

_guards: dict[str, Callable[[Actor, set[str]], set[str]]] = {}


def guard(prefix: str, usable: Callable[[Actor, set[str]], set[str]]) -> None:
    """From now on `usable(actor, identifiers)` says which may be used of identifiers that begin with `prefix`."""
    _guards[prefix] = usable


def passing(actor: Actor, identifiers: Iterable[str]) -> set[str]:
    """Those that `actor` may use. Asks the database once, however many are guarded."""
    found = set(identifiers)
    for prefix, usable in _guards.items():
        if guarded := {identifier for identifier in found if identifier.startswith(prefix)}:
            found -= guarded - usable(actor, guarded)
    return found


def passes(actor: Actor, identifier: str) -> bool:
    return identifier in passing(actor, [identifier])
