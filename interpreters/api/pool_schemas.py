"""A tenant's own pool, as its managers write and read it. Secrets go in, and only their names come out."""

from typing import Any, Literal

from ninja import Field, Schema
from pydantic import ConfigDict

from interpreters.models import SessionPool

Lifecycle = Literal["timed", "on_container_exit"]
Egress = Literal["none", "allow_list", "open"]
# The pool's own check, with a sentence for each fault, is `SessionPool.clean`; here are only the kinds of values.
SECRETS = "Given to the container's environment and never shown again. Of those there are, null removes one."
SHOWN = (
    *("name", "enabled", "ready_instances", "max_concurrent", "cooldown", "max_alive", "cpu"),
    *("memory", "disk", "pids", "environment", "egress", "egress_allow", "target_port", "command"),
    *("args", "probes", "lifecycle", "writable_paths", "run_as", "shell", "degraded", "deleting"),
    *("last_error", "ready", "starting", "leased"),
)


class ChangePool(Schema):
    model_config = ConfigDict(extra="forbid")

    image: str = Field("", description="The name of an image of your own, or of a shared one.")
    enabled: bool = True
    ready_instances: int = Field(2, description="Kept ready all the time; 0: every session is a cold start.")
    max_concurrent: int = Field(20, description="Sandboxes alive at the same time, ready ones included.")
    cooldown: int = Field(300, description="Seconds of idleness after which a session ends.")
    max_alive: int = Field(8 * 3600, description="Seconds from lease to the hard end.")
    cpu: float = 1.0
    memory: int = Field(1024, description="MiB, what is written into memory included.")
    disk: int = Field(256, description="MiB of all writable folders together; at most half of the memory.")
    pids: int = 256
    environment: dict[str, str] = {}
    egress: Egress = Field("none", description="What its sandboxes reach, within what the operator allows.")
    egress_allow: list[str] = Field([], examples=[["example.org", "*.example.org:443", "198.51.100.0/24"]])
    target_port: int | None = Field(None, description="Where the container's server listens. Custom images only.")
    command: list[str] = Field([], description="In place of the image's entrypoint.")
    args: list[str] = Field([], description="In place of the image's command.")
    secrets: dict[str, str | None] = Field({}, description=SECRETS)
    probes: dict[str, dict[str, Any]] = Field(
        {}, examples=[{"startup": {"type": "http", "path": "/healthz"}, "liveness": {"type": "tcp", "period": 5}}]
    )
    lifecycle: Lifecycle = "timed"
    writable_paths: list[str] = Field([], description="Folders held in memory; the first has half of the disk.")
    run_as: str = Field("", description="uid or uid:gid. Empty: the image's user if that is a number, else 10001.")
    shell: bool = False


class CreatePool(ChangePool):
    name: str = Field(description="1 to 63 letters, digits, - and _.")
    image: str = Field(description="The name of an image of your own, or of a shared one.")


class OwnPool(Schema):
    name: str
    image: str
    kind: Literal["code", "custom"]
    enabled: bool
    ready_instances: int
    max_concurrent: int
    cooldown: int
    max_alive: int
    cpu: float
    memory: int
    disk: int
    pids: int
    environment: dict[str, str]
    egress: Egress
    egress_allow: list[str]
    target_port: int | None
    command: list[str]
    args: list[str]
    secrets: list[str] = Field(description="Names only.")
    probes: dict[str, dict[str, Any]]
    lifecycle: Lifecycle
    writable_paths: list[str]
    run_as: str
    shell: bool
    ready: int
    starting: int
    leased: int
    degraded: bool = Field(description="Its sandboxes fail again and again; `last_error` says why.")
    deleting: bool = Field(description="Its sessions are being ended; then it is gone.")
    last_error: str = Field(description="Why the last launch failed, with the container's last lines.")

    @classmethod
    def of(cls, pool: SessionPool) -> "OwnPool":
        shown: dict[str, Any] = {name: getattr(pool, name) for name in SHOWN}
        shown["kind"] = pool.image.kind
        return cls(image=pool.image.name, secrets=sorted(pool.readable_secrets), **shown)
