from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from interpreters.models import Session
from interpreters.sessions import following
from tenants.audit import NOBODY, acting
from tests.edges import Caller, agents, leased, ready

__all__ = ["agents", "leased", "ready"]


@pytest.fixture(autouse=True)
def nobody_acts() -> Iterator[None]:
    """Each request and task has a context of its own; tests share one."""
    with acting(NOBODY):
        yield


@pytest.fixture
def call(alice: Any, token: Any) -> Caller:
    """The API, by a token of alice's."""
    return Caller(token(alice))


@pytest.fixture
def mine(alice: Any, leased: Any) -> Session:
    """A session that alice has."""
    session: Session = leased(alice)
    return session


@pytest.fixture(autouse=True)
def no_attempts_yet() -> None:
    cache.clear()


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at rows more often than every few seconds."""
    monkeypatch.setattr(following, "EVERY", 0.05)
    monkeypatch.setattr(following.changes, "__defaults__", (0.05, None))
