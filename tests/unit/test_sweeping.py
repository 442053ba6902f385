"""What ended while nobody listened is saved by the clock."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from interpreters.client import AgentUnavailable, ExecuteRequest
from interpreters.models import Execution, Session
from interpreters.outputs import sweeping
from interpreters.sessions import executing, lingering
from interpreters.upkeep_tasks import save_ended_executions
from tenants.authentication import actor_from_user
from tests.edges import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listened has had the time to save it."""
    monkeypatch.setattr(sweeping, "LISTENERS", -1.0)


@pytest.fixture
def given(agents: Any) -> Callable[..., Any]:
    """Give code to a session's agent as a reader would that went down at once: `await given(session, "hello")`."""

    async def give(session: Session, code: str, **fields: Any) -> Execution:
        row = Execution(id=uuid4(), session=session, tenant_id=session.tenant_id, code=code, **fields)
        await row.asave(force_insert=True)
        await agents[session.pk].execute(ExecuteRequest(row.pk, code))
        await asyncio.sleep(0.05)
        return row

    return give


sweep = sync_to_async(save_ended_executions)


async def test_what_has_ended_is_saved_and_what_runs_is_left(mine: Session, given: Any, long_ago: None) -> None:
    ended, running = await given(mine, "hello"), await given(mine, "forever")
    await sweep()
    for row in (ended, running):
        await row.arefresh_from_db()
    assert (ended.status, ended.outputs[0]["text"]) == ("ok", "hello\n")
    assert (running.status, running.outputs) == ("queued", None)


async def test_what_waits_behind_a_run_is_not_asked_for(
    mine: Session, given: Any, agents: Any, long_ago: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await given(mine, "forever")
    for _ in range(3):
        await given(mine, "hello")
    asked: list[Any] = []
    record = agents[mine.pk].record

    async def noted(execution: Any) -> Any:
        asked.append(execution)
        return await record(execution)

    monkeypatch.setattr(agents[mine.pk], "record", noted)
    await sweep()
    assert asked == [running.pk]


async def test_what_has_just_ended_is_left_to_who_listens(
    mine: Session, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await given(mine, "hello")
    await sweep()
    monkeypatch.setattr(sweeping.timezone, "now", lambda: row.queued_at.replace(year=row.queued_at.year + 1))
    await sweep()
    await row.arefresh_from_db()
    assert row.outputs is None


async def test_an_agent_that_is_silent_or_was_never_told_keeps_nobody_waiting(
    mine: Session, leased: Any, bob: Any, agents: Any, given: Any, long_ago: None
) -> None:
    silent = await sync_to_async(leased)(bob, "silent")
    lost = await given(silent, "hello")
    agents[silent.pk].gone = True
    with pytest.raises(AgentUnavailable):
        await agents[silent.pk].health()
    never = await Execution.objects.acreate(session=mine, tenant_id=mine.tenant_id, code="hello")
    row = await given(mine, "hello")
    await sweep()
    for one in (lost, never, row):
        await one.arefresh_from_db()
    assert (lost.outputs, never.outputs, row.status) == (None, None, "ok")


async def test_a_request_that_is_given_up_is_read_to_its_end(
    mine: Session, alice: Any, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpreters.outputs.saving.save", None)
    agents[mine.pk].scripts["slow"] = lambda run: run.sleep(0.3)
    actor = await sync_to_async(actor_from_user)(alice)
    wanted = executing.request("slow")
    entries = executing.stream(actor, mine, wanted)
    await anext(entries)
    await entries.aclose()

    async def saved() -> Any:
        return await Execution.objects.filter(pk=wanted.id, outputs__isnull=False).afirst()

    assert (await eventually(saved)).status == "ok"
    assert not lingering._readers


async def test_what_nobody_waits_for_is_read_by_one_line_and_saved_whole(
    mine: Session, alice: Any, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpreters.outputs.saving.save", None)
    gate = asyncio.Event()

    async def wait(_: Any) -> None:
        await gate.wait()

    agents[mine.pk].scripts["wait"] = wait
    actor = await sync_to_async(actor_from_user)(alice)
    wanted = [executing.request("wait"), *(executing.request("hello") for _ in range(6))]
    for one in wanted:
        await executing.start(actor, mine, one)
    assert len(lingering._readers[mine.pk]) <= lingering.MOST
    gate.set()

    async def saved() -> bool:
        return await Execution.objects.filter(status="ok", outputs__isnull=False).acount() == len(wanted)

    await eventually(saved)
    await eventually(lambda: asyncio.sleep(0, not lingering._readers))
