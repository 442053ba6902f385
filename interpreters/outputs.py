"""An execution's outputs: from Jupyter's messages to nbformat 4.5, and into the database, once.

Whoever sees an execution end saves it: the follower of a tab, the next reader, or the worker that tears its session
down. The first one wins, by one conditional UPDATE.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from interpreters import client
from interpreters.client import Agent, AgentError, Entry, Outputs, Record, wire
from interpreters.lifecycle import State
from interpreters.models import Execution, Session
from interpreters.models.threads import in_thread

logger = logging.getLogger(__name__)

# An execution's start is noted as a use of its session; so is its end, if it is this much later.
NOTED = timedelta(seconds=5)
# Seconds that a session's last outputs may take when it is torn down.
COLLECT = 15.0
LOST_WITH_SANDBOX = "its sandbox ended first"


class _Header(msgspec.Struct):
    msg_type: str


class _Message(msgspec.Struct):
    header: _Header
    content: msgspec.Raw = msgspec.Raw(b"{}")


# The messages that leave something in a notebook.
KEPT = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error"})


class Notebook:
    """Outputs as a notebook keeps them. Fed with messages in order; holds at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self._outputs: list[dict[str, Any]] = []
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._clear = False
        self.cut_messages = self.cut_bytes = 0

    def add(self, raw: str | bytes | msgspec.Raw) -> None:
        """Take one message. One that makes no sense is counted as cut."""
        try:
            self._add(raw)
        except (msgspec.DecodeError, RecursionError):
            self._drop(len(raw) if isinstance(raw, str) else len(memoryview(raw)))

    def _add(self, raw: str | bytes | msgspec.Raw) -> None:
        message = msgspec.json.decode(raw, type=_Message)
        handle = getattr(self, f"_on_{message.header.msg_type}", None)
        if handle is not None:
            size = len(memoryview(message.content))
            handle(_clean(msgspec.json.decode(message.content, type=dict[str, Any])), size)

    def outputs(self) -> list[dict[str, Any]]:
        """All of them, the text of each stream joined, and a note where something is missing."""
        for output in self._outputs:
            if isinstance(output.get("text"), list):
                output["text"] = "".join(output["text"])
        if not self.cut_messages:
            return self._outputs
        note = f"[{self.cut_messages} messages with {self.cut_bytes} bytes of output were not kept]\n"
        return [*self._outputs, {"output_type": "stream", "name": "stderr", "text": note}]

    # --- one method for each type of message; what has none is no output ---

    def _on_stream(self, content: Mapping[str, Any], size: int) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = str(content.get("text", ""))
        self._cleared()
        if len(text) > self._left:
            self._drop(len(text) - self._left)
            text = text[: self._left]
        if not text:
            return
        self._left -= len(text)
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"].append(text)
        else:
            self._outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def _on_display_data(self, content: Mapping[str, Any], size: int) -> None:
        shown = self._show({"output_type": "display_data", **_bundle(content)}, size)
        name = _display_id(content)
        if shown and name:
            self._displays.setdefault(name, []).append(shown)

    def _on_update_display_data(self, content: Mapping[str, Any], size: int) -> None:
        if size > self._left:
            return self._drop(size)
        for shown in self._displays.get(_display_id(content), ()):
            self._left -= size
            shown.update(_bundle(content))
        return None

    def _on_execute_result(self, content: Mapping[str, Any], size: int) -> None:
        count = content.get("execution_count")
        counted = {"execution_count": count if isinstance(count, int) and count >= 0 else None}
        shown = self._show({"output_type": "execute_result", **counted, **_bundle(content)}, size)
        name = _display_id(content)
        if shown and name:
            self._displays.setdefault(name, []).append(shown)

    def _on_error(self, content: Mapping[str, Any], size: int) -> None:
        told = {name: str(content.get(name, "")) for name in ("ename", "evalue")}
        traceback = content.get("traceback")
        lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
        self._show({"output_type": "error", **told, "traceback": lines}, size)

    def _on_clear_output(self, content: Mapping[str, Any], size: int) -> None:
        self._clear = True
        if not content.get("wait"):
            self._cleared()

    def _show(self, output: dict[str, Any], size: int) -> dict[str, Any] | None:
        self._cleared()
        if size > self._left:
            self._drop(size)
            return None
        self._left -= size
        self._outputs.append(output)
        return output

    def _cleared(self) -> None:
        if self._clear:
            self._clear, self._left = False, self._limit
            self.cut_messages = self.cut_bytes = 0
            self._outputs.clear()
            self._displays.clear()

    def _drop(self, size: int) -> None:
        self.cut_messages += 1
        self.cut_bytes += size


def _display_id(content: Mapping[str, Any]) -> str:
    transient = content.get("transient")
    name = transient.get("display_id") if isinstance(transient, dict) else None
    return name if isinstance(name, str) else ""


def _bundle(content: Mapping[str, Any]) -> dict[str, Any]:
    """`data` and `metadata` as the notebook format wants them, whatever a kernel sent."""
    data, metadata = content.get("data"), content.get("metadata")
    kept = {str(kind): _in_kind(str(kind), value) for kind, value in data.items()} if isinstance(data, dict) else {}
    return {"data": kept, "metadata": metadata if isinstance(metadata, dict) else {}}


def _in_kind(kind: str, value: Any) -> Any:
    base = kind.partition(";")[0]
    if base == "application/json" or base.endswith("+json") or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return value
    return msgspec.json.encode(value).decode()


def _clean(value: Any) -> Any:
    """Without what no database keeps in JSON: NUL characters, and numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Gathering:
    """What an execution puts out, kept by the reader that started it, so that its agent need not be asked again.

    Holds what a notebook may hold and counts the rest. `whole` is False where that is not enough to save it by.
    """

    def __init__(self) -> None:
        self.whole, self._begun = True, False
        self._raw: list[str] = []
        self._left = settings.MAX_SAVED_OUTPUT_BYTES
        self._cut = {"messages": 0, "bytes": 0}

    def add(self, entry: Entry) -> None:
        if not self._begun:
            # Who comes later than its state of `queued` or `running` may have missed something.
            self._begun, self.whole = True, entry.msg_type == "execution_state"
        if entry.msg_type == "cut" and entry.channel == "agent":
            self.whole = False
        if entry.channel != "iopub" or not self.whole:
            return
        if self._left > 0:
            # Of an entry of usual size some 400 bytes are no output; of a small one never more than three quarters.
            self._left -= max(len(entry.raw) // 4, len(entry.raw) - 400)
            self._raw.append(entry.raw)
        elif entry.msg_type == "clear_output":
            self.whole = False  # what comes after it was to be kept
        elif entry.msg_type in KEPT:
            self._cut["messages"] += 1
            self._cut["bytes"] += len(entry.raw)

    def answer(self, end: Entry) -> Outputs | None:
        """All of it, with the record that `end` tells; None if the agent must be asked after all."""
        return Outputs(wire.told_record(end), self._raw, self._cut) if self.whole else None


def to_notebook(answer: Outputs, limit: int | None = None) -> tuple[list[dict[str, Any]], bool]:
    """The outputs in nbformat 4.5, and whether something was cut, by the agent or by us."""
    notebook = Notebook(settings.MAX_SAVED_OUTPUT_BYTES if limit is None else limit)
    for raw in answer.raw:
        notebook.add(raw)
    notebook.cut_messages += max(0, answer.cut.get("messages", 0))
    notebook.cut_bytes += max(0, answer.cut.get("bytes", 0))
    return notebook.outputs(), notebook.cut_messages > 0


# --- Saving ---


def facts(record: Record) -> dict[str, Any]:
    """An agent's record as fields of an Execution."""
    count = record.execution_count
    return {
        "status": record.state,
        "reason": _clean(record.reason or "")[:200],
        "execution_count": count if count is not None and 0 <= count < 2**31 else None,
        "started_at": _moment(record.started_at),
        "finished_at": _moment(record.finished_at),
    }


def store(session: UUID, execution: UUID, answer: Outputs) -> bool:
    """Write a finished execution of this session down. False if somebody else did before, or it has no such row.

    The session is asked for, because ids come from callers: one sandbox must never write another's execution.
    """
    outputs, cut = to_notebook(answer)
    fields = facts(answer.record)
    now = timezone.now()
    end = fields["finished_at"] = min(fields["finished_at"] or now, now)
    if end - (fields["started_at"] or end) > NOTED:
        leased = Session.objects.filter(pk=session, state=State.LEASED, last_used_at__lt=end)
        leased.update(last_used_at=end)
    unsaved = Execution.objects.filter(pk=execution, session=session, outputs__isnull=True)
    return unsaved.update(outputs=outputs, outputs_cut=cut, **fields) == 1


def store_lost(session: UUID, execution: UUID, reason: str) -> bool:
    """Write down that nothing is left of an execution."""
    unsaved = Execution.objects.filter(pk=execution, session=session, outputs__isnull=True)
    lost = {"status": Execution.Status.LOST, "reason": reason[:200], "finished_at": timezone.now()}
    return unsaved.update(outputs=[], **lost) == 1


async def save(agent: Agent, session: UUID, execution: UUID) -> bool:
    """Save a finished execution's outputs. False if it still runs or was saved before. Raises AgentError."""
    answer = await agent.outputs(execution)
    return answer.record.final and await in_thread(store)(session, execution, answer)


@in_thread
@transaction.atomic
def store_many(session: UUID, answers: Mapping[UUID, Outputs]) -> None:
    """Write many at once."""
    for execution, answer in answers.items():
        store(session, execution, answer)


def collect_sync(session: UUID) -> None:
    """For a worker that tears a session down: save what is finished as it is, the rest as lost with what it said."""
    deadline = time.monotonic() + COLLECT
    for execution in _unsaved(session):
        left = deadline - time.monotonic()
        answer = client.ask(session, lambda agent, e=execution, s=left: _last(agent, e, s))  # type: ignore[misc]
        _store_last(session, execution, answer)


async def _last(agent: Agent, execution: UUID, seconds: float) -> Outputs | None:
    """What the agent still has of it, unless it is gone or takes too long."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await agent.outputs(execution)
    except (AgentError, TimeoutError) as error:
        logger.info("execution %s: nothing to save: %s", execution, error)
        return None


def _unsaved(session: UUID) -> list[UUID]:
    rows = Execution.objects.filter(session=session, outputs__isnull=True)
    return list(rows.order_by("queued_at").values_list("pk", flat=True))


def _store_last(session: UUID, execution: UUID, answer: Outputs | None) -> None:
    if answer is None:
        store_lost(session, execution, LOST_WITH_SANDBOX)
        return
    if not answer.record.final:
        lost = replace(answer.record, state=Execution.Status.LOST.value, reason=LOST_WITH_SANDBOX)
        answer = replace(answer, record=lost)
    store(session, execution, answer)


def _moment(seconds: float | None) -> datetime | None:
    """A time that an agent claims; nonsense is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None
