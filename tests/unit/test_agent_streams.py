"""Stream text is coalesced, and never in anybody's way."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.agent.journal import MAX_MESSAGE, Journal
from interpreters.agent.log import Owner
from interpreters.agent.messages import Message, dump
from interpreters.agent.streams import INTERVAL, MOST_TEXT, pieces

OWNER = Owner("default", "e1")
OTHER = Owner("default", "e2")


def stream(text: str, name: str = "stdout") -> Message:
    content = {"name": name, "text": text}
    return Message("m", "stream", "e1", b'{"msg_type":"stream"}', b"{}", b"{}", dump(content), content)


def message(msg_type: str, content: dict[str, Any], buffers: list[bytes] | None = None) -> Message:
    header = dump({"msg_type": msg_type})
    return Message("m", msg_type, "e1", header, b"{}", b"{}", dump(content), content, buffers or [])


def entries(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in journal.log.read(0, 1 << 40)[0]]


def said(journal: Journal) -> list[Any]:
    return [entry["content"].get("text", entry["header"]["msg_type"]) for entry in entries(journal)]


@pytest.fixture
def journal() -> Journal:
    return Journal(64 << 20)


async def test_the_first_text_goes_out_at_once_and_what_follows_is_gathered(journal: Journal) -> None:
    for text in "abc":
        journal.take(OWNER, "iopub", stream(text))
    assert said(journal) == ["a"]
    await asyncio.wait_for(journal.log.wait(1), 5)
    assert said(journal) == ["a", "bc"]


async def test_text_of_two_widgets_messages_keeps_its_parents(journal: Journal) -> None:
    """What no execution printed has one owner: its parent tells whose it is."""
    nobody = Owner("default", "")
    for parent, text in (("w:1", "a"), ("w:1", "b"), ("w:2", "c"), ("w:2", "d")):
        content = {"name": "stdout", "text": text}
        header = dump({"msg_id": parent})
        journal.take(
            nobody,
            "iopub",
            Message("m", "stream", parent, b'{"msg_type":"stream"}', header, b"{}", dump(content), content),
        )
    journal.flush(nobody)
    told = [(entry["parent_header"]["msg_id"], entry["content"]["text"]) for entry in entries(journal)]
    assert told == [("w:1", "a"), ("w:1", "b"), ("w:2", "cd")]


async def test_a_result_is_never_behind_its_text(journal: Journal) -> None:
    for text in "abc":
        journal.take(OWNER, "iopub", stream(text))
    journal.take(OWNER, "iopub", message("execute_result", {"data": {}}))
    journal.take(OWNER, "iopub", stream("d"))
    journal.say(OWNER, "execution_state", {"state": "ok"}, last=True)
    assert said(journal) == ["a", "bc", "execute_result", "d", "execution_state"]
    journal.flush(OWNER)
    assert len(said(journal)) == 5


async def test_names_and_executions_are_gathered_apart(journal: Journal) -> None:
    for _ in range(3):
        journal.take(OWNER, "iopub", stream("o"))
        journal.take(OWNER, "iopub", stream("e", "stderr"))
        journal.take(OTHER, "iopub", stream("x"))
    journal.flush(OWNER)
    assert said(journal) == ["o", "e", "x", "oo", "ee"]


async def test_a_flood_makes_few_entries(journal: Journal) -> None:
    loop = asyncio.get_running_loop()
    start, count = loop.time(), 0
    while loop.time() - start < 5 * INTERVAL:
        journal.take(OWNER, "iopub", stream("x"))
        count += 1
        await asyncio.sleep(0)
    journal.flush(OWNER)
    assert "".join(said(journal)) == "x" * count
    assert len(said(journal)) <= 2 + (loop.time() - start) / INTERVAL


@pytest.mark.parametrize("letter", ["x", "é", "😀", "\x1b", '"', "\ud800"])
def test_no_entry_is_large_whatever_the_letters(letter: str) -> None:
    made = pieces(letter * 400_000)
    assert all(len(piece) <= MOST_TEXT for piece in made)
    shown = letter if letter != "\ud800" else "?"
    assert "".join(json.loads(piece) for piece in made) == shown * 400_000


@given(st.text(st.characters(codec="utf-8")))
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(json.loads(piece) for piece in pieces(text)) == text


async def test_an_image_passes_whole_and_what_is_too_large_becomes_a_notice(journal: Journal) -> None:
    journal.take(OWNER, "iopub", message("display_data", {"data": {"image/png": "x" * (4 << 20)}, "transient": {}}))
    big = {"data": {"image/png": "x" * MAX_MESSAGE}, "transient": {"display_id": "d1"}, "metadata": {}}
    journal.take(OWNER, "iopub", message("update_display_data", big))
    journal.take(OWNER, "iopub", message("comm_msg", {"comm_id": "c"}, [b"x" * MAX_MESSAGE]))
    image, notice, comm = (entry["content"] for entry in entries(journal))
    assert len(image["data"]["image/png"]) == 4 << 20
    assert "too large to show" in notice["data"]["text/plain"]
    assert notice["transient"] == {"display_id": "d1"}
    assert comm["comm_id"] == "c"
    assert "buffers" not in entries(journal)[2]


async def test_buffers_are_base64(journal: Journal) -> None:
    journal.take(OWNER, "iopub", message("comm_msg", {"comm_id": "c"}, [b"\0\1", b"hi"]))
    assert entries(journal)[0]["buffers"] == ["AAE=", "aGk="]


async def test_a_stream_of_a_name_that_is_none_is_dropped(journal: Journal) -> None:
    journal.take(OWNER, "iopub", stream("x", "stdfoo"))
    journal.take(OWNER, "iopub", message("stream", {"name": "stdout", "text": 7}))
    assert said(journal) == []
