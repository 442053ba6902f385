"""What goes in and out, for the reader of the interactive page too."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from interpreters.models import Execution, InterpreterImage, RegistryCredential, SessionPool


class Error(Schema):
    error: str = Field(description="A code for programs.")
    message: str = Field(description="What to do.")
    position: int | None = Field(None, description="With pool_full: your place in the line; 1 is next.")


class Pool(Schema):
    name: str
    shared: bool = Field(
        description="Whether it is offered by the operator. One of your own hides it if it has its name."
    )
    language: str
    kernel: str
    ready: int = Field(description="Instances that can be had at once.")
    starting: int
    leased: int
    max: int = Field(description="Sandboxes that may be alive at the same time.")
    cooldown: int = Field(description="Seconds of idleness after which a session ends.")
    max_alive: int = Field(description="Seconds from lease to the hard end.")
    kind: Literal["code", "custom"] = Field(description="Code has a kernel; custom is any HTTP server in a container.")
    degraded: bool = Field(description="Its sandboxes fail again and again, and are tried less and less often.")
    cpu: float
    memory: int = Field(description="MiB")
    disk: int = Field(description="MiB")

    @classmethod
    def of(cls, pool: SessionPool) -> "Pool":
        counts = {name: getattr(pool, name) for name in ("ready", "starting", "leased")}
        limits = {name: getattr(pool, name) for name in ("cooldown", "max_alive", "cpu", "memory", "disk")}
        image = pool.image
        about: dict[str, Any] = {
            "language": image.language,
            "kernel": image.kernel,
            "kind": image.kind,
            "degraded": pool.degraded,
        }
        return cls(name=pool.name, shared=pool.tenant_id is None, max=pool.max_concurrent, **about, **counts, **limits)


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
    phase: str = Field(description="While starting: queued, creating, starting kernel or starting container.")
    position: int = Field(description="Its place in the queue of launches; 0 when it is in none.")
    created_at: float = Field(description="Seconds since 1970, as all times here.")
    expires_at: float | None = Field(description="When it ends if nothing more happens.")
    ends_at: float | None = Field(description="When it ends whatever happens.")
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


class Port(Schema):
    port: int = Field(description="Where a server listens that a preview can open.")


class Terminal(Schema):
    name: str


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


class Asking(Schema):
    about: str = Field(description="`variables`, `variable` or `table`; what a kernel knows is in docs/protocol.md.")
    arguments: dict[str, Any] = {}
    context: str = "default"


class File(Schema):
    name: str = Field(
        description="What is no UTF-8 in it, and each control character, is written byte by byte as U+10FE00 plus the "
        "byte; paths are taken in the same form."
    )
    path: str
    type: Literal["file", "directory", "link", "other"]
    size: int
    modified: float


class Folder(Schema):
    path: str
    entries: list[File]
    more: int = Field(0, description="How many entries are not listed.")


class Move(Schema):
    to: str = Field(description="The new path, from the work folder.")
    replace: bool = Field(False, description="Whether a file that is there may be replaced.")


class Unpacked(Schema):
    files: int


LEAST_MEMORY = "MiB that no pool of it may be below; its label thermae.least_memory counts before this."


class ImageWords(Schema):
    kind: Literal["custom", "code"] = Field("custom", description="custom: any HTTP server. code: made on our base.")
    language: str = Field("", description="For code: shown to users.")
    kernel: str = Field("", description="For code: the name of its Jupyter kernelspec.")
    warm_up: str = Field("", description="For code: what runs before an instance is ready.")
    least_memory: int | None = Field(None, ge=16, le=1024 * 1024, description=LEAST_MEMORY)


class ImageWish(ImageWords):
    name: str = Field(examples=["my-app"])
    reference: str = Field(examples=["registry.example.org/team/app:1.2"])
    credential: int | None = Field(None, description="One of /registry-credentials, for the same registry.")


class Image(Schema):
    name: str
    shared: bool = Field(description="Whether all tenants use it; then it is not yours to change.")
    kind: Literal["custom", "code"]
    origin: Literal["source", "registry", "archive", "dockerfile"]
    language: str
    kernel: str
    reference: str = Field(description="What you named it by, in a registry.")
    credential: int | None
    state: Literal["absent", "building", "ready", "failed"]
    progress: str
    error: str = Field(description="Why it failed, and what to do.")
    digest: str = Field(description="What sandboxes start from: it changes only by a refresh or an upload.")
    size: int | None = Field(description="Bytes.")
    port: int | None = Field(description="The one that it says it listens on.")
    user: str = Field(description="The one that it says it runs as.")
    volumes: list[str]
    least_memory: int | None = Field(description=LEAST_MEMORY)
    built_at: float | None
    log: str = Field(description="The last lines of the work on it; empty in lists.")

    @classmethod
    def of(cls, image: InterpreterImage, *, log: bool = True) -> "Image":
        names = [*("name", "kind", "origin", "language", "kernel", "state", "progress"), *("digest", "size", "volumes")]
        names.append("least_memory")
        own = image.tenant_id is not None  # what the engine said of a shared one is for operators
        return cls(
            **{name: getattr(image, name) for name in names},
            shared=not own,
            reference=image.registry_reference,
            credential=image.credential_id if own else None,
            error=image.error if own else "",
            port=image.exposed_port,
            user=image.image_user,
            built_at=image.built_at.timestamp() if image.built_at else None,
            log=image.build_log if own and log else "",
        )


class CredentialWish(Schema):
    registry: str = Field(description="Its host, to which alone the secret is sent.", examples=["ghcr.io"])
    username: str
    secret: str = Field(description="A password or token. It is stored encrypted and never shown.")


class Credential(Schema):
    id: int
    registry: str
    username: str
    created_at: float

    @classmethod
    def of(cls, credential: RegistryCredential) -> "Credential":
        names = ("registry", "username")
        about = {name: getattr(credential, name) for name in names}
        return cls(id=credential.pk, created_at=credential.created_at.timestamp(), **about)


# The statuses that any view on a session may answer with.
ERRORS: Mapping[Any, type[Error]] = {frozenset({400, 401, 403, 404, 409, 413, 429, 502, 503, 507}): Error}
