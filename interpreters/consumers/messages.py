"""What a browser may say on the channel of a session, as types: anything else is refused with a sentence."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from interpreters.sessions import problems

Name = Annotated[str, msgspec.Meta(max_length=128)]


class Message(msgspec.Struct, tag_field="type"):
    pass


class Execute(Message, tag="execute"):
    id: UUID
    code: str
    context: Name = "default"
    cell: Name = ""
    stop_on_error: bool = True


class Cancel(Message, tag="cancel"):
    id: UUID


class Interrupt(Message, tag="interrupt"):
    context: Name = "default"


class Restart(Message, tag="restart"):
    context: Name = "default"


class Input(Message, tag="input"):
    value: str
    context: Name = "default"


class _Question(Message):
    id: Name
    code: str
    cursor_pos: int = 0
    detail_level: int = 0
    context: Name = "default"


class Complete(_Question, tag="complete"):
    pass


class Inspect(_Question, tag="inspect"):
    pass


class IsComplete(_Question, tag="is_complete"):
    pass


class Comm(Message, tag="comm"):
    """From a widget to its kernel. What the kernel prints because of it names `id` as its parent."""

    msg_type: Literal["comm_open", "comm_msg", "comm_close"]
    content: dict[str, Any]
    id: Name = ""
    context: Name = "default"


class Ask(Message, tag="ask"):
    """About what the kernel holds."""

    id: Name
    about: Name
    arguments: dict[str, Any] = {}
    context: Name = "default"


class KeepAlive(Message, tag="keep_alive"):
    pass


class Close(Message, tag="close"):
    pass


class WatchUsage(Message, tag="watch_usage"):
    on: bool


class Ping(Message, tag="ping"):
    pass


Question = Complete | Inspect | IsComplete
AnyMessage = (
    Execute | Cancel | Interrupt | Restart | Input | Comm | Question | Ask | KeepAlive | Close | WatchUsage | Ping
)
_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def parse(frame: str | bytes) -> AnyMessage:
    if isinstance(frame, bytes):
        raise problems.BadRequest("Send text frames, each one JSON object.", "bad_message")
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise problems.BadRequest(f"This message is not understood: {error}", "bad_message") from error
