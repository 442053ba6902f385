"""What a probe is, and what it found. Pure data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MIB = 1024 * 1024
# What a call answers that was not let through. EINVAL, EFAULT and their like mean that it was, and only failed.
REFUSED = frozenset({"EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EROFS"})
ABSENT = frozenset({"ENOENT", "ENXIO", "ENODEV", "absent"})


class Result(StrEnum):
    CONTAINED = "contained"
    ESCAPED = "NOT CONTAINED"
    NOT_APPLICABLE = "not applicable"
    UNCHECKED = "could not be checked"

    @property
    def failed(self) -> bool:
        """What was not checked is not known to hold."""
        return self in (Result.ESCAPED, Result.UNCHECKED)


class Act(StrEnum):
    """When a probe runs. Quiet ones disturb nobody; the others exhaust something, each more than the one before."""

    QUIET = "quiet"
    LOUD = "loud"
    MEMORY = "memory"
    LAST = "last"  # ends all processes of code
    OUTSIDE = "outside"  # looked at by the runner, while and after the others run


@dataclass(frozen=True, slots=True)
class Given:
    """What the probes of one check are told: the limits that were asked for, and what there is to be reached."""

    engine: str  # docker | bubblewrap
    oci_runtime: str = ""
    memory: int = 1024  # MiB, as are disk and temporary
    disk: int = 256
    temporary: int = 64
    pids: int = 256
    inodes: int = 16384
    addresses: Sequence[tuple[str, int]] = ()  # of this machine, with the port where our canary listens
    token: str = ""  # what a canary says to who reaches it
    abstract: str = ""  # name of a canary in the host's abstract namespace of sockets
    queue: int = 0  # key of a System V message queue of the host
    process: str = ""  # the runner's own name and start time, as /proc/<pid>/stat has them
    neighbours: Sequence[str] = ()  # sockets of another tenant's sandbox, and their folders
    engine_sockets: Sequence[str] = ()
    folder: str = "/work"  # where the program lies and may write
    memories: Sequence[str] = ("/work", "/tmp")  # noqa: S108 - mounts of the sandbox's own, in its memory
    mounts: Sequence[str] = ("/run/thermae", "/run/egress")  # of the host's, that are ours
    custom: bool = False  # an application beside our relay, and not code below our agent
    writable: Mapping[str, int] = field(default_factory=dict)  # of an application: MiB by folder
    ports: Sequence[int] = ()  # of an application: where it listens, and where the relay may beside it

    @property
    def sandboxed_kernel(self) -> bool:
        """Whether code calls a kernel that is not the host's: gVisor's Sentry, or the guest of a virtual machine."""
        return self.oci_runtime.startswith(("runsc", "kata"))


Arguments = Callable[[Given], Mapping[str, Any]]


def nothing(given: Given) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Probe:
    name: str
    tries: str
    barrier: str  # what should contain it
    kind: str = ""  # function of `inside` that does it; none for what the runner looks at
    arguments: Arguments = nothing
    contained: frozenset[str] = REFUSED
    most: Callable[[Given], float] | None = None  # the figure that a contained one may reach
    act: Act = Act.QUIET
    deadline: float = 10.0
    absent: Callable[[Given], str] = field(default=lambda given: "")  # why it does not apply; "" if it does


@dataclass(frozen=True, slots=True)
class Observation:
    """What a probe met: the name of an error, or a word of its kind."""

    answer: str
    detail: str = ""
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    probe: str
    tries: str
    barrier: str
    result: Result
    detail: str = ""
