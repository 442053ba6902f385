"""What a page may say on the WebSocket of a notebook, as types: anything else is refused with a sentence."""

from typing import Annotated, Any

import msgspec

from interpreters.sessions import problems

# The largest edit that is passed on; what is larger is in the next save.
LARGEST_EDIT = 96 * 1024
Id = Annotated[str, msgspec.Meta(max_length=64)]
Ids = Annotated[list[Id], msgspec.Meta(max_length=5000)]
Place = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Type = Annotated[str, msgspec.Meta(pattern="^(code|markdown|raw)$")]


class Op(msgspec.Struct, tag_field="op"):
    pass


class Patch(Op, tag="patch"):
    """In a cell's text: at a place some characters go and others come. `length`: of the text before."""

    id: Id
    length: Place
    at: Place
    delete: Place
    insert: str


class Cell(Op, tag="cell"):
    """A cell as a whole: a new one, or one that changed otherwise."""

    id: Id
    cell_type: Type
    source: str
    metadata: dict[str, Any]


class Order(Op, tag="order"):
    """The cells that there are, in their order."""

    ids: Ids


class Saved(Op, tag="saved"):
    """All that was typed so far is in this version; `sum` is of what it holds."""

    version: Place
    sum: Id


class Message(msgspec.Struct, tag_field="type"):
    pass


class Edit(Message, tag="edit"):
    seq: Place
    ops: Annotated[list[Patch | Cell | Order | Saved], msgspec.Meta(max_length=500)]


class Take(Message, tag="take"):
    """I edit now. `over`: also if somebody else does, who is asked to let go."""

    over: bool = False


class Release(Message, tag="release"):
    pass


class Beat(Message, tag="beat"):
    typing: bool = False


class Resync(Message, tag="resync"):
    """I missed something: save, so that I can read it."""


class Ping(Message, tag="ping"):
    pass


AnyMessage = Edit | Take | Release | Beat | Resync | Ping
_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def parse(frame: str | bytes) -> AnyMessage:
    if isinstance(frame, bytes):
        raise problems.BadRequest("Send text frames, each one JSON object.", "bad_message")
    if len(frame) > LARGEST_EDIT:
        raise problems.BadRequest(
            f"Send at most {LARGEST_EDIT} characters at once: the rest is in the next save.", "bad_message"
        )
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise problems.BadRequest(f"This message is not understood: {error}", "bad_message") from error


def plain(ops: list[Op]) -> list[dict[str, Any]]:
    """As other processes are told them."""
    told: list[dict[str, Any]] = msgspec.to_builtins(ops)
    return told
