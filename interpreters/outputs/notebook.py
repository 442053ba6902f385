"""From Jupyter's messages to outputs as nbformat 4.5 keeps them, within a bound."""

import math
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from django.conf import settings

from interpreters.client import Outputs
from interpreters.outputs.widgets import STATE, Widgets, shown_by


class _Header(msgspec.Struct):
    msg_type: str


class _Message(msgspec.Struct):
    header: _Header
    content: msgspec.Raw = msgspec.Raw(b"{}")
    buffers: list[str] = []


# Text that begins by going back draws over what the same stream drew before.
GOES_BACK = re.compile(r"\n*\r(?!\n)|\n*\x1b\[\d*A|\x08")
# The name in an output's metadata under which its display_id is kept.
DISPLAY = "thermae_display_id"
# The messages that widgets consist of.
COMMS = frozenset({"comm_open", "comm_msg", "comm_close"})
# The messages that leave something in a notebook.
KEPT = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error"})


class Notebook:
    """Outputs as a notebook keeps them. Fed with messages in order; holds at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self._outputs: list[dict[str, Any]] = []
        self._displays: dict[str, list[dict[str, Any]]] = {}
        # By display_id: what displays of other executions show now.
        self.elsewhere: dict[str, dict[str, Any]] = {}
        self.widgets = Widgets()
        self._asked: Mapping[str, Any] = {}
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
        kind, size = message.header.msg_type, len(memoryview(message.content))
        handle = getattr(self, f"_on_{kind}", None)
        if handle is not None or kind in COMMS:
            content = clean(msgspec.json.decode(message.content, type=dict[str, Any]))
            if handle is not None:
                handle(content, size)
            else:
                self._on_comm(kind, content, message.buffers)

    def outputs(self) -> list[dict[str, Any]]:
        """All of them, the text of each stream joined, and a note where something is missing."""
        left = self._left
        for output in self._outputs:
            if isinstance(output.get("text"), list):
                output["text"] = "".join(output["text"])
            elif widget := shown_by(output):
                state, size = self.widgets.state_of(widget, left)
                left -= size
                if state:
                    output["data"][STATE] = state
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
        self._stream_for(name, text).append(text)

    def _stream_for(self, name: str, text: str) -> list[str]:
        """The last output, if it is this stream; a progress bar finds its lines again behind the other stream."""
        for output in reversed(self._outputs):
            if output["output_type"] != "stream":
                break
            if output["name"] == name:
                return cast("list[str]", output["text"])
            if not GOES_BACK.match(text):
                break
        pieces: list[str] = []
        self._outputs.append({"output_type": "stream", "name": name, "text": pieces})
        return pieces

    def _on_display_data(self, content: Mapping[str, Any], size: int) -> None:
        self._show_display({"output_type": "display_data", **bundle(content)}, content, size)

    def _on_update_display_data(self, content: Mapping[str, Any], size: int) -> None:
        name = _display_id(content)
        if not name:
            return None
        if size > self._left:
            return self._drop(size)
        self._left -= size
        for shown in self._displays.get(name, ()):
            shown.update(bundle(content))
        if name not in self._displays:
            self.elsewhere[name] = bundle(content)
        return None

    def _on_execute_result(self, content: Mapping[str, Any], size: int) -> None:
        count = content.get("execution_count")
        counted = {"execution_count": count if isinstance(count, int) and count >= 0 else None}
        self._show_display({"output_type": "execute_result", **counted, **bundle(content)}, content, size)

    def _show_display(self, output: dict[str, Any], content: Mapping[str, Any], size: int) -> None:
        shown, name = self._show(output, size), _display_id(content)
        if shown and name:
            self._displays.setdefault(name, []).append(shown)

    def _on_comm(self, kind: str, content: Mapping[str, Any], buffers: list[str]) -> None:
        if kind == "comm_open":
            self.widgets.open(content, buffers)
        elif kind == "comm_msg":
            self.widgets.change(content, buffers)
        else:
            closed = str(content.get("comm_id", ""))
            self.widgets.close(closed)
            self._outputs = [output for output in self._outputs if not closed or shown_by(output) != closed]

    def _on_error(self, content: Mapping[str, Any], size: int) -> None:
        told = {name: str(content.get(name, "")) for name in ("ename", "evalue")}
        traceback = content.get("traceback")
        lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
        self._show({"output_type": "error", **told, "traceback": lines}, size)

    def _on_input_request(self, content: Mapping[str, Any], size: int) -> None:
        self._asked = content

    def _on_input_reply(self, content: Mapping[str, Any], size: int) -> None:
        """A kernel repeats neither what it asked nor what it was told: a notebook keeps both, but no password."""
        value = "••••" if self._asked.get("password") else str(content.get("value", ""))
        self._on_stream({"text": f"{self._asked.get('prompt', '')}{value}\n"}, size)
        self._asked = {}

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


def bundle(content: Mapping[str, Any]) -> dict[str, Any]:
    """`data` and `metadata` as the notebook format wants them, whatever a kernel sent.

    The format has no place for a display_id. Ours is the metadata, so that a later execution can still change what is
    shown.
    """
    data, metadata = content.get("data"), content.get("metadata")
    kept = {str(kind): _in_kind(str(kind), value) for kind, value in data.items()} if isinstance(data, dict) else {}
    about = dict(metadata) if isinstance(metadata, dict) else {}
    name = _display_id(content)
    return {"data": kept, "metadata": {**about, DISPLAY: name} if name else about}


def _in_kind(kind: str, value: Any) -> Any:
    base = kind.partition(";")[0]
    if base == "application/json" or base.endswith("+json") or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return value
    return msgspec.json.encode(value).decode()


def clean(value: Any) -> Any:
    """Without what no database keeps in JSON: NUL characters, and numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_notebook(answer: Outputs, limit: int | None = None) -> tuple[list[dict[str, Any]], bool]:
    """The outputs in nbformat 4.5, and whether something was cut, by the agent or by us."""
    notebook = read(answer, limit)
    return notebook.outputs(), notebook.cut_messages > 0


def read(answer: Outputs, limit: int | None = None) -> Notebook:
    """All that an agent tells of an execution's outputs."""
    notebook = Notebook(settings.MAX_SAVED_OUTPUT_BYTES if limit is None else limit)
    for raw in answer.raw:
        notebook.add(raw)
    notebook.cut_messages += max(0, answer.cut.get("messages", 0))
    notebook.cut_bytes += max(0, answer.cut.get("bytes", 0))
    return notebook


def shown_anew(outputs: list[dict[str, Any]], later: Notebook) -> bool:
    """Change among saved outputs the displays and the widgets that a later execution has; whether there were any."""
    changed = later.widgets.change_earlier(outputs)
    for output in outputs:
        now = later.elsewhere.get((output.get("metadata") or {}).get(DISPLAY, ""))
        if now is not None:
            output.update(now)
            changed = True
    return changed
