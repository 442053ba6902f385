"""From Jupyter's messages to a notebook's outputs, saved once."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import pytest
from django.utils import timezone

from interpreters import outputs
from interpreters.client import AgentUnavailable, Entry, Outputs, Record
from interpreters.client.memory import MemoryAgent
from interpreters.lifecycle import State
from interpreters.models import Execution, Session


def message(msg_type: str, **content: Any) -> bytes:
    return json.dumps({"seq": 1, "channel": "iopub", "header": {"msg_type": msg_type}, "content": content}).encode()


def out(text: str, name: str = "stdout") -> bytes:
    return message("stream", name=name, text=text)


def shown(text: str, msg_type: str = "display_data", display_id: str = "") -> bytes:
    transient = {"display_id": display_id} if display_id else {}
    return message(msg_type, data={"text/plain": text}, metadata={}, transient=transient)


def notebook(*raw: bytes, limit: int = 10_000, cut: dict[str, int] | None = None) -> list[dict[str, Any]]:
    answer = Outputs(Record(uuid4(), "default", "ok"), raw, cut or {})
    found, _ = outputs.to_notebook(answer, limit)
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.from_dict(output) for output in found])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    return found


def test_streams_are_joined_as_they_came() -> None:
    assert notebook(out("a\r"), out("b\n"), out("oh\n", "stderr"), out("c\n")) == [
        {"output_type": "stream", "name": "stdout", "text": "a\rb\n"},
        {"output_type": "stream", "name": "stderr", "text": "oh\n"},
        {"output_type": "stream", "name": "stdout", "text": "c\n"},
    ]


def test_what_is_no_output_leaves_none() -> None:
    others = ("status", "execute_input", "comm_open", "comm_msg", "debug_event", "iopub_welcome", "show", "drop", "")
    assert notebook(*(message(kind, execution_state="idle") for kind in others)) == []


def test_displays_results_and_errors() -> None:
    found = notebook(
        shown("picture"),
        message("execute_result", data={"text/plain": "2"}, metadata={}, execution_count=3),
        message("error", ename="ValueError", evalue="no", traceback=["line 1", "line 2"]),
    )
    assert found == [
        {"output_type": "display_data", "data": {"text/plain": "picture"}, "metadata": {}},
        {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 3},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["line 1", "line 2"]},
    ]


def test_a_display_is_updated_wherever_it_is_shown() -> None:
    found = notebook(
        shown("0 %", display_id="bar"),
        out("working\n"),
        shown("0 %", display_id="bar"),
        shown("50 %", "update_display_data", "bar"),
        shown("100 %", "update_display_data", "bar"),
        shown("nothing", "update_display_data", "other"),
    )
    assert [o.get("data", {}).get("text/plain") for o in found] == ["100 %", None, "100 %"]


def test_clear_output_clears_at_once_or_with_what_comes_next() -> None:
    assert notebook(out("a"), message("clear_output", wait=False)) == []
    assert notebook(out("a"), message("clear_output", wait=True))[0]["text"] == "a"
    assert [o["text"] for o in notebook(out("a"), message("clear_output", wait=True), out("b"))] == ["b"]
    gone = notebook(shown("x", display_id="d"), message("clear_output"), shown("y", "update_display_data", "d"))
    assert gone == []


def test_more_than_is_kept_is_cut_and_the_note_says_so() -> None:
    found = notebook(out("x" * 60), out("y" * 60), shown("z" * 60), out("end"), limit=100)
    assert found[0]["text"] == "x" * 60 + "y" * 40
    assert found[-1]["name"] == "stderr"
    assert "3 messages" in found[-1]["text"]
    assert sum(len(json.dumps(o)) for o in found) < 400


def test_what_the_agent_cut_is_noted_too() -> None:
    found = notebook(out("a"), cut={"messages": 7, "bytes": 900})
    assert "7 messages with 900 bytes" in found[-1]["text"]


def test_room_is_regained_by_clearing() -> None:
    found = notebook(out("x" * 200), message("clear_output"), out("y"), limit=100)
    assert found == [{"output_type": "stream", "name": "stdout", "text": "y"}]


def test_a_long_log_is_cut_quickly() -> None:
    """A flood costs the parsing of it, never its square."""
    raw = [out("x" * 10_000)] * 5_000
    began = time.perf_counter()
    notebook(*raw, limit=1_000_000)
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"text/html": 7, "application/json": {"a": [1]}, "x/y": ["a", 1]}, "metadata": []},
        {"data": "no", "metadata": {}},
        {"data": {"text/plain": None}, "metadata": None, "transient": 7},
        {"data": {"application/vnd.x+json": None}, "transient": {"display_id": [1]}},
        {},
    ],
)
def test_what_a_kernel_says_wrongly_is_made_right(content: dict[str, Any]) -> None:
    for kind in ("display_data", "execute_result", "update_display_data"):
        notebook(message(kind, **content))
    notebook(message("execute_result", execution_count="three", **content))


def test_errors_and_streams_of_the_wrong_shape() -> None:
    notebook(message("error", ename=1, evalue=None, traceback="no"), message("stream", name=7, text=None))


def test_what_no_database_keeps_is_replaced() -> None:
    found = notebook(
        out("a\0b"),
        message("display_data", data={"application/json": {"x\0": [1, "\0"]}}, metadata={}),
        b'{"header": {"msg_type": "display_data"}, "content": {"data": {"application/json": 1e999}}}',
    )
    assert "\\u0000" not in json.dumps(found)
    assert "Infinity" not in json.dumps(found)
    assert found[0]["text"] == "a\ufffdb"
    assert "1 messages" in found[-1]["text"]


# --- Gathering ---


def entry(raw: bytes, channel: str = "iopub") -> Entry:
    return Entry(1, channel, json.loads(raw)["header"]["msg_type"], "x", raw.decode())


def told(state: str) -> Entry:
    parent = {"msg_id": str(uuid4())}
    content = {"state": state, "position": 0, "execution_count": 3, "finished_at": 2.0, "cell": "c"}
    raw = {"context": "two", "parent_header": parent, "content": content}
    return Entry(1, "agent", "execution_state", parent["msg_id"], json.dumps(raw))


def gathered(*entries: Entry) -> Outputs | None:
    gathering = outputs.Gathering()
    for one in entries:
        gathering.add(one)
    return gathering.answer(told("ok"))


def test_what_was_gathered_is_what_the_agent_would_have_answered() -> None:
    answer = gathered(told("queued"), told("running"), entry(out("a")), entry(shown("b")), entry(out("c"), "shell"))
    assert answer is not None
    assert [o.get("text") for o in outputs.to_notebook(answer)[0]] == ["a", None]
    record = answer.record
    assert (record.state, record.context, record.execution_count, record.cell) == ("ok", "two", 3, "c")


def test_only_so_much_is_gathered_and_the_rest_is_counted(settings: Any) -> None:
    settings.MAX_SAVED_OUTPUT_BYTES = 1000
    answer = gathered(told("queued"), *[entry(out("x" * 400))] * 10)
    assert answer is not None
    assert len(answer.raw) < 10
    found, cut = outputs.to_notebook(answer)
    assert (len(found[0]["text"]), cut) == (1000, True)
    assert "8 messages" in found[-1]["text"]


@pytest.mark.parametrize(
    "entries",
    [
        [entry(out("half"))],
        [told("running"), Entry(5, "agent", "cut", "x", "{}"), entry(out("a"))],
        [told("running"), *[entry(out("x" * 900))] * 9, entry(message("clear_output")), entry(out("a"))],
    ],
    ids=["came late", "cut on the way", "cleared after too much"],
)
def test_who_may_have_missed_something_asks_the_agent(entries: list[Entry], settings: Any) -> None:
    settings.MAX_SAVED_OUTPUT_BYTES = 1000
    assert gathered(*entries) is None


# --- Saving ---


@pytest.fixture
def session(pool: Any, alice: Any, leased: Any) -> Session:
    found: Session = leased(alice)
    return found


def row(session: Session, **fields: Any) -> Execution:
    return Execution.objects.create(session=session, tenant=session.tenant, code="x", **fields)


def answer(execution: Execution, state: str = "ok", text: str = "hi", **fields: Any) -> Outputs:
    record = Record(execution.pk, "default", state, execution_count=1, started_at=1.0, finished_at=2.0)
    return Outputs(replace(record, **fields), [out(text)])


def test_the_first_who_saves_wins(session: Session) -> None:
    execution = row(session)
    assert outputs.store(session.pk, execution.pk, answer(execution))
    assert not outputs.store(session.pk, execution.pk, answer(execution, text="other"))
    execution.refresh_from_db()
    assert (execution.status, execution.execution_count) == ("ok", 1)
    assert execution.outputs == [{"output_type": "stream", "name": "stdout", "text": "hi"}]
    assert not execution.outputs_cut


def test_one_session_never_writes_anothers_execution(session: Session, charlie: Any, leased: Any) -> None:
    execution = row(leased(charlie, "theirs"))
    assert not outputs.store(session.pk, execution.pk, answer(execution))
    assert not outputs.store_lost(session.pk, execution.pk, "x")
    execution.refresh_from_db()
    assert (execution.outputs, execution.status) == (None, "queued")


@pytest.mark.parametrize("number", [float("inf"), 1e300, -1e300, float("nan")])
def test_times_that_make_no_sense_are_none(session: Session, number: float) -> None:
    execution = row(session)
    outputs.store(session.pk, execution.pk, answer(execution, started_at=number, finished_at=number))
    execution.refresh_from_db()
    assert execution.started_at is None
    assert execution.finished_at is not None


def test_an_end_in_the_future_is_now(session: Session) -> None:
    execution = row(session)
    outputs.store(session.pk, execution.pk, answer(execution, finished_at=time.time() + 9999))
    execution.refresh_from_db()
    assert execution.finished_at is not None
    assert execution.finished_at <= timezone.now()


def test_an_end_counts_as_use(session: Session) -> None:
    long_ago = timezone.now() - timezone.timedelta(hours=1)
    Session.objects.filter(pk=session.pk).update(last_used_at=long_ago)
    execution = row(session)
    outputs.store(session.pk, execution.pk, answer(execution, finished_at=time.time()))
    session.refresh_from_db()
    assert session.last_used_at is not None
    assert (timezone.now() - session.last_used_at).total_seconds() < 10


def test_outputs_that_are_no_json_are_cut(session: Session) -> None:
    execution = row(session)
    outputs.store(session.pk, execution.pk, replace(answer(execution), raw=[b"{nonsense"]))
    execution.refresh_from_db()
    assert (execution.status, len(execution.outputs), execution.outputs_cut) == ("ok", 1, True)


def test_teardown_collects_what_is_left(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    done, running, forgotten = row(session), row(session), row(session)
    answers = {done.pk: answer(done), running.pk: answer(running, "running", "half")}

    async def told(self: MemoryAgent, execution: Any) -> Outputs:
        if execution not in answers:
            raise AgentUnavailable("gone")
        return answers[execution]

    monkeypatch.setattr(MemoryAgent, "outputs", told)
    outputs.collect_sync(session.pk)
    for execution in (done, running, forgotten):
        execution.refresh_from_db()
    assert [e.status for e in (done, running, forgotten)] == ["ok", "lost", "lost"]
    assert [e.outputs[0]["text"] for e in (done, running)] == ["hi", "half"]
    assert forgotten.outputs == []
    assert running.reason


def test_teardown_does_not_wait_for_an_agent_that_stalls(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreters.outputs.saving.COLLECT", 0.1)
    executions = [row(session) for _ in range(3)]
    outputs_of = MemoryAgent.outputs

    async def stall(self: MemoryAgent, execution: Any) -> Outputs:
        self.delay = 60
        return await outputs_of(self, execution)

    monkeypatch.setattr(MemoryAgent, "outputs", stall)
    began = time.monotonic()
    outputs.collect_sync(session.pk)
    assert time.monotonic() - began < 2
    assert {e.status for e in Execution.objects.filter(pk__in=[e.pk for e in executions])} == {"lost"}
    assert Session.objects.get(pk=session.pk).state == State.LEASED


# --- The same as the page makes of them ---

SEQUENCES = json.loads((Path(__file__).resolve().parents[2] / "frontend/src/outputs/sequences.json").read_text())


def in_short(output: dict[str, Any]) -> Any:
    """An output in the short form of sequences.json."""
    if output["output_type"] == "stream":
        return [output["name"], output["text"]]
    return f"{output['ename']}: {output['evalue']}" if output["output_type"] == "error" else output["data"]


@pytest.mark.parametrize("case", SEQUENCES, ids=lambda case: case["name"])
def test_a_sequence_is_saved_as_the_page_shows_it(case: dict[str, Any], session: Session) -> None:
    raw: dict[str, list[bytes]] = {}
    for execution, msg_type, content in case["messages"]:
        raw.setdefault(execution, []).append(message(msg_type, **content))
    rows = {}
    for name, messages in raw.items():  # one after the other, as they ran
        row = rows[name] = Execution.objects.create(session=session, tenant_id=session.tenant_id, code="x")
        assert outputs.store(session.pk, row.pk, Outputs(Record(row.pk, "default", "ok"), messages))
    for name, wanted in case["outputs"].items():
        rows[name].refresh_from_db()
        found = [in_short(output) for output in rows[name].outputs]
        # A text is kept as it was printed: where it is drawn otherwise, that comes third.
        kept = [[each[0], each[-1]] if isinstance(each, list) else each for each in wanted]
        assert found == kept, name
