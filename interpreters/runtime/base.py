"""The one protocol behind which every engine stands.

A runtime creates, removes and lists sandboxes. It never speaks to the agent inside: that is `interpreters.client`,
over the Unix socket `<SOCKET_DIR>/<session id>/agent.sock`, which the runtime makes appear on the host.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

AGENT_UID = 10000
# OCI runtimes whose sandboxes can share a network namespace, as a custom container and its relay do.
SHARING_RUNTIMES = ("", "runc")


class RuntimeUnavailable(Exception):
    """The engine does not answer. Nothing is known about its sandboxes: decide nothing, try again."""


class LaunchFailed(Exception):
    """The engine answered, and this sandbox cannot be made. The message says why, for an operator."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """All that an engine needs to make one sandbox. `session` names it: creating twice yields one sandbox."""

    session: UUID
    installation: str
    pool: int
    revision: int
    image: str  # image reference; for bubblewrap, the name of the source folder such as "python"
    kernel: str  # kernelspec to start as the warm context
    warm_up: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    cpu: float = 1.0  # cores
    memory: int = 1024  # MiB, tmpfs included; swap is off
    disk: int = 256  # MiB of the work directory
    pids: int = 256
    oci_runtime: str = ""
    egress: bool = False  # whether it has a way to the egress proxy; what it may reach is not the engine's to know
    # Of a custom container only; a sandbox of code has an agent and a kernel instead.
    kind: str = "code"
    relay: str = ""  # image of the relay beside it
    command: Sequence[str] = ()  # in place of the image's entrypoint
    args: Sequence[str] = ()  # in place of the image's command
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # in its environment, shown nowhere
    target_port: int = 0
    probes: Mapping[str, Any] = field(default_factory=dict, repr=False)  # whole, as `models.probes` makes them
    run_as: str = ""  # "uid" or "uid:gid"; empty: the image's user if that is a plain number, else 10001
    writable_paths: Sequence[str] = ()
    start_timeout: float = 60.0  # seconds until the startup probe must have succeeded

    @property
    def custom(self) -> bool:
        return self.kind == "custom"

    @property
    def labels(self) -> dict[str, str]:
        return {
            "thermae.installation": self.installation,
            "thermae.pool": str(self.pool),
            "thermae.session": str(self.session),
            "thermae.revision": str(self.revision),
        }


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What an engine says of one sandbox."""

    handle: str  # the engine's own id
    session: UUID
    pool: int
    running: bool
    age: float  # seconds since it was created
    exit_code: int | None = None  # of the agent; of a custom container, the application's
    out_of_memory: bool = False
    relay_exit: int | None = None  # of a custom container's relay, where that has ended


class Shell(Protocol):
    """A shell that runs: `stream` is its terminal, both ways; whoever is given it closes it."""

    @property
    def stream(self) -> socket.socket: ...
    def resize(self, rows: int, columns: int) -> None: ...
    def exit_code(self) -> int:
        """Once the stream has ended; -1 if nobody knows."""
        ...


class Runtime(Protocol):
    """Every call is synchronous, bounded in time, and raises RuntimeUnavailable when the engine does not answer."""

    name: str

    def create(self, spec: SandboxSpec) -> Sandbox:
        """Make and start the sandbox of `spec.session`; if it exists already, return it. Raises LaunchFailed.

        On return the agent is being started; its health is asked through its socket.
        """
        ...

    def remove(self, handle: str) -> None:
        """End and delete a sandbox with all that is its own, its socket folder too. Removing twice is fine."""
        ...

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        """All sandboxes of this installation, dead ones included, of one pool if given."""
        ...

    def logs(self, handle: str, lines: int = 50) -> str:
        """The last lines that the agent wrote, for an operator; empty if the engine keeps none.

        Of a custom container: the application's last lines, which are hostile text, then the relay's.
        """
        ...

    def inspect(self, handle: str) -> Mapping[str, object]:
        """The engine's own description, for an operator, without any secret; {} if the sandbox is gone."""
        ...

    def open_shell(self, handle: str) -> "Shell":
        """A shell in a custom container, on a terminal of its own. Raises LaunchFailed, which says why not."""
        ...

    def check(self) -> Sequence[str]:
        """What an operator must know about this engine: versions too old, limits it cannot enforce. [] is well."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Of the engine, of what it stands on, and of the kernel: by these a report of today is read next year."""
        ...
