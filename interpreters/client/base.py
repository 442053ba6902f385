"""Web's side of an agent. An agent shares its sandbox with hostile code: no answer is believed before it is checked.

`docs/protocol.md` §2 is the wire. `http` speaks it; `memory` is the double that ships with the package and
passes the same contract tests.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import msgspec


class AgentError(Exception):
    """The base of all that can go wrong with an agent."""


class AgentUnavailable(AgentError):
    """Nobody answers at the agent's socket: the sandbox is gone, or not up yet."""


class AgentMisbehaved(AgentError):
    """The agent broke the protocol: too large, not JSON, a wrong seq, a socket that is none. End the session."""


class AgentRefused(AgentError):
    """The agent said no, in words for the caller."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Health:
    state: str  # starting | ready | failed
    phase: str
    detail: str
    seq: int
    busy: bool
    last_activity: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Record:
    """An execution as the agent tells it; times are seconds since 1970."""

    id: UUID
    context: str
    state: str  # queued | running | ok | error | aborted | cancelled | lost
    position: int = 0
    execution_count: int | None = None
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    error: Mapping[str, str] | None = None
    reason: str | None = None
    cell: str = ""

    @property
    def final(self) -> bool:
        return self.state not in ("queued", "running")


@dataclass(frozen=True, slots=True)
class Entry:
    """One numbered message of the log: what the web needs of it, and the JSON text that is sent on unchanged."""

    seq: int
    channel: str
    msg_type: str
    execution: str  # parent_header.msg_id, or ""
    raw: str

    def content(self) -> dict[str, Any]:
        """The message's content, parsed on demand."""
        content: dict[str, Any] = msgspec.json.decode(self.raw)["content"]
        return content

    def is_end(self) -> bool:
        """Whether this tells the end of an execution."""
        if self.msg_type != "execution_state" or self.channel != "agent":
            return False
        return self.content().get("state") not in ("queued", "running")


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    id: UUID
    code: str
    context: str = "default"
    cell: str = ""
    silent: bool = False
    store_history: bool = True
    allow_stdin: bool = True
    stop_on_error: bool = True
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An op sent down a channel that the agent would not do. It has no seq: it is no part of the log."""

    op: str
    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outputs:
    record: Record
    raw: Sequence[str | bytes | msgspec.Raw] = ()  # JSON of the iopub entries, in order
    cut: Mapping[str, int] = field(default_factory=dict)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Each entry, parsed only when its turn comes: a reader with a bound never parses what it would drop."""
        for entry in self.raw:
            yield msgspec.json.decode(entry)


class Channel(Protocol):
    """A duplex line to one agent: entries come in, verbs go out, and neither waits for the other."""

    def __aiter__(self) -> AsyncIterator[Entry | Refusal]: ...
    async def send(self, op: Mapping[str, Any]) -> None: ...


class Terminal(Protocol):
    """Bytes of a PTY; str frames are its JSON notices."""

    def __aiter__(self) -> AsyncIterator[bytes | str]: ...
    async def send(self, data: bytes) -> None: ...
    async def resize(self, rows: int, cols: int) -> None: ...


Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Forward:
    """A request for a server at a port of the sandbox. `headers` are only those that go from end to end."""

    port: int
    method: bytes
    target: bytes  # path and query as they came; begins with a slash
    headers: Fields


@dataclass(frozen=True, slots=True)
class Interim:
    """An answer before the answer, as 100 or 103."""

    status: int
    headers: Fields


@dataclass(frozen=True, slots=True)
class Head:
    """Of an answer. `headers` are checked to be fields, and only those that go from end to end."""

    status: int
    headers: Fields
    chunked: bool  # so trailers may follow its body


@dataclass(frozen=True, slots=True)
class Trailers:
    headers: Fields


class Exchange(Protocol):
    """One request and its answer, which come and go at the same time.

    Iterate for the answer: Interims, a Head, its body in pieces, and Trailers if there are any.
    """

    def __aiter__(self) -> AsyncIterator[Interim | Head | bytes | Trailers]: ...
    async def send(self, data: bytes) -> None: ...
    async def end(self, trailers: Fields = ()) -> None: ...


class HandshakeRefused(AgentError):
    """A server in the sandbox does not want this WebSocket."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The server in the sandbox refused the WebSocket with status {status}.")
        self.status = status


class Tunnel(Protocol):
    """A WebSocket to a server in the sandbox. After the last message `closed` tells how it was closed."""

    subprotocol: str | None
    closed: tuple[int, str]

    def __aiter__(self) -> AsyncIterator[str | bytes]: ...
    async def send(self, data: str | bytes) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...


class Agent(Protocol):
    """All that the web does with one sandbox. Methods raise AgentError."""

    async def health(self) -> Health: ...
    async def execute(self, request: ExecuteRequest) -> Record: ...
    async def record(self, execution: UUID) -> Record: ...
    async def outputs(self, execution: UUID) -> Outputs: ...
    async def cancel(self, execution: UUID) -> None: ...
    def channel(self, after: int | None = 0) -> AbstractAsyncContextManager[Channel]:
        """The log behind entry `after`; with None, what is said from now on."""
        ...

    def terminal(self, name: str, rows: int, cols: int) -> AbstractAsyncContextManager[Terminal]: ...
    async def interrupt(self, context: str = "default") -> None: ...
    async def restart(self, context: str = "default") -> None: ...
    async def complete(self, context: str, code: str, cursor_pos: int) -> dict[str, Any]: ...
    async def inspect(self, context: str, code: str, cursor_pos: int, detail_level: int = 0) -> dict[str, Any]: ...
    async def is_complete(self, context: str, code: str) -> dict[str, Any]: ...
    async def ask(self, context: str, about: str, arguments: Mapping[str, Any]) -> dict[str, Any]: ...
    async def input(self, context: str, value: str) -> None: ...
    async def contexts(self) -> list[dict[str, Any]]: ...
    async def open_context(self, kernel: str = "", context: str = "") -> dict[str, Any]: ...
    async def close_context(self, context: str) -> None: ...
    async def terminals(self) -> list[str]: ...
    async def close_terminal(self, name: str) -> None: ...
    async def ports(self) -> list[int]: ...
    async def usage(self) -> dict[str, float | None]: ...
    async def list_files(self, path: str = "", quiet: bool = False) -> dict[str, Any]: ...
    def download(self, path: str, start: int = 0) -> AbstractAsyncContextManager["Download"]: ...
    def archive(self, path: str = "", only: Sequence[str] = ()) -> AbstractAsyncContextManager["Download"]: ...
    async def upload(self, path: str, body: AsyncIterator[bytes], given: str | None = None) -> str: ...
    async def unpack(self, path: str, body: AsyncIterator[bytes]) -> int: ...
    async def make_folder(self, path: str) -> None: ...
    async def move_file(self, path: str, to: str, replace: bool = False) -> None: ...
    async def delete_file(self, path: str) -> None: ...
    async def survey(self) -> "Survey": ...
    def keep(self) -> AbstractAsyncContextManager["Download"]: ...
    async def restore(self, body: AsyncIterator[bytes]) -> int: ...
    def forward(self, request: Forward) -> AbstractAsyncContextManager[Exchange]: ...
    def tunnel(
        self, request: Forward, subprotocols: Sequence[str], limit: int
    ) -> AbstractAsyncContextManager[Tunnel]: ...


@dataclass(frozen=True, slots=True)
class Download:
    size: int | None  # bytes of the whole, also where the body starts later; None if not known before the end
    body: AsyncIterator[bytes]
    tag: str = ""  # of a file: another one when its content may be another


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a work folder: sums, and the first and the largest of its files. `fingerprint` changes with them."""

    fingerprint: str
    files: int
    bytes: int
    entries: Sequence[Mapping[str, Any]] = ()
    largest: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[Mapping[str, str]] = ()
    omitted: int = 0
