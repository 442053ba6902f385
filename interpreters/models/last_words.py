"""What a sandbox said last, for an operator and for whoever owns the pool."""

from typing import TYPE_CHECKING

from interpreters.runtime.base import Runtime, RuntimeUnavailable

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool

LONGEST = 2000


def last_words(pool: "SessionPool", runtime: Runtime, handle: str) -> str:
    """Without the pool's secrets, which an application may have printed; empty if there are none to be had."""
    try:
        said = runtime.logs(handle)
    except RuntimeUnavailable:
        return ""
    return pool.redacted(said)[-LONGEST:]
