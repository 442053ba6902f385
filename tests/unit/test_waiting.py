"""Cells that are asked for before there is a sandbox: rows at once, handed over in order, once, by whoever comes."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreters import handover, tasks
from interpreters.client import AgentUnavailable
from interpreters.client.memory import MemoryAgent
from interpreters.lifecycle import Reason, State
from interpreters.models import Execution, Session
from interpreters.runtime.memory import MemoryRuntime
from tests.edges import SCRIPTS, channels, ended, eventually, execute, state, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(alice: Any, token: Any) -> str:
    return str(token(alice))


@pytest.fixture
def cold(alice: Any, acme: Any, pool: Any, agents: dict[UUID, MemoryAgent]) -> Session:
    """A session that is being started for alice, with an agent that comes up whenever it is asked."""
    session: Session = pool.lease(acme, alice, "cold").session
    agents[session.pk] = MemoryAgent()
    agents[session.pk].scripts.update(SCRIPTS)
    return session


def waits(count: int) -> Any:
    return lambda m: m.get("type") == "state" and len(m.get("waiting", ())) == count


@sync_to_async
def starts(session: Session) -> None:
    now = timezone.now()
    session.refresh_from_db()
    assert session.move(State.STARTING, State.LEASED, phase="", leased_at=now, last_used_at=now)


def ran(agent: MemoryAgent) -> list[str]:
    """What the agent was given, in the order in which it began."""
    return [e.content()["code"] for e in agent.log.entries if e.msg_type == "execute_input"]


async def ask(session: Session, secret: str, *codes: str) -> list[dict[str, Any]]:
    """Ask for cells in a tab that is closed at once."""
    runs = [execute(code, cell=f"cell{number}") for number, code in enumerate(codes)]
    async with tab(channels(session), secret) as page:
        for run in runs:
            await page.send(run)
        await page.until(waits(len(codes)))
    return runs


async def test_they_run_in_order_though_every_tab_is_closed(cold: Session, secret: str, agents: Any) -> None:
    await ask(cold, secret, "one", "two", "three")
    rows = [row async for row in Execution.objects.order_by("turn")]
    assert [(row.code, row.turn) for row in rows] == [("one", 1), ("two", 2), ("three", 3)]
    assert {row.status for row in rows} == {"queued"}
    await starts(cold)
    # The agent is in the process of the test: a worker's own loop would take its executions with it when it ends.
    await handover.hand_over(agents[cold.pk], cold.pk)
    assert not await Execution.objects.filter(turn__isnull=False).aexists()

    async def done() -> bool:
        return ran(agents[cold.pk]) == ["one", "two", "three"]

    await eventually(done)


def test_a_worker_is_asked_when_it_starts_and_by_the_tick(
    cold: Session, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        tasks, "enqueue", lambda task, *args, **_: asked.append((task.name.rpartition(".")[2], args[:1]))
    )
    Execution.objects.create(session=cold, tenant=acme, code="hello", turn=1)
    async_to_sync(starts)(cold)
    wanted = ("hand_over_waiting", (str(cold.pk),))
    assert wanted in asked
    asked.clear()
    monkeypatch.setattr(tasks, "ask_agents", lambda sessions: {})
    monkeypatch.setattr(tasks, "get_runtime", MemoryRuntime)
    monkeypatch.setattr("interpreters.models.pool.SessionPool.maintain", lambda *_: None)
    tasks.maintain_pool(cold.pool_id)
    assert wanted in asked


def test_the_task_hands_over(cold: Session, acme: Any, agents: Any) -> None:
    Execution.objects.create(session=cold, tenant=acme, code="hello", turn=1)
    tasks.hand_over_waiting(str(cold.pk))
    assert Execution.objects.get().turn == 1, "it is not running yet"
    async_to_sync(starts)(cold)
    agents[cold.pk].fault = AgentUnavailable("not yet")
    tasks.hand_over_waiting(str(cold.pk))
    assert Execution.objects.get().turn == 1
    agents[cold.pk].fault = None
    tasks.hand_over_waiting(str(cold.pk))
    assert Execution.objects.get().turn is None
    assert len(agents[cold.pk].log.entries) > 0


async def test_a_reload_shows_them_with_their_places(cold: Session, secret: str) -> None:
    runs = await ask(cold, secret, "one", "two")
    async with tab(channels(cold), secret) as again:
        told = await again.until(state("starting"))
    assert [(each["id"], each["cell"], each["position"]) for each in told["waiting"]] == [
        (runs[0]["id"], "cell0", 1), (runs[1]["id"], "cell1", 2),
    ]  # fmt: skip


async def test_one_is_cancelled_while_it_waits_also_by_another_tab(cold: Session, secret: str, agents: Any) -> None:
    runs = await ask(cold, secret, "one", "two", "three")
    async with tab(channels(cold), secret) as other:
        await other.until(waits(3))
        await other.send({"type": "cancel", "id": runs[1]["id"]})
        await other.until(waits(2))
        await starts(cold)
        await other.until(ended(runs[2]["id"]))
    assert ran(agents[cold.pk]) == ["one", "three"]
    row = await Execution.objects.aget(pk=runs[1]["id"])
    assert (row.status, row.outputs, row.turn) == ("cancelled", [], None)


@pytest.mark.parametrize("verb", ["interrupt", "restart"])
async def test_a_stop_takes_all_of_them_out(cold: Session, secret: str, agents: Any, verb: str) -> None:
    await ask(cold, secret, "one", "two")
    async with tab(channels(cold), secret) as page:
        await page.until(waits(2))
        await page.send({"type": verb})
        await page.until(waits(0))
        await starts(cold)
        later = execute("later")
        await page.send(later)
        await page.until(ended(later["id"]))
    assert ran(agents[cold.pk]) == ["later"]
    assert {row.status async for row in Execution.objects.filter(code__in=["one", "two"])} == {"aborted"}


async def test_what_is_asked_for_later_comes_behind(cold: Session, secret: str, agents: Any) -> None:
    await ask(cold, secret, "one", "two")
    async with tab(channels(cold), secret) as page:
        await page.until(waits(2))
        await starts(cold)
        last = execute("three")
        await page.send(last)
        await page.until(ended(last["id"]))
    assert ran(agents[cold.pk]) == ["one", "two", "three"]


async def test_an_error_stops_those_behind_it(cold: Session, secret: str, agents: Any) -> None:
    runs = await ask(cold, secret, "fail", "two")
    async with tab(channels(cold), secret) as page:
        await starts(cold)
        assert (await page.until(ended(runs[1]["id"])))["content"]["state"] == "aborted"
    assert ran(agents[cold.pk]) == ["fail"]


async def test_sent_again_it_waits_once(cold: Session, secret: str) -> None:
    run = execute("one")
    async with tab(channels(cold), secret) as page:
        await page.send(run)
        await page.until(waits(1))
        await page.send(run)
        await page.send(execute("two"))
        await page.until(waits(2))
    assert await Execution.objects.acount() == 2


async def test_another_ones_id_is_refused(cold: Session, secret: str, leased: Any, charlie: Any) -> None:
    theirs = await sync_to_async(leased)(charlie, "theirs")
    row = await Execution.objects.acreate(session=theirs, tenant=theirs.tenant, code="secret")
    async with tab(channels(cold), secret) as page:
        await page.send({**execute("hello"), "id": str(row.pk)})
        assert (await page.until(lambda m: m.get("type") == "error"))["code"] == "id_taken"


async def test_too_many_are_refused(cold: Session, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreters.models.waiting.MOST", 2)
    async with tab(channels(cold), secret) as page:
        for code in ("one", "two", "three"):
            await page.send(execute(code))
        assert (await page.until(lambda m: m.get("type") == "error"))["code"] == "busy"


async def test_what_the_agent_does_not_take_is_told_with_its_reason(cold: Session, secret: str) -> None:
    run = {**execute("hello"), "context": "none"}
    async with tab(channels(cold), secret) as page:
        await page.send(run)
        await page.until(waits(1))
        await starts(cold)
        told = await page.until(lambda m: m.get("type") == "error")
    assert told["id"] == run["id"]
    row = await Execution.objects.aget(pk=run["id"])
    assert (row.status, row.reason) == ("aborted", told["message"])


def test_a_session_that_does_not_start_says_why_they_did_not_run(cold: Session, acme: Any) -> None:
    row = Execution.objects.create(session=cold, tenant=acme, code="hello", turn=1)
    cold.end(Reason.START_FAILED, "no")
    cold.tear_down(MemoryRuntime(), lambda _: None)
    row.refresh_from_db()
    assert (row.status, row.reason, row.outputs, row.turn) == ("aborted", Reason.START_FAILED.sentence, [], None)


async def test_a_cancel_that_crosses_the_handing_over_still_counts(cold: Session, secret: str, agents: Any) -> None:
    """It is taken out after it was sent and before it is confirmed: the agent is told."""
    runs = await ask(cold, secret, "forever", "two")
    await starts(cold)
    agent = agents[cold.pk]
    execute_op = agent.execute
    calls = 0

    async def cancel_meanwhile(request: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:  # both are in the agent's line by now
            await Execution.objects.filter(pk=runs[1]["id"]).aupdate(status="cancelled", turn=None)
        return await execute_op(request)

    agent.execute = cancel_meanwhile
    await handover.hand_over(agent, cold.pk)
    assert (await agent.record(UUID(runs[1]["id"]))).state == "cancelled"


@settings(max_examples=40)
@given(data=st.data(), count=st.integers(1, 6))
def test_no_interleaving_of_deliverers_reorders_or_repeats(data: st.DataObject, count: int) -> None:
    """Deliverers that begin, stop and die anywhere: what arrives is in order, and each once."""
    wanted = list(range(count))
    arrived: list[int] = []
    given_over: set[int] = set()

    def deliver() -> Any:
        offered = [n for n in wanted if n not in given_over]
        for n in offered:
            if n not in arrived:
                arrived.append(n)
            yield
        for n in offered:
            given_over.add(n)
            yield

    deliverers = [deliver() for _ in range(data.draw(st.integers(1, 4)))]
    while deliverers:
        one = data.draw(st.sampled_from(deliverers))
        dies = len(deliverers) > 1 and data.draw(st.integers(0, 9)) == 0
        if dies or next(one, "done") == "done":
            deliverers.remove(one)
    assert arrived == wanted[: len(arrived)]
    assert set(arrived) >= given_over


async def test_two_who_hand_over_at_once_change_nothing(cold: Session, secret: str, agents: Any) -> None:
    await ask(cold, secret, *[f"cell {n}" for n in range(12)])
    await starts(cold)
    await asyncio.gather(*(handover.hand_over(agents[cold.pk], cold.pk) for _ in range(3)))

    async def done() -> bool:
        return len(ran(agents[cold.pk])) >= 12

    await eventually(done)
    assert ran(agents[cold.pk]) == [f"cell {n}" for n in range(12)]
