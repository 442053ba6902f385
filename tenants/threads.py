"""Django's database calls are synchronous: event loops do them in a thread."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(work: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """`work` as a coroutine function.

    A WebSocket is no request, after which Django would look after connections: broken and outdated ones are replaced
    here, unless a transaction is under way (that of a test).
    """

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
        return work(*args, **kwargs)

    return sync_to_async(done)


async def in_parts(lines: Iterator[T]) -> AsyncIterator[T]:
    """What asks the database as it is read, one after the other."""
    while (part := await _next(lines)) is not _END:
        yield part


_END = object()


@in_thread
def _next(lines: Iterator[Any]) -> Any:
    return next(lines, _END)
