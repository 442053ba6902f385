"""A pool under any order of events: hypothesis plays the users, the workers, the engine, their deaths, and time.

Time stands still and is moved by a rule; ids count up, so that a failing story can be told again.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from interpreters.lifecycle import LIVE, OPEN, UNHEALTHY_EXIT, Reason, State
from interpreters.models import InterpreterImage, NoInstance, Place, Session, SessionPool
from interpreters.models import launch as launching
from interpreters.models.failing import LONGEST_BACK_OFF
from interpreters.runtime import RuntimeUnavailable
from interpreters.runtime.memory import MemoryRuntime
from tenants.models import Tenant

READY, MAXIMUM = 2, 4
# Few are enough on every run; HYPOTHESIS_STORIES=300 for a long one.
STORIES = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_STORIES", "25")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LIFECYCLES = ["timed", "on_container_exit"]
NAMES = st.sampled_from(["ann", "ben", "cy"])


class WorkerDied(BaseException):
    """Between any two steps. Nothing of ours may catch it."""


class Answer:
    """An agent's health."""

    detail = ""

    def __init__(self, state: str, busy: bool, last_activity: float) -> None:
        self.state, self.busy, self.last_activity = state, busy, last_activity


class Engine(MemoryRuntime):
    """An engine at which a worker may die: just before a call takes effect, or just after."""

    steps_left: int | None = None

    def heal(self) -> None:
        self.unavailable = False
        self._refusals.clear()

    def step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise WorkerDied

    def create(self, spec: Any) -> Any:
        self.step()
        made = super().create(spec)
        self.step()
        return made

    def remove(self, handle: str) -> None:
        self.step()
        super().remove(handle)
        self.step()


class Clock:
    """Time as the story tells it, for rows, for the engine, and for a launch that waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class PoolMachine(RuleBasedStateMachine):
    kind = "code"

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.engine = Engine(clock=self.clock.monotonic)
        self.busy: set[UUID] = set()
        self.holders: dict[UUID, tuple[int, str]] = {}
        self.reached: dict[UUID, int] = {}
        self.undo = ExitStack()
        self._patch()
        self.undo.enter_context(transaction.atomic())
        self.undo.callback(transaction.set_rollback, True)
        ready = {"reference": "r", "digest": "d", "state": "ready"}
        InterpreterImage.objects.create(name="relay", source="relay", **ready)
        image = InterpreterImage.objects.create(name="python", kernel="k", source="p", kind=self.kind, **ready)
        self.pool = SessionPool.objects.create(
            name="python", image=image, ready_instances=READY, max_concurrent=MAXIMUM, cooldown=30, max_alive=600
        )
        self.tenants = [Tenant.objects.create(name=name, slug=name) for name in ("acme", "other")]

    def _patch(self) -> None:
        ids = itertools.count(1)
        defaults: dict[str, Callable[[], object]] = {"id": lambda: UUID(int=next(ids))}
        defaults |= dict.fromkeys(("created_at", "state_since", "attempted_at"), self.clock)
        patches = [mock.patch.object(Session._meta.get_field(n), "_get_default", d) for n, d in defaults.items()]
        patches.append(mock.patch.object(Place._meta.get_field("since"), "_get_default", self.clock))
        patches.append(mock.patch("django.utils.timezone.now", self.clock))
        patches.append(mock.patch.multiple(launching, POLL_INTERVAL=5, time=self.clock))
        for patch in patches:
            self.undo.enter_context(patch)

    def teardown(self) -> None:
        with self.undo:
            self.left_alone()

    # --- the world ---

    def ask(self, sessions: Sequence[UUID]) -> Mapping[UUID, Answer]:
        alive = {sandbox.session for sandbox in self.sandboxes() if sandbox.running}
        long_ago = self.clock.monotonic() - 10_000
        return {pk: Answer("ready", pk in self.busy, long_ago) for pk in sessions if pk in alive}

    def sandboxes(self) -> Sequence[Any]:
        with mock.patch.object(self.engine, "unavailable", False):
            return self.engine.list(django_settings.INSTALLATION)

    def rows(self, *states: State) -> list[Session]:
        return list(self.pool.sessions.filter(state__in=states).order_by("id"))

    @contextmanager
    def mortal(self, steps: int | None) -> Iterator[None]:
        """A worker at work; with `steps`, it dies after so many of its own. What it committed stays."""
        self.engine.steps_left = steps
        move = Session.move

        def step_by_step(session: Session, *args: Any, **changes: Any) -> bool:
            self.engine.step()
            moved = move(session, *args, **changes)
            self.engine.step()
            return moved

        try:
            with mock.patch.object(Session, "move", step_by_step):
                yield
        except (WorkerDied, RuntimeUnavailable):
            pass
        finally:
            self.engine.steps_left = None

    # --- rules ---

    @rule(tenant=st.integers(0, 1), name=NAMES)
    def lease(self, tenant: int, name: str) -> None:
        self.pool.refresh_from_db()
        try:
            session = self.pool.lease(self.tenants[tenant], None, name).session
        except NoInstance:
            return
        assert (session.tenant, session.identifier) == (self.tenants[tenant], name)

    @rule(steps=st.none() | st.integers(0, 4))
    def maintain(self, steps: int | None) -> None:
        with self.mortal(steps):
            self.pool.maintain(self.engine, self.ask)

    @rule(steps=st.none() | st.integers(0, 8))
    def launch(self, steps: int | None) -> None:
        with self.mortal(steps):
            session = Session.objects.claim_queued()
            if session:
                session.launch(self.engine, self.ask)

    @rule(steps=st.none() | st.integers(0, 4), data=st.data())
    @precondition(lambda self: self.rows(State.STOPPING))
    def tear_down(self, steps: int | None, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.rows(State.STOPPING)))
        with self.mortal(steps):
            session.tear_down(self.engine, lambda pk: None)

    @rule(data=st.data())
    @precondition(lambda self: self.rows(*State))
    def a_worker_that_slept_wakes_up(self, data: st.DataObject) -> None:
        """It believes that it has just claimed a session, which may have had any fate meanwhile."""
        session = data.draw(st.sampled_from(self.rows(*State)))
        session.state = State.STARTING
        with self.mortal(None):
            session.launch(self.engine, self.ask)
        gone = Session.objects.get(pk=session.pk).state == State.GONE
        silent = self.engine.unavailable
        assert silent or not gone or session.pk not in {sandbox.session for sandbox in self.sandboxes()}

    @rule(data=st.data())
    @precondition(lambda self: self.rows(*OPEN))
    def close(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.rows(*OPEN))).end(Reason.CLOSED)

    @rule(data=st.data())
    @precondition(lambda self: self.rows(State.LEASED))
    def run_a_cell(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.rows(State.LEASED)))
        self.busy ^= {session.pk}

    @rule(data=st.data(), out_of_memory=st.booleans())
    @precondition(lambda self: self.sandboxes())
    def crash(self, data: st.DataObject, out_of_memory: bool) -> None:
        self.engine.crash(data.draw(st.sampled_from(self.sandboxes())).handle, out_of_memory=out_of_memory)

    @rule(data=st.data(), exit_code=st.sampled_from([2, UNHEALTHY_EXIT]))
    @precondition(lambda self: self.kind == "custom" and self.sandboxes())
    def a_relay_ends(self, data: st.DataObject, exit_code: int) -> None:
        self.engine.end_relay(data.draw(st.sampled_from(self.sandboxes())).handle, exit_code)

    @rule(data=st.data())
    @precondition(lambda self: self.sandboxes())
    def vanish(self, data: st.DataObject) -> None:
        self.engine.vanish(data.draw(st.sampled_from(self.sandboxes())).handle)

    @rule()
    def a_launch_fails(self) -> None:
        self.engine.fail_next_create()

    @rule(silent=st.booleans())
    def the_engine_is_silent_or_back(self, silent: bool) -> None:
        self.engine.unavailable = silent

    @rule(memory=st.sampled_from([1024, 2048]), enabled=st.booleans(), lifecycle=st.sampled_from(LIFECYCLES))
    def an_admin_changes_the_pool(self, memory: int, enabled: bool, lifecycle: str) -> None:
        self.pool.note(memory=memory, enabled=enabled, lifecycle=lifecycle if self.kind == "custom" else "timed")

    @rule(seconds=st.sampled_from([1, 5, 31, 75, 700]))
    def time_passes(self, seconds: int) -> None:
        self.clock.sleep(seconds)

    # --- what always holds ---

    @invariant()
    def never_above_the_maximum(self) -> None:
        assert len(self.rows(*LIVE)) <= MAXIMUM

    @invariant()
    def one_open_session_for_each_identifier(self) -> None:
        held = [(s.tenant_id, s.identifier) for s in self.rows(*OPEN) if s.tenant_id]
        assert len(held) == len(set(held))

    @invariant()
    def one_holder_ever(self) -> None:
        for session in self.pool.sessions.exclude(tenant=None):
            assert session.tenant_id
            holder = (session.tenant_id, session.identifier)
            assert self.holders.setdefault(session.pk, holder) == holder

    @invariant()
    def no_state_is_left_backwards(self) -> None:
        order = list(State)
        for session in self.rows(*State):
            reached = order.index(State(session.state))
            assert self.reached.get(session.pk, 0) <= reached
            self.reached[session.pk] = reached

    @invariant()
    def no_wait_is_longer_than_the_longest(self) -> None:
        self.pool.refresh_from_db()
        if self.pool.retry_at:
            assert self.pool.retry_at <= self.clock.now + timedelta(seconds=LONGEST_BACK_OFF)

    # --- and what comes about when it is left alone ---

    def left_alone(self) -> None:
        """Without faults or users, some ticks later everything is as it should be."""
        self.engine.heal()
        self.pool.note(enabled=True)
        for _ in range(80):
            self.maintain(None)
            for session in self.rows(State.STOPPING):
                session.tear_down(self.engine, lambda pk: None)
            while session := Session.objects.claim_queued():
                session.launch(self.engine, self.ask)
            if self.as_it_should_be():
                return
            self.clock.sleep(10)
        raise AssertionError(f"{self.rows(*LIVE)} and {self.sandboxes()} do not become what they should be")

    def as_it_should_be(self) -> bool:
        leased, ready = self.rows(State.LEASED), self.rows(State.READY)
        sandboxes = self.sandboxes()
        return (
            len(ready) == min(READY, MAXIMUM - len(leased))
            and len(self.rows(*LIVE)) == len(leased) + len(ready)
            and {session.pool_revision for session in ready} <= {self.pool.revision}
            and sorted(session.handle for session in leased + ready) == sorted(s.handle for s in sandboxes)
            and all(sandbox.running for sandbox in sandboxes)
        )


class CustomPoolMachine(PoolMachine):
    kind = "custom"


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [PoolMachine, CustomPoolMachine])
def test_a_pool_keeps_its_promises_whatever_happens(machine: type[PoolMachine]) -> None:
    run_state_machine_as_test(machine, settings=STORIES)
