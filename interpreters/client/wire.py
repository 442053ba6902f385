"""What an agent may say: the shape and the bounds of its answers. Nothing passes that is not checked here.

An entry's text goes to a browser unchanged, so it must be one JSON object with a channel of the log's own:
an agent that could say `"channel": "session"` would speak in our name.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec

from interpreters.client.base import AgentMisbehaved, Entry, Health, Outputs, Record, Refusal, Survey

# Bytes. A whole image or table comes as one entry; stream text never exceeds 256 KiB before escaping.
MAX_ENTRY = 12 * 1024 * 1024
MAX_ANSWER = 2 * 1024 * 1024
MAX_LISTING = 16 * 1024 * 1024
MAX_OUTPUTS = 64 * 1024 * 1024
MAX_TERMINAL_FRAME = 1024 * 1024
# Terminals and ports that are believed to be there.
MOST_LISTED = 64

T = TypeVar("T")
Short = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=64 * 1024)]


class _Header(msgspec.Struct):
    msg_type: Short


class _Parent(msgspec.Struct):
    msg_id: Short = ""


class _Frame(msgspec.Struct):
    """An entry of the log, or the refusal of an op: the two things that a channel carries."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    channel: Literal["iopub", "shell", "stdin", "control", "agent", ""] = ""
    header: _Header | None = None
    parent_header: _Parent = msgspec.field(default_factory=_Parent)
    error: Short = ""
    message: Text = ""
    op: Short = ""
    id: Short | None = None


class _Record(msgspec.Struct):
    id: Short
    state: Literal["queued", "running", "ok", "error", "aborted", "cancelled", "lost"]


class _State(msgspec.Struct):
    state: Literal["queued", "running", "ok", "error", "aborted", "cancelled", "lost"]
    position: int = 0
    execution_count: int | None = None
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    error: dict[str, str] | None = None
    reason: str | None = None
    cell: str = ""


class _Told(msgspec.Struct):
    """An entry of type `execution_state`."""

    content: _State
    context: Short = "default"
    parent_header: _Parent = msgspec.field(default_factory=_Parent)


class _Outputs(msgspec.Struct):
    record: msgspec.Raw
    messages: list[msgspec.Raw] = msgspec.field(default_factory=list)
    cut: dict[str, int] | None = None


class _Error(msgspec.Struct):
    error: Short = "refused"
    message: Text = ""


class _Health(msgspec.Struct):
    state: Literal["starting", "ready", "failed"]


_frames = msgspec.json.Decoder(_Frame)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(body: bytes | str | msgspec.Raw, shape: type[T]) -> T:
    """`body` as `shape`. Raises AgentMisbehaved for anything else."""
    decoder = _decoders.get(shape) or _decoders.setdefault(shape, msgspec.json.Decoder(shape))
    try:
        return decoder.decode(body)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise AgentMisbehaved(f"The sandbox sent an answer that is not what we asked for: {error}") from error


def frame(text: str) -> Entry | Refusal:
    """One text frame of a channel, or one line of the log."""
    try:
        parsed = _frames.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise AgentMisbehaved(f"The sandbox sent a malformed message: {error}") from error
    if parsed.seq is not None and parsed.header is not None and parsed.channel:
        if parsed.channel == "agent" and parsed.header.msg_type == "execution_state":
            decode(text, _Told)  # we act on what it says, and others on what we make of it
        return Entry(parsed.seq, parsed.channel, parsed.header.msg_type, parsed.parent_header.msg_id, text)
    if parsed.seq is None and parsed.error:
        return Refusal(parsed.op, parsed.id or "", parsed.error, parsed.message)
    raise AgentMisbehaved("The sandbox sent a message that is neither an entry of the log nor a refusal.")


def record(body: bytes | msgspec.Raw) -> Record:
    decode(body, _Record)
    return decode(body, Record)


def told_record(entry: Entry) -> Record:
    """The record that an entry of type `execution_state` tells, of an execution that we started."""
    told = decode(entry.raw, _Told)
    return Record(UUID(told.parent_header.msg_id), told.context, **msgspec.structs.asdict(told.content))


def health(body: bytes) -> Health:
    decode(body, _Health)
    return decode(body, Health)


def outputs(body: bytes) -> Outputs:
    answer = decode(body, _Outputs)
    return Outputs(record(answer.record), answer.messages, answer.cut or {})


def error(body: bytes) -> tuple[str, str]:
    """Code and message of a refusal; a body that is none gives a plain one."""
    try:
        answer = decode(body, _Error)
    except AgentMisbehaved:
        return "refused", "The sandbox refused this without saying why."
    return answer.error, answer.message or "The sandbox refused this without saying why."


@dataclass(slots=True)
class Sequence:
    """The numbers of a log as one reader sees them: they only grow, and only in front of a `cut` some are left out."""

    last: int | None
    """The last that it has; None: the first that comes is the first of all."""

    def check(self, entry: Entry) -> None:
        cut = entry.channel == "agent" and entry.msg_type == "cut"
        if self.last is None:
            self.last = entry.seq - 1
        if entry.seq <= self.last:
            raise AgentMisbehaved(f"The sandbox sent message {entry.seq} after message {self.last}.")
        if entry.seq > self.last + 1 and not cut:
            raise AgentMisbehaved(f"The sandbox left out the messages from {self.last + 1} to {entry.seq - 1}.")
        self.last = entry.seq


class _Entry(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=4096)]
    path: Annotated[str, msgspec.Meta(max_length=8192)]
    type: Literal["file", "directory", "link", "other"]
    size: int = 0
    modified: float = 0


class _Listing(msgspec.Struct):
    path: str
    entries: Annotated[list[_Entry], msgspec.Meta(max_length=10_000)]
    more: Annotated[int, msgspec.Meta(ge=0)] = 0


_Path = Annotated[str, msgspec.Meta(max_length=8192, pattern=r"^[^\x00]*$")]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class _Kept(msgspec.Struct):
    path: _Path
    size: _Number
    type: Literal["file", "directory", "link"] = "file"
    modified: float = 0


class _LeftOut(msgspec.Struct):
    path: _Path
    why: Annotated[str, msgspec.Meta(max_length=200)]


class _Survey(msgspec.Struct):
    fingerprint: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    files: _Number
    bytes: _Number
    entries: Annotated[list[_Kept], msgspec.Meta(max_length=1000)]
    largest: Annotated[list[_Kept], msgspec.Meta(max_length=10)]
    left_out: Annotated[list[_LeftOut], msgspec.Meta(max_length=50)]
    omitted: _Number


class _Unpacked(msgspec.Struct):
    files: Annotated[int, msgspec.Meta(ge=0)]


class _Notice(msgspec.Struct):
    replay: int | None = None
    exit: int | None = None


class _Terminal(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class _Port(msgspec.Struct):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


def terminals(body: bytes) -> list[str]:
    """The names of those that are open."""
    return [terminal.name for terminal in decode(body, list[_Terminal])[:MOST_LISTED]]


def ports(body: bytes) -> list[int]:
    """Where something listens."""
    return [each.port for each in decode(body, list[_Port])[:MOST_LISTED]]


def listing(body: bytes) -> dict[str, Any]:
    """A folder's entries, rid of whatever else an agent may have put into them."""
    answer: dict[str, Any] = msgspec.to_builtins(decode(body, _Listing))
    return answer


def survey(body: bytes) -> Survey:
    answer: dict[str, Any] = msgspec.to_builtins(decode(body, _Survey))
    return Survey(**answer)


def unpacked(body: bytes) -> int:
    """How many files an archive held."""
    return decode(body, _Unpacked).files


def notice(text: str) -> str:
    """A terminal's text frame: that bytes are replayed, or that the shell has ended."""
    decode(text, _Notice)
    return text
