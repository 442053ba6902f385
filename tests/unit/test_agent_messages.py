"""What a kernel says, made fit to be passed on: signed, parsed, on one line, at any size."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.agent.longtext import LongText
from interpreters.agent.messages import DELIMITER, BadMessage, Signer, dump, dump_text, new_header

SIGNER = Signer("secret")


def packed(content: bytes = b"{}", msg_type: str = "stream", header: bytes = b"") -> list[bytes]:
    parts = [header or dump(new_header(msg_type, "kernel")), b'{"msg_id":"e1"}', b"{}", content]
    return [b"topic", DELIMITER, SIGNER._sign(parts), *parts]


def test_what_is_packed_is_unpacked() -> None:
    frames = SIGNER.pack(new_header("stream", "s", "m1"), {"msg_id": "e1"}, {}, {"name": "stdout", "text": "é"})
    message = SIGNER.unpack([b"identity", *frames, b"buffer"])
    assert (message.msg_id, message.msg_type, message.parent_id) == ("m1", "stream", "e1")
    assert message.parsed == json.loads(message.content) == {"name": "stdout", "text": "é"}
    assert message.buffers == [b"buffer"]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"no delimiter"],
        [DELIMITER],
        [DELIMITER, b"sig", b"{}"],
        [DELIMITER, b"wrong", b"{}", b"{}", b"{}", b"{}"],
        [DELIMITER, b"\xff\xfe", b"{}", b"{}", b"{}", b"{}"],
        packed(b"not json"),
        packed(b"[1]"),
        packed(b"\xff"),
        packed(b'{"a":' * 100_000),
        packed(b'{"a":' + b"9" * 5000 + b"}"),
        packed(header=b"{}"),
        packed(header=b'{"msg_type": 7}'),
        packed(header=b'{"msg_type": "stream", "msg_id": null}'),
        packed(header=b'{"msg_type": "stream", "x": "' + b"x" * 20_000 + b'"}'),
    ],
)
def test_what_is_not_the_kernels_or_malformed_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        SIGNER.unpack(frames)


@pytest.mark.parametrize(
    ("content", "meaning"),
    [
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
        (b'{\n"a": 1\r\n}', {"a": 1}),
        (b'{"a": "\\ud800 alone"}', {"a": "? alone"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"a": "\u2028 😀"}'.encode(), {"a": "\u2028 😀"}),
    ],
)
def test_what_is_passed_on_is_strict_json_on_one_line(content: bytes, meaning: dict[str, Any]) -> None:
    passed = SIGNER.unpack(packed(content)).content
    assert b"\n" not in passed
    assert b"NaN" not in passed
    assert json.loads(passed.decode("utf-8"), parse_constant=lambda _: pytest.fail("not strict")) == meaning


@given(st.text(st.characters(codec="utf-8")))
def test_dumping_text_is_dumping_json(text: str) -> None:
    assert json.loads(dump_text(text)) == json.loads(dump(text)) == text


# --- Text that comes in pieces

texts = st.lists(
    st.one_of(st.text(), st.sampled_from(["\\" * 9, '"' * 9, "😀" * 9, "\x1b[0m" * 9, "é" * 9, "x" * 100, "\n"])),
    max_size=12,
).map(lambda parts: "".join(parts).encode("utf-8", "replace").decode())


@given(texts, st.booleans(), st.integers(40, 200), st.data())
def test_long_text_in_any_pieces_joins_to_the_same(
    text: str, ascii_only: bool, first: int, data: st.DataObject
) -> None:
    content = json.dumps({"name": "stderr", "text": text}, ensure_ascii=ascii_only).encode()
    *head, _ = packed()
    long = LongText.begin(head, content[:first])
    assert long is not None
    got, at = "", first
    while True:
        size = data.draw(st.integers(0, 40))
        message = long.feed(content[at : at + size], last=at + size >= len(content))
        at += size
        if message is not None:
            assert message.parsed["name"] == "stderr"
            assert not any("\ud800" <= letter <= "\udfff" for letter in message.parsed["text"])
            got += message.parsed["text"]
        if at >= len(content):
            break
    assert got == text


@pytest.mark.parametrize(
    ("head", "start"),
    [
        (packed()[:-1], b'{"data": "stdout", "text": "x'),
        (packed()[:-1], b'{"name": "stdin", "text": "x'),
        (packed(msg_type="display_data")[:-1], b'{"name": "stdout", "text": "x'),
        ([b"x"], b'{"name": "stdout", "text": "x'),
        ([DELIMITER, b"sig", b"junk", b"{}", b"{}"], b'{"name": "stdout", "text": "x'),
    ],
)
def test_only_a_streams_text_is_taken_in_pieces(head: list[bytes], start: bytes) -> None:
    assert LongText.begin(head, start) is None


def test_long_text_that_turns_out_to_be_no_json_is_not_shown_further() -> None:
    long = LongText.begin(packed()[:-1], b'{"name": "stdout", "text": "fine ' + b"." * 200)
    assert long is not None
    assert long.feed(b"." * 100, last=False) is not None
    assert long.feed(b'", "text": "\x00' + b"." * 200, last=False) is None
    assert long.feed(b'fine again"}', last=True) is None
