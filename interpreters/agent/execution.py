"""One run of code: what was asked, and how far it is."""

import time
from dataclasses import dataclass, field
from typing import Any

from .errors import bad_request
from .messages import Json

MAX_CODE = 1 << 20  # bytes
FINAL = ("ok", "error", "aborted", "cancelled", "lost")


@dataclass(slots=True)
class Execution:
    id: str
    context: str
    code: str
    cell: str = ""
    silent: bool = False
    store_history: bool = True
    allow_stdin: bool = True
    stop_on_error: bool = True
    timeout: float | None = None
    request: Json | None = None  # a Jupyter client's own message, to be sent as it is

    state: str = "queued"
    execution_count: int | None = None
    queued_at: float = field(default_factory=time.time)
    started_at: float | None = None
    finished_at: float | None = None
    error: dict[str, str] | None = None
    reason: str | None = None

    begun: bool = False  # the kernel has taken up the code
    printed: bool = False
    settling: float | None = None  # the loop's time when reply and idle were here
    reply: Json | None = None
    idle: bool = False

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @classmethod
    def from_request(cls, context: str, body: Json) -> "Execution":
        """Check what a client sent. Raises Refusal."""
        execution, code = body.get("id"), body.get("code")
        if not isinstance(execution, str) or not 1 <= len(execution) <= 128 or not execution.isprintable():
            raise bad_request("`id` must be a text of 1 to 128 characters: choose a new one for every execution")
        if not isinstance(code, str):
            raise bad_request("`code` must be a text")
        if len(code) > MAX_CODE or len(code.encode("utf-8", "replace")) > MAX_CODE:
            raise bad_request("`code` is over 1 MiB: put it into a file and run that")
        cell, timeout = body.get("cell") or "", body.get("timeout")
        if not isinstance(cell, str) or len(cell) > 256:
            raise bad_request("`cell` must be a text of at most 256 characters")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0):
            raise bad_request("`timeout` must be a number of seconds above 0")
        made = cls(execution, context, code, cell, timeout=timeout)
        for name in ("silent", "store_history", "allow_stdin", "stop_on_error"):
            value = body.get(name)
            if value is None:
                continue
            if not isinstance(value, bool):
                raise bad_request(f"`{name}` must be true or false")
            setattr(made, name, value)
        return made

    def content(self) -> Json:
        """Of the execute_request."""
        return {
            "code": self.code,
            "silent": self.silent,
            "store_history": self.store_history and not self.silent,
            "user_expressions": {},
            "allow_stdin": self.allow_stdin,
            "stop_on_error": self.stop_on_error,
        }

    def describe(self, position: int) -> dict[str, Any]:
        """The content of an `execution_state` entry."""
        return {
            "state": self.state,
            "position": position,
            "execution_count": self.execution_count,
            "queued_at": self.queued_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "error": self.error,
            "reason": self.reason,
            "cell": self.cell,
        }

    def record(self, position: int) -> dict[str, Any]:
        return {"id": self.id, "context": self.context} | self.describe(position)
