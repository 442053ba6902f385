"""WebSockets, by a tab's behaviour."""

import asyncio
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from interpreters.client import AgentMisbehaved
from interpreters.lifecycle import Phase, Reason, State
from interpreters.models import Execution, Session
from interpreters.sessions import following, lingering, record
from tenants.models import AuditEvent, Tenant
from tests.edges import channels, ended, error, eventually, execute, state, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(alice: Any, token: Any) -> str:
    return str(token(alice))


# --- Running code ---


async def test_a_cell_runs_and_is_saved(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        first = await page.receive()
        assert first is not None
        assert (first["type"], first["state"]) == ("state", "leased")
        assert first["expires_at"] > timezone.now().timestamp()
        run = execute("hello", cell="c1")
        await page.send(run)
        await page.until(ended(run["id"]))
    entries = [m for m in page.messages if "seq" in m]
    assert [e["seq"] for e in entries] == list(range(1, len(entries) + 1))
    assert [e["content"]["text"] for e in entries if e["header"]["msg_type"] == "stream"] == ["hello\n"]

    async def saved() -> Any:
        return await Execution.objects.filter(pk=run["id"], outputs__isnull=False).afirst()

    row = await eventually(saved)
    assert (row.status, row.cell, row.tenant_id) == ("ok", "c1", mine.tenant_id)
    assert row.outputs == [{"output_type": "stream", "name": "stdout", "text": "hello\n"}]


async def test_a_reloaded_tab_misses_nothing(mine: Session, secret: str) -> None:
    run = execute("hello")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        last = await page.until(ended(run["id"]))
    middle = last["seq"] // 2
    async with tab(channels(mine, middle), secret) as again:
        await again.until(ended(run["id"]))
    assert [m["seq"] for m in again.messages if "seq" in m] == list(range(middle + 1, last["seq"] + 1))


async def test_two_tabs_see_the_same(mine: Session, secret: str) -> None:
    run = execute("hello")
    async with tab(channels(mine), secret) as one, tab(channels(mine), secret) as two:
        await one.send(run)
        assert (await one.until(ended(run["id"])))["seq"] == (await two.until(ended(run["id"])))["seq"]


async def test_a_tab_that_sends_a_cell_again_runs_it_once(mine: Session, secret: str) -> None:
    run = execute("hello")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        await page.until(ended(run["id"]))
        await page.send(run)
        other = execute("1+1")
        await page.send(other)
        assert (await page.until(ended(other["id"])))["content"]["execution_count"] == 2


async def test_a_widget_speaks_with_its_kernel(mine: Session, secret: str) -> None:
    said = {"comm_id": "c1", "data": {"method": "update", "state": {"value": 7}}}
    async with tab(channels(mine), secret) as page, tab(channels(mine), secret) as other:
        await page.send({"type": "comm", "id": "run-1:ab:1", "msg_type": "comm_msg", "content": said})
        for each in (page, other):
            echo = await each.until(lambda m: m.get("header", {}).get("msg_type") == "comm_msg")
            assert (echo["parent_header"]["msg_id"], echo["content"]) == ("run-1:ab:1", said)
        await page.send({"type": "comm", "msg_type": "comm_close", "content": {"comm_id": "c1"}})
        named = await page.until(lambda m: m.get("header", {}).get("msg_type") == "comm_close")
        assert named["parent_header"]["msg_id"].startswith("comm:")


@pytest.mark.parametrize(
    "wrong",
    [
        {"msg_type": "execute_request"}, {"msg_type": "shutdown_request"}, {"content": "x"}, {"content": [1]},
        {"id": "x" * 129},
        {"id": str(uuid4())}, {"id": "a:b\n"}, {"id": 5}, {"context": "../x"},
    ],
)  # fmt: skip
async def test_nothing_but_a_widget_s_message_goes_to_the_kernel(
    mine: Session, secret: str, wrong: dict[str, Any]
) -> None:
    async with tab(channels(mine), secret) as page:
        await page.send({"type": "comm", "id": "a:1", "msg_type": "comm_msg", "content": {}, **wrong})
        assert (await page.until(error()))["message"]
        assert not [m for m in page.messages if m.get("header", {}).get("msg_type", "").startswith("comm")]


async def test_an_interrupt_does_not_wait_behind_output(mine: Session, secret: str) -> None:
    run = execute("forever")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        await page.until(lambda m: m.get("content", {}).get("state") == "running")
        await page.send({"type": "interrupt"})
        assert (await page.until(ended(run["id"])))["content"]["state"] == "error"


async def test_cancel_and_restart(mine: Session, secret: str) -> None:
    running, waiting = execute("forever"), execute("hello")
    async with tab(channels(mine), secret) as page:
        await page.send(running)
        await page.until(lambda m: m.get("content", {}).get("state") == "running")
        await page.send(waiting)
        await page.send({"type": "cancel", "id": waiting["id"]})
        assert (await page.until(ended(waiting["id"])))["content"]["state"] == "cancelled"
        await page.send({"type": "restart"})
        assert (await page.until(ended(running["id"])))["content"]["state"] == "aborted"


async def test_input_is_asked_for_and_given(mine: Session, secret: str) -> None:
    run = execute("ask")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        asked = await page.until(lambda m: m.get("header", {}).get("msg_type") == "input_request")
        assert (asked["channel"], asked["content"]["prompt"]) == ("stdin", "name? ")
        await page.send({"type": "input", "value": "Ada"})
        await page.until(ended(run["id"]))
    assert any(m.get("content", {}).get("text") == "you said Ada\n" for m in page.messages)


async def test_questions_to_the_kernel_are_answered(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        for verb in ("complete", "inspect", "is_complete"):
            await page.send({"type": verb, "id": verb, "code": "pri", "cursor_pos": 3})
            reply = await page.until(lambda m: m.get("type") == "reply")
            assert (reply["id"], bool(reply["content"])) == (verb, True)
        await page.send({"type": "ask", "id": "q", "about": "variables", "arguments": {}})
        asked = await page.until(lambda m: m.get("type") == "reply" and m["id"] == "q")
        assert [row["name"] for row in asked["content"]["variables"]] == ["x"]
        await page.send({"type": "complete", "id": "far", "code": "pri", "cursor_pos": 4})
        assert (await page.until(error()))["id"] == "far"


async def test_what_the_agent_refuses_is_told_by_its_id(mine: Session, secret: str) -> None:
    run = execute("hello", context="none")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        refused = await page.until(error("no_such_context"))
        assert refused["id"] == run["id"]

        async def forgotten() -> bool:
            return not await Execution.objects.filter(pk=run["id"]).aexists()

        await eventually(forgotten)


async def test_an_id_of_somebody_elses_execution_stays_theirs(
    mine: Session, secret: str, leased: Any, charlie: Any
) -> None:
    theirs = await sync_to_async(leased)(charlie, "theirs")
    row = await Execution.objects.acreate(session=theirs, tenant=theirs.tenant, code="secret")
    await Tenant.objects.aupdate(record_code=True)
    run = {**execute("forever"), "id": str(row.pk)}
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        assert (await page.until(error()))["code"] == "id_taken"
        stopped = await page.until(ended(run["id"]))
        assert stopped["content"]["state"] != "ok", "nothing runs without a row"
        await record.save(mine.pk, row.pk)
    [told] = [event async for event in AuditEvent.objects.filter(action="code.run")]
    assert (told.tenant_id, told.why) == (mine.tenant_id, "forever")
    await row.arefresh_from_db()
    assert (row.code, row.outputs, row.status, row.session_id) == ("secret", None, "queued", theirs.pk)


@pytest.mark.parametrize("before", ["harmless", "forever"])
async def test_an_id_that_was_taken_out_runs_nothing_later(mine: Session, secret: str, before: str) -> None:
    row = Execution(session=mine, tenant=mine.tenant, code=before, status="cancelled", outputs=[])
    await row.asave(force_insert=True)
    async with tab(channels(mine), secret) as page:
        await page.send({**execute("forever"), "id": str(row.pk)})
        assert (await page.until(error()))["code"] == "id_taken"
        assert (await page.until(ended(str(row.pk))))["content"]["state"] != "ok"


async def test_what_a_tab_started_is_saved_whole_though_it_is_closed(
    mine: Session, secret: str, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks the agent for it later: it may have been cut from its log by then."""
    agents[mine.pk].scripts["slow"] = lambda run: run.sleep(0.3)
    monkeypatch.setattr("interpreters.outputs.saving.save", None)
    run, last = execute("slow"), execute("hello")
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        await page.send(last)
        await page.until(lambda m: m.get("header", {}).get("msg_type") == "execution_state")

    async def saved() -> Any:
        return await Execution.objects.filter(pk=last["id"], outputs__isnull=False).afirst()

    row = await eventually(saved)
    assert (row.status, row.outputs[0]["text"]) == ("ok", "hello\n")
    await eventually(lambda: asyncio.sleep(0, not lingering._readers))


async def test_usage_is_told_while_watched(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        await page.send({"type": "watch_usage", "on": True})
        usage = await page.until(lambda m: m.get("type") == "usage")
        assert usage["memory_limit"] > usage["memory"] > 0
        await page.send({"type": "watch_usage", "on": False})
        await page.send({"type": "ping"})
        await page.until(lambda m: m.get("type") == "pong")


# --- The session's own life ---


async def test_a_start_shows_its_phases_and_then_runs_what_waited(
    alice: Any, secret: str, pool: Any, agents: Any
) -> None:
    tenant = (await alice.memberships.select_related("tenant").aget()).tenant
    lease = await sync_to_async(pool.lease)(tenant, alice, "cold")
    session = lease.session
    run = execute("echo me")
    async with tab(channels(session), secret) as page:
        queued = await page.until(state("starting"))
        assert (queued["phase"], queued["position"]) == ("queued", 1)
        await page.send(run)
        move = sync_to_async(session.move)
        await move(State.STARTING, State.STARTING, phase=Phase.CREATING)
        assert (await page.until(state("starting")))["phase"] == "creating"
        now = timezone.now()
        await move(State.STARTING, State.LEASED, phase="", leased_at=now, last_used_at=now)
        await page.until(state("leased"))
        assert (await page.until(ended(run["id"])))["content"]["state"] == "ok"


async def test_phases_are_seen_without_notices(
    alice: Any, secret: str, pool: Any, agents: Any, quick_looks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is away: rows are looked at instead."""

    class Broken:
        async def new_channel(self) -> str:
            raise ConnectionError("no Redis")

        async def group_send(self, *_: Any) -> None:
            raise ConnectionError("no Redis")

    monkeypatch.setattr(following, "get_channel_layer", Broken)
    monkeypatch.setattr("interpreters.notices.get_channel_layer", Broken)
    tenant = (await alice.memberships.select_related("tenant").aget()).tenant
    session = (await sync_to_async(pool.lease)(tenant, alice, "cold")).session
    async with tab(channels(session), secret) as page:
        await page.until(state("starting"))
        now = timezone.now()
        await sync_to_async(session.move)(State.STARTING, State.LEASED, phase="", leased_at=now, last_used_at=now)
        await page.until(state("leased"))


async def test_the_end_is_told_with_its_reason(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        await page.until(state("leased"))
        await sync_to_async(mine.end)(Reason.COOLDOWN)
        await page.until(state("stopping"))
        await sync_to_async(mine.move)(State.STOPPING, State.GONE, ended_at=timezone.now())
        gone = await page.until(state("gone"))
        assert gone["reason"] == "cooldown"
        assert "idle" in gone["message"]
        assert await page.closed() == 4409


async def test_a_session_that_is_gone_says_so_and_closes(mine: Session, secret: str) -> None:
    await sync_to_async(mine.end)(Reason.OUT_OF_MEMORY, "exit code 137")
    await sync_to_async(mine.move)(State.STOPPING, State.GONE)
    async with tab(channels(mine), secret) as page:
        gone = await page.until(state("gone"))
        assert (gone["reason"], gone["detail"]) == ("out_of_memory", "exit code 137")
        assert await page.closed() == 4409


async def test_a_tab_keeps_alive_and_closes_its_session(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        first = await page.until(state("leased"))
        await page.send({"type": "keep_alive"})
        assert (await page.until(state("leased")))["expires_at"] > first["expires_at"]
        await page.send({"type": "close"})
        assert (await page.until(state("stopping")))["reason"] == "closed"
        await page.send(execute("hello"))
        await page.until(error("session_ended"))


async def test_a_broken_line_to_the_agent_is_mended(
    mine: Session, secret: str, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LINE_RETRY", 0.01)
    agents[mine.pk].gone = True
    async with tab(channels(mine), secret) as page:
        await page.until(state("leased"))
        run = execute("hello")
        await page.send(run)
        agents[mine.pk].gone = False
        await page.until(ended(run["id"]))


async def test_an_agent_that_misbehaves_costs_its_session(mine: Session, secret: str, agents: Any) -> None:
    agents[mine.pk].fault = AgentMisbehaved("nonsense")
    async with tab(channels(mine), secret) as page:
        stopping = await page.until(state("stopping"))
        assert (stopping["reason"], bool(stopping["message"])) == ("misbehaved", True)


# --- Bad input ---


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        "7",
        "{}",
        '{"type": "explode"}',
        '{"type": 7}',
        '{"type": "execute", "code": "x"}',
        '{"type": "execute", "id": "x", "code": "x"}',
        '{"type": "execute", "id": "6e6b6b6e-0000-4000-8000-000000000000", "code": 7}',
        '{"type": "input", "value": null}',
        '{"type": "watch_usage", "on": "yes"}',
        '{"type": "complete", "id": "a", "code": "x", "cursor_pos": -1}',
        '{"type": "ask", "id": "a", "about": "../etc"}',
        '{"type": "ask", "id": "a", "about": "table", "arguments": [1]}',
        '{"type": "interrupt", "context": "../etc"}',
        "[" * 5000,
    ],
)
async def test_a_bad_message_is_told_what_is_wrong(mine: Session, secret: str, frame: str) -> None:
    async with tab(channels(mine), secret) as page:
        await page.send_text(frame)
        assert (await page.until(error()))["message"]
        await page.send({"type": "ping"})
        await page.until(lambda m: m.get("type") == "pong")


async def test_a_database_that_is_away_keeps_nobody_from_running_code(
    mine: Session, secret: str, quick_looks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tab(channels(mine), secret) as page:
        await page.until(state("leased"))

        def away(*_: Any, **__: Any) -> None:
            raise OperationalError("no database")

        monkeypatch.setattr("interpreters.consumers.socket.identify", away)
        monkeypatch.setattr(Execution.objects, "create", away)
        run = execute("hello")
        await page.send(run)
        messages = [await page.until(lambda m: error("not_kept")(m) or ended(run["id"])(m)) for _ in range(2)]
        assert {m.get("code", "ended") for m in messages} == {"not_kept", "ended"}


async def test_bytes_are_no_messages(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        await page.send_bytes(b"\x00\x01")
        await page.until(error("bad_message"))


async def test_who_makes_only_mistakes_is_sent_away(mine: Session, secret: str) -> None:
    async with tab(channels(mine), secret) as page:
        for _ in range(30):
            await page.send_text("not json")
        assert await page.closed() == 4400


async def test_a_frame_over_its_limit_closes(mine: Session, secret: str, settings: Any) -> None:
    settings.MAX_FRAME_BYTES = 1000
    async with tab(channels(mine), secret) as page:
        await page.send_text("x" * 1001)
        assert await page.closed() == 4413


async def test_code_over_its_limit_is_told(mine: Session, secret: str, settings: Any) -> None:
    settings.MAX_CODE_BYTES = 100
    run = execute("x" * 101)
    async with tab(channels(mine), secret) as page:
        await page.send(run)
        refused = await page.until(error("too_large"))
        assert refused["id"] == run["id"]
    assert not await Execution.objects.aexists()


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 20, "9" * 5000, "٣"])
async def test_an_after_that_is_no_number_closes(mine: Session, secret: str, after: str) -> None:
    async with tab(f"/ws/sessions/{mine.pk}/channels?after={quote(after)}", secret) as page:
        assert await page.closed() == 4400


async def test_too_many_questions_at_once_are_told(mine: Session, secret: str, agents: Any) -> None:
    agents[mine.pk].delay = 0.2
    async with tab(channels(mine), secret) as page:
        for number in range(40):
            await page.send({"type": "complete", "id": str(number), "code": "pri", "cursor_pos": 3})
        busy = await page.until(error("busy"))
        assert busy["id"]


async def test_a_slow_tab_holds_back_the_log_and_nobody_else(mine: Session, secret: str, agents: Any) -> None:
    """Each frame is sent only when the one before was taken: nothing is kept for a tab that does not read."""
    from interpreters.consumers.channels import Channels

    log = agents[mine.pk].log
    for _ in range(200):
        log.append("iopub", "stream", {"name": "stdout", "text": "x"}, "", "default")
    taken: list[Any] = []
    stuck = asyncio.Event()

    async def send(event: dict[str, Any]) -> None:
        taken.append(event)
        if len(taken) > 5:
            await stuck.wait()

    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    inbox.put_nowait({"type": "websocket.connect"})
    scope = {
        "type": "websocket",
        "headers": [(b"authorization", f"Bearer {secret}".encode())],
        "query_string": b"after=0",
        "subprotocols": [],
        "url_route": {"kwargs": {"session": mine.pk}},
    }
    task = asyncio.create_task(Channels.app(scope, inbox.get, send))

    async def filled() -> bool:
        return len(taken) > 5

    await eventually(filled)
    await asyncio.sleep(0.05)
    assert len(taken) <= 8
    inbox.put_nowait({"type": "websocket.disconnect"})
    await asyncio.wait_for(task, 5)
