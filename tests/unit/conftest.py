from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tenants.audit import NOBODY, acting
from tests.edges import agents, leased, ready

__all__ = ["agents", "leased", "ready"]


@pytest.fixture(autouse=True)
def nobody_acts() -> Iterator[None]:
    """Each request and task has a context of its own; tests share one."""
    with acting(NOBODY):
        yield


@pytest.fixture(autouse=True)
def no_attempts_yet() -> None:
    cache.clear()
