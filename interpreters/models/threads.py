"""Django's database calls are synchronous: event loops do them in a thread."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(work: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """`work` as a coroutine function. Broken and outdated connections are replaced before and after."""
    done: Callable[P, Coroutine[Any, Any, T]] = database_sync_to_async(work)
    return done
