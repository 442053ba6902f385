"""Sandboxes as plain data: the runtime for tests. It passes the contract of the real ones, and can be told to fail."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from uuid import UUID

from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable, Sandbox, SandboxSpec, Shell


@dataclass
class _Entry:
    spec: SandboxSpec
    created_at: float
    exit_code: int | None = None
    out_of_memory: bool = False
    relay_exit: int | None = None
    words: str = ""


class MemoryRuntime:
    """Keeps a dictionary of sandboxes. All instances of a process share nothing; `get_runtime()` caches one.

    Faults for tests: `unavailable` makes every call raise RuntimeUnavailable, `fail_next_create()` refuses one
    launch, `crash()` ends a sandbox from inside, `vanish()` loses it, `age()` makes it older.
    """

    name = "memory"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.unavailable = False
        self.specs: dict[UUID, SandboxSpec] = {}  # of every sandbox ever created, for assertions
        self._entries: dict[str, _Entry] = {}
        self._refusals: list[str] = []
        self._clock = clock
        self._lock = Lock()

    # --- the protocol ---
    def create(self, spec: SandboxSpec) -> Sandbox:
        self._ask()
        handle = f"memory-{spec.session}"
        with self._lock:
            if handle not in self._entries:
                if spec.custom and spec.oci_runtime:
                    raise LaunchFailed(f"A custom container cannot run in the OCI runtime {spec.oci_runtime}.")
                if self._refusals:
                    raise LaunchFailed(self._refusals.pop(0))
                self._entries[handle] = _Entry(spec, self._clock())
                self.specs[spec.session] = spec
        return self._view(handle)

    def remove(self, handle: str) -> None:
        self._ask()
        with self._lock:
            self._entries.pop(handle, None)

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        self._ask()
        with self._lock:
            handles = [
                handle
                for handle, entry in self._entries.items()
                if entry.spec.installation == installation and pool in (None, entry.spec.pool)
            ]
        return [self._view(handle) for handle in handles]

    def logs(self, handle: str, lines: int = 50) -> str:
        self._ask()
        entry = self._entries.get(handle)
        return "" if entry is None else "\n".join(entry.words.splitlines()[-lines:])

    def inspect(self, handle: str) -> Mapping[str, object]:
        self._ask()
        entry = self._entries.get(handle)
        return {} if entry is None else {"labels": entry.spec.labels, "exit_code": entry.exit_code}

    def open_shell(self, handle: str) -> Shell:
        self._ask()
        raise LaunchFailed("The memory runtime runs no shell.")

    def check(self) -> Sequence[str]:
        self._ask()
        return ["The memory runtime runs no code: it is for tests."]

    def versions(self) -> Mapping[str, str]:
        self._ask()
        return {"memory": "1"}

    # --- faults ---
    def fail_next_create(self, message: str = "image not found") -> None:
        """The next create() of a new sandbox raises LaunchFailed; called twice, the next two do."""
        self._refusals.append(message)

    def crash(self, handle: str, exit_code: int = 137, *, out_of_memory: bool = False) -> None:
        """End a sandbox from inside: it stays listed, dead."""
        entry = self._entries[handle]
        entry.exit_code, entry.out_of_memory = exit_code, out_of_memory

    def end_relay(self, handle: str, exit_code: int) -> None:
        """End the relay of a custom container, as it does by itself when a liveness probe fails."""
        self._entries[handle].relay_exit = exit_code

    def say(self, handle: str, words: str) -> None:
        """Let a sandbox print something."""
        self._entries[handle].words += words

    def vanish(self, handle: str) -> None:
        """Lose a sandbox without a trace, as an engine does whose data was deleted."""
        del self._entries[handle]

    def age(self, handle: str, seconds: float) -> None:
        """Make a sandbox older than it is."""
        self._entries[handle].created_at -= seconds

    def adopt(self, spec: SandboxSpec, **labels: object) -> Sandbox:
        """Put a sandbox here that create() never made, with some fields of its spec changed."""
        return self.create(replace(spec, **labels))  # type: ignore[arg-type]

    def _ask(self) -> None:
        if self.unavailable:
            raise RuntimeUnavailable("The memory runtime was told not to answer.")

    def _view(self, handle: str) -> Sandbox:
        entry = self._entries[handle]
        return Sandbox(
            handle=handle,
            session=entry.spec.session,
            pool=entry.spec.pool,
            running=entry.exit_code is None and entry.relay_exit is None,
            age=self._clock() - entry.created_at,
            exit_code=entry.exit_code,
            out_of_memory=entry.out_of_memory,
            relay_exit=entry.relay_exit,
        )
