"""Jupyter messages on the wire: built and signed, verified and read.

A kernel runs the user's code, so nothing it says is believed: what cannot be verified or parsed is no message, and
what is passed on is a JSON object in UTF-8 on one line, without NaN and without lone surrogates.
"""

import hmac
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DELIMITER = b"<IDS|MSG>"
VERSION = "5.3"
MAX_HEADER = 16 << 10

Json = dict[str, Any]

_decode = json.JSONDecoder(parse_constant=lambda _: None).decode
_plain = json.encoder.encode_basestring


class BadMessage(Exception):
    """Not a message of the kernel's: unsigned, malformed, or without a type."""


@dataclass(slots=True)
class Message:
    """A verified message. The JSON parts are kept as they came, fit to be passed on."""

    msg_id: str
    msg_type: str
    parent_id: str  # "" if it answers nothing
    header: bytes
    parent_header: bytes
    metadata: bytes
    content: bytes
    parsed: Json  # content
    buffers: list[bytes] = field(default_factory=list)
    lost: int = 0  # bytes of it that were too large to be taken


def dump(value: object) -> bytes:
    """Compact JSON in UTF-8; what cannot be encoded becomes '?'."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def dump_text(text: str) -> bytes:
    """A JSON string in UTF-8: `dump`, but several times as fast."""
    return _plain(text).encode("utf-8", "replace")


def load(raw: bytes) -> Json:
    """A JSON object. Raises BadMessage."""
    try:
        value = _decode(str(raw, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadMessage("not a JSON object")
    return value


def one_line(raw: bytes, value: Json) -> bytes:
    """`raw` itself if any reader can take it as it is, else `value` written anew."""
    if b"\n" in raw or b"\r" in raw or b"NaN" in raw or b"Infinity" in raw or b"\\ud" in raw or b"\\uD" in raw:
        return dump(value)
    return raw


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_header(msg_type: str, session: str, msg_id: str = "") -> Json:
    return {
        "msg_id": msg_id or uuid.uuid4().hex,
        "msg_type": msg_type,
        "date": now(),
        "session": session,
        "username": "thermae",
        "version": VERSION,
    }


class Signer:
    """Signs and verifies with the key of one kernel's connection file."""

    def __init__(self, key: str) -> None:
        self.key = key.encode()

    def pack(self, header: Json, parent: Json, metadata: Json, content: Json) -> list[bytes]:
        parts = [dump(part) for part in (header, parent, metadata, content)]
        return [DELIMITER, self._sign(parts), *parts]

    def unpack(self, frames: list[bytes], lost: int = 0) -> Message:
        """Raises BadMessage."""
        try:
            start = frames.index(DELIMITER) + 1
        except ValueError:
            raise BadMessage("no delimiter") from None
        if len(frames) < start + 5:
            raise BadMessage("too few parts")
        signature, *parts = frames[start : start + 5]
        # A part that was too large to be taken cannot be verified; its content is then dropped anyway.
        if not lost and not hmac.compare_digest(signature, self._sign(parts)):
            raise BadMessage("wrong signature")
        return _read(parts, frames[start + 5 :], lost)

    def _sign(self, parts: list[bytes]) -> bytes:
        return hmac.digest(self.key, b"".join(parts), "sha256").hex().encode()


def read_header(frames: list[bytes]) -> Message:
    """The frames up to the metadata: a message whose content is to come. Raises BadMessage."""
    if len(frames) < 5 or frames[-5] != DELIMITER:
        raise BadMessage("not the head of a message")
    return _read([*frames[-3:], b"{}"], [], 0)


def _read(parts: list[bytes], buffers: list[bytes], lost: int) -> Message:
    if lost:
        parts = [part or b"{}" for part in parts]
    header, parent, metadata, content = map(load, parts)
    msg_id, msg_type, parent_id = header.get("msg_id", ""), header.get("msg_type"), parent.get("msg_id", "")
    if not (isinstance(msg_id, str) and isinstance(msg_type, str) and isinstance(parent_id, str) and msg_type):
        raise BadMessage("a header without a type")
    if len(parts[0]) + len(parts[1]) > MAX_HEADER:
        raise BadMessage("a header too large")
    return Message(
        msg_id,
        msg_type,
        parent_id,
        one_line(parts[0], header),
        one_line(parts[1], parent),
        one_line(parts[2], metadata),
        one_line(parts[3], content),
        content,
        buffers,
        lost,
    )
