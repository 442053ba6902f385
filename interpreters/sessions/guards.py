"""Sessions that belong to something above us, as to a notebook: who of a tenant may use them is asked there."""

from collections.abc import Callable

from tenants.authentication import Actor

_guards: dict[str, Callable[[Actor, str], bool]] = {}


def guard(prefix: str, may_use: Callable[[Actor, str], bool]) -> None:
    """From now on `may_use(actor, identifier)` is asked for identifiers that begin with `prefix`."""
    _guards[prefix] = may_use


def passes(actor: Actor, identifier: str) -> bool:
    """Asks the database where an identifier is guarded."""
    return all(may_use(actor, identifier) for prefix, may_use in _guards.items() if identifier.startswith(prefix))
