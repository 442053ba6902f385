"""What goes in and out, for the reader of the interactive page too."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from interpreters.models import Execution, SessionPool


class Error(Schema):
    error: str = Field(description="A code for programs.")
    message: str = Field(description="What to do.")


class Pool(Schema):
    name: str
    language: str
    kernel: str
    ready: int = Field(description="Instances that can be had at once.")
    starting: int
    leased: int
    max: int = Field(description="Sandboxes that may be alive at the same time.")
    cooldown: int = Field(description="Seconds of idleness after which a session ends.")
    max_alive: int = Field(description="Seconds from lease to the hard end.")
    cpu: float
    memory: int = Field(description="MiB")
    disk: int = Field(description="MiB")

    @classmethod
    def of(cls, pool: SessionPool) -> "Pool":
        counts = {name: getattr(pool, name) for name in ("ready", "starting", "leased")}
        limits = {name: getattr(pool, name) for name in ("cooldown", "max_alive", "cpu", "memory", "disk")}
        image = pool.image
        return cls(
            name=pool.name, language=image.language, kernel=image.kernel, max=pool.max_concurrent, **counts, **limits
        )


class Open(Schema):
    pool: str = Field(examples=["python"])
    identifier: str = Field(
        description="Your own name for the session. Asking again with the same one gives the same session.",
        examples=["chat-42"],
    )


class Session(Schema):
    id: UUID
    pool: str
    language: str
    identifier: str
    state: Literal["starting", "leased", "stopping", "gone"]
    phase: str = Field(description="While starting: queued, creating or starting kernel.")
    position: int = Field(description="Its place in the queue of launches; 0 when it is in none.")
    created_at: float = Field(description="Seconds since 1970, as all times here.")
    expires_at: float | None = Field(description="When it ends if nothing more happens.")
    cooldown: int
    reason: str
    detail: str
    message: str = Field(description="A sentence for people on its state.")


class TokenWish(Schema):
    lifetime: int = Field(3600, description="Seconds, 60 to 86400.")


class Token(Schema):
    token: str = Field(description="Shown only now. It opens this session and nothing else.")
    session: UUID
    expires_at: float


class PreviewWish(Schema):
    port: int | None = Field(None, description="Where your server listens; the pool's target port if none.")


class Preview(Schema):
    url: str = Field(description="Opens the page in a browser: once, and before it expires.")
    expires_at: float


class Run(Schema):
    code: str
    id: UUID | None = Field(None, description="A random id of your own, so that sending again never runs twice.")
    context: str = "default"
    cell: str = Field("", description="Your own name for what runs, up to 128 characters.")
    stop_on_error: bool = Field(True, description="Whether an error aborts what waits behind this.")
    allow_stdin: bool | None = Field(None, description="Whether input() may ask; not in mode sync, unless you say so.")
    timeout: float = Field(60, gt=0, le=3600, description="Seconds that mode sync waits. The code goes on after it.")
    mode: Literal["sync", "stream", "async"] = "sync"


class ExecutionRecord(Schema):
    id: UUID
    session: UUID
    context: str
    cell: str
    state: Literal["queued", "running", "ok", "error", "aborted", "cancelled", "lost"]
    reason: str = Field(description="Why it was aborted or lost.")
    execution_count: int | None
    queued_at: float
    started_at: float | None
    finished_at: float | None

    @classmethod
    def facts(cls, execution: Execution) -> dict[str, Any]:
        times = {
            name: moment.timestamp() if (moment := getattr(execution, name)) else None
            for name in ("queued_at", "started_at", "finished_at")
        }
        same = {name: getattr(execution, name) for name in ("id", "context", "cell", "reason", "execution_count")}
        return {**same, **times, "session": execution.session_id, "state": execution.status}

    @classmethod
    def of(cls, execution: Execution) -> "ExecutionRecord":
        return cls(**cls.facts(execution))


class ExecutionResult(ExecutionRecord):
    outputs: list[dict[str, Any]] = Field(description="In the notebook format, nbformat 4.5.")
    outputs_cut: bool = Field(description="Whether something is missing; a note among the outputs says how much.")

    @classmethod
    def of(cls, execution: Execution) -> "ExecutionResult":
        return cls.model_construct(**cls.facts(execution), outputs=execution.outputs, outputs_cut=execution.outputs_cut)


class Input(Schema):
    value: str


class Question(Schema):
    code: str
    cursor_pos: int = Field(0, ge=0, description="In code points.")
    detail_level: int = Field(0, ge=0, le=1)
    context: str = "default"


class File(Schema):
    name: str
    path: str
    type: Literal["file", "directory", "link", "other"]
    size: int
    modified: float


class Folder(Schema):
    path: str
    entries: list[File]


# The statuses that any view on a session may answer with.
ERRORS: Mapping[Any, type[Error]] = {frozenset({400, 401, 403, 404, 409, 413, 429, 502, 503}): Error}
