"""A worker is killed with -9 between any two of its steps; some ticks later, nothing has leaked.

Steps are its statements to the database and its calls to the engine. The worker is a real process, a fork of this
one; the engine is a folder, so that sandboxes outlive it.
"""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from interpreters.lifecycle import LIVE, OPEN, Reason, State
from interpreters.models import Session, SessionPool
from interpreters.runtime import Sandbox, SandboxSpec

pytestmark = pytest.mark.django_db(transaction=True)


class FolderEngine:
    """Sandboxes as files in a folder. Each change is two steps: before it has an effect, and after."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.step: Callable[[], None] = lambda: None

    def create(self, spec: SandboxSpec) -> Sandbox:
        self.step()
        path = self.folder / str(spec.session)
        path.write_text(json.dumps(spec.pool))
        self.step()
        return self._view(path)

    def remove(self, handle: str) -> None:
        self.step()
        (self.folder / handle).unlink(missing_ok=True)
        self.step()

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        self.step()
        return [self._view(path) for path in sorted(self.folder.iterdir())]

    def logs(self, handle: str, lines: int = 50) -> str:
        return ""

    def inspect(self, handle: str) -> Mapping[str, object]:
        return {}

    def check(self) -> Sequence[str]:
        return []

    def _view(self, path: Path) -> Sandbox:
        age = time.time() - path.stat().st_mtime
        pool = json.loads(path.read_text())
        return Sandbox(handle=path.name, session=UUID(path.name), pool=pool, running=True, age=age)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderEngine:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    return FolderEngine(tmp_path)


def well(sessions: Sequence[UUID]) -> Mapping[UUID, Any]:
    return dict.fromkeys(sessions, SimpleNamespace(state="ready", detail="", busy=True, last_activity=0.0))


def work(engine: FolderEngine) -> None:
    """All that workers do, once: look, tear down, launch."""
    for pool in SessionPool.objects.select_related("image"):
        pool.maintain(engine, well)
    for session in Session.objects.filter(state=State.STOPPING).select_related("pool"):
        session.tear_down(engine, lambda _: None)
    while session := Session.objects.claim_queued():
        session.launch(engine, well)


def dies_at(step: int, engine: FolderEngine) -> bool:
    """Let a worker do all there is to do, and kill itself at its `step`-th step. False if it was done before."""
    connection.close()  # no two processes may share one
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _work_until(step, engine)
            status = 0
        finally:
            os._exit(status)
    _, result = os.waitpid(child, 0)
    assert result in (0, signal.SIGKILL), "a worker that fails in another way"
    return result == signal.SIGKILL


def _work_until(last: int, engine: FolderEngine) -> None:
    steps = itertools.count(1)

    def step() -> None:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute: Callable[..., Any], *arguments: Any) -> Any:
        step()
        result = execute(*arguments)
        step()
        return result

    engine.step = step
    with connection.execute_wrapper(statement):
        work(engine)


def all_is_well(pool: SessionPool, engine: FolderEngine) -> None:
    live = pool.sessions.filter(state__in=LIVE)
    assert live.filter(state=State.READY).count() == pool.ready_instances
    assert live.count() == pool.sessions.filter(state__in=OPEN).count() <= pool.max_concurrent
    assert {s.session for s in engine.list(settings.INSTALLATION)} == set(live.values_list("pk", flat=True))


@pytest.mark.timeout(300)
def test_a_worker_killed_between_any_two_steps_leaks_nothing(pool: Any, acme: Any, engine: FolderEngine) -> None:
    pool.note(ready_instances=1)
    died, step = True, 0
    while died:
        step += 1
        # Something of everything: sandboxes to tear down, one to make ready, a person who waits for a cold start.
        for session in pool.sessions.filter(state__in=OPEN):
            session.end(Reason.CLOSED)
        name = f"person-{step}"
        pool.lease(acme, None, name)
        died = dies_at(step, engine)
        # What the dead one had in hand is taken up once it counts as late.
        Session.objects.live().update(attempted_at="2020-01-01T00:00Z")
        for _ in range(2):
            work(engine)
        all_is_well(pool, engine)
        held = pool.sessions.get(identifier=name)
        assert (held.state, held.tenant) == ("leased", acme), f"whoever waited is served, though it died at {step}"
    assert step > 40, "a worker has many steps"
