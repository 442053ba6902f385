"""Outputs kept by who follows them."""

from django.conf import settings

from interpreters.client import Entry, Outputs, wire
from interpreters.outputs.notebook import KEPT


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
        if entry.channel not in ("iopub", "stdin") or not self.whole:
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
