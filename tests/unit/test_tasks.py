"""What every change of a session asks for, and that nobody depends on being asked or told."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.utils import timezone
from kombu.exceptions import OperationalError

from interpreters import client, notices, tasks
from interpreters.client import memory_agents
from interpreters.lifecycle import Reason, State
from interpreters.models import Session, SessionPool
from interpreters.models.places import Place
from interpreters.models.pool import REST
from interpreters.runtime import get_runtime, reset_runtime
from interpreters.runtime.memory import MemoryRuntime

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine and breakers that remember nothing of other tests."""
    reset_runtime()
    memory_agents.clear()
    monkeypatch.setattr(tasks, "_breaker", notices.Breaker())
    monkeypatch.setattr(notices, "_breaker", notices.Breaker())
    yield
    reset_runtime()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was enqueued: (name, arguments…), without times."""
    sent: list[tuple[Any, ...]] = []

    def remember(task: Any, args: tuple[Any, ...], **options: Any) -> None:
        sent.append((task.name.rpartition(".")[2], *(a for a in args if not isinstance(a, float))))

    monkeypatch.setattr("celery.app.task.Task.apply_async", remember)
    return sent


def engine() -> MemoryRuntime:
    runtime = get_runtime()
    assert isinstance(runtime, MemoryRuntime)
    return runtime


def ready(pool: SessionPool) -> Session:
    session: Session = pool.sessions.create(state=State.READY, pool_revision=pool.revision, handle="h")
    return session


def test_a_lease_asks_for_a_replacement_once_it_is_committed(
    pool: Any, acme: Any, asked: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    ready(pool)
    with django_capture_on_commit_callbacks(execute=True):
        pool.lease(acme, None, "a")
        assert asked == []
    assert asked == [("maintain_pool", pool.pk)]


def test_a_cold_start_asks_for_its_launch(
    pool: Any, acme: Any, asked: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        pool.lease(acme, None, "a")
    assert asked == [("launch_queued",)]


def test_an_ending_asks_for_the_teardown_and_that_for_maintenance(
    pool: Any, acme: Any, asked: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    session = ready(pool)
    with django_capture_on_commit_callbacks(execute=True):
        session.end(Reason.CLOSED)
    assert asked == [("tear_down_session", str(session.pk))]
    with django_capture_on_commit_callbacks(execute=True):
        tasks.tear_down_session(str(session.pk))
    session.refresh_from_db()
    assert session.state == "gone"
    assert asked[1:] == [("maintain_pool", pool.pk)]


def test_the_tick_asks_for_every_pool(pool: Any, asked: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tasks.maintain_pools()
    assert asked == [("maintain_pool", pool.pk)]


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ({}, False),
        ({"enabled": True}, False),
        ({"enabled": True, "ready_instances": 1}, True),
        ({"deleting": True}, True),
        ({"failures": 1}, True),
        ({"maintained_at": None}, True),
        ({"maintained_at": timezone.now() - 2 * REST}, True),
    ],
)
def test_a_pool_at_rest_is_looked_at_seldom(pool: Any, change: dict[str, Any], due: bool) -> None:
    now = timezone.now()
    SessionPool.objects.update(**{"enabled": False, "ready_instances": 0, "maintained_at": now, **change})
    assert list(SessionPool.objects.due(now)) == ([pool] if due else [])


@pytest.mark.parametrize(("state", "due"), [("starting", True), ("stopping", True), ("gone", False)])
def test_a_pool_with_a_session_is_not_at_rest(pool: Any, state: str, due: bool) -> None:
    now = timezone.now()
    SessionPool.objects.update(enabled=False, maintained_at=now)
    pool.sessions.filter(pk=ready(pool).pk).update(state=state)
    assert list(SessionPool.objects.due(now)) == ([pool] if due else [])


def test_a_pool_with_somebody_in_its_line_is_not_at_rest(pool: Any, acme: Any) -> None:
    now = timezone.now()
    SessionPool.objects.update(ready_instances=0, maintained_at=now)
    Place.objects.create(pool=pool, tenant=acme, identifier="a", expires_at=now + REST)
    assert list(SessionPool.objects.due(now)) == [pool]


def test_maintenance_reserves_and_asks_for_launches(
    pool: Any, asked: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tasks.maintain_pool(pool.pk)
    assert pool.sessions.queued().count() == 2
    assert set(asked) == {("launch_queued",)}


def test_a_launch_takes_all_that_is_queued(pool: Any) -> None:
    tasks.maintain_pool(pool.pk)
    tasks.launch_queued()
    assert [session.state for session in pool.sessions.all()] == ["ready", "ready"]


def test_many_leases_ask_for_one_look(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    asked_at = time.time()
    looked_at = timezone.now()

    def look(pool: SessionPool, *_: Any) -> None:
        looks.append(pool)
        pool.note(maintained_at=looked_at)

    monkeypatch.setattr(SessionPool, "maintain", look)
    tasks.maintain_pool(pool.pk, asked_at)
    tasks.maintain_pool(pool.pk, asked_at)
    assert len(looks) == 1
    tasks.maintain_pool(pool.pk, time.time() + 1)
    assert len(looks) == 2


def test_a_task_about_nothing_does_nothing(db: None) -> None:
    tasks.maintain_pool(0)
    tasks.tear_down_session("00000000-0000-0000-0000-000000000000")
    tasks.launch_queued()


def test_an_engine_that_does_not_answer_stops_the_round_and_no_worker(pool: Any) -> None:
    tasks.maintain_pool(pool.pk)
    engine().unavailable = True
    tasks.maintain_pools()
    tasks.maintain_pool(pool.pk)
    tasks.launch_queued()
    assert pool.sessions.queued().count() == 2, "they wait for the next tick"


def test_no_more_launches_at_once_than_there_are_slots(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = threading.BoundedSemaphore(1)
    monkeypatch.setattr(tasks, "_slots", slots)
    tasks.maintain_pool(pool.pk)
    slots.acquire()
    tasks.launch_queued()
    assert pool.sessions.queued().count() == 2
    slots.release()
    tasks.launch_queued()
    assert pool.sessions.queued().count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_does_not_answer_is_asked_once_and_the_change_stands(
    pool: Any, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refuse(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise OperationalError("connection refused")

    monkeypatch.setattr("celery.app.task.Task.apply_async", refuse)
    ready(pool)
    ready(pool)
    assert pool.lease(acme, None, "a").session.state == "leased"
    assert pool.lease(acme, None, "b").session.state == "leased"
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_whoever_watches_is_told(pool: Any, acme: Any, asked: list[Any]) -> None:
    session = ready(pool)
    layer = get_channel_layer()
    for group in (notices.session_group(session.pk), notices.pool_group(pool.pk)):
        async_to_sync(layer.group_add)(group, "watcher")
    pool.lease(acme, None, "a")
    told = [async_to_sync(layer.receive)("watcher") for _ in range(2)]
    assert told == [
        {"type": "session.changed", "session": str(session.pk)},
        {"type": "pool.changed", "pool": pool.pk},
    ]


@pytest.mark.parametrize("fault", ["refuses", "hangs"])
@pytest.mark.django_db(transaction=True)
def test_a_dead_channel_layer_breaks_no_change_and_costs_one_wait(
    pool: Any, acme: Any, asked: list[Any], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            if fault == "refuses":
                raise ConnectionError
            await asyncio.sleep(60)

    monkeypatch.setattr(notices, "get_channel_layer", Layer)
    monkeypatch.setattr(notices, "LONGEST_WAIT", 0.05)
    began = time.monotonic()
    for n in range(5):
        ready(pool)
        assert pool.lease(acme, None, f"n{n}").session.state == "leased"
    assert time.monotonic() - began < 1
    assert len(asked) == 5, "work is asked for all the same"


def test_a_failing_listener_breaks_no_change(
    pool: Any, acme: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(notices, "send", lambda _: 1 / 0)
    ready(pool)
    with django_capture_on_commit_callbacks(execute=True):
        assert pool.lease(acme, None, "a").session.state == "leased"


def test_agents_that_do_not_answer_are_left_out(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ready(pool), ready(pool)
    ask = client.ask

    def deaf(session: Any, question: Any) -> Any:
        if session == second.pk:
            raise client.AgentUnavailable
        return ask(session, question)

    monkeypatch.setattr(client, "ask", deaf)
    assert set(tasks.ask_agents([first.pk, second.pk])) == {first.pk}
    assert tasks.ask_agents([second.pk]) == {}
