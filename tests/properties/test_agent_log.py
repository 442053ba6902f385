"""The log of a sandbox, whatever is written to it and whoever reads it when."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interpreters.agent.log import OVERHEAD, Log, Owner

LIMIT = 40_000
OWNERS = [Owner("default", ""), *(Owner(context, f"{context}{n}") for context in ("default", "b") for n in range(3))]

# What happens to a log: a message of an execution, of so many bytes; or an execution's end.
messages = st.tuples(st.just("write"), st.sampled_from(OWNERS), st.integers(0, 3000))
endings = st.tuples(st.just("end"), st.sampled_from(OWNERS[1:]), st.just(0))
histories = st.lists(st.one_of(messages, messages, messages, endings), max_size=150)


def do(log: Log, event: tuple[str, Owner, int]) -> None:
    verb, owner, size = event
    header = b'{"msg_type":"%b"}' % (b"execution_state" if verb == "end" else b"stream")
    parent = json.dumps({"msg_id": owner.execution} if owner.execution else {}).encode()
    channel = "agent" if verb == "end" else "iopub"
    log.append(owner, channel, header, parent, b'"%b"' % (b"x" * size), lasting=verb == "end")
    if verb == "end":
        log.finish(owner)


def everything(log: Log, after: int = 0, most: int = 1 << 30) -> list[bytes]:
    read: list[bytes] = []
    while True:
        batch, after = log.read(after, most)
        if not batch:
            return read
        read += batch


def parsed(entries: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in entries]


def is_cut(entry: dict[str, Any]) -> bool:
    return bool(entry["header"]["msg_type"] == "cut")


@given(histories)
def test_only_a_cut_jumps_and_it_counts_what_is_gone(history: list[tuple[str, Owner, int]]) -> None:
    log = Log(LIMIT)
    for event in history:
        do(log, event)
    last = 0
    gone: dict[tuple[str, str], int] = {}
    kept: dict[tuple[str, str], int] = {}
    for entry in parsed(everything(log)):
        whose = entry["context"], entry["parent_header"].get("msg_id", "")
        if is_cut(entry):
            assert entry["content"]["first"] == last + 1
            gone[whose] = gone.get(whose, 0) + entry["content"]["messages"]
        else:
            assert entry["seq"] == last + 1
            kept[whose] = kept.get(whose, 0) + 1
        last = entry["seq"]
    assert last == log.seq == len(history)
    for owner in OWNERS:
        written = sum(event[1] == owner for event in history)
        whose = owner.context, owner.execution
        assert kept.get(whose, 0) + gone.get(whose, 0) == written


@given(histories)
def test_it_is_bounded_and_keeps_the_newest(history: list[tuple[str, Owner, int]]) -> None:
    log = Log(LIMIT)
    for event in history:
        do(log, event)
        entries = everything(log)
        newest = parsed(entries[-1:])[0]
        assert newest["seq"] == log.seq
        assert not is_cut(newest)
        cuts = sum(is_cut(entry) for entry in parsed(entries))
        assert sum(len(entry) + OVERHEAD for entry in entries) <= LIMIT + 4000 + cuts * 700


@given(histories, st.integers(0, 200), st.integers(1, 5000))
def test_a_reader_that_comes_back_joins_where_it_left(
    history: list[tuple[str, Owner, int]], after: int, most: int
) -> None:
    log = Log(LIMIT)
    for event in history:
        do(log, event)
    whole = everything(log)
    first, after = log.read(0, most)
    assert first + everything(log, after, most) == whole
    head = [entry for entry in whole if json.loads(entry)["seq"] <= after]
    assert head + everything(log, after) == whole


@settings(max_examples=60)
@given(histories, st.lists(st.integers(0, 150), max_size=12))
def test_readers_at_any_pace_see_the_same(history: list[tuple[str, Owner, int]], pauses: list[int]) -> None:
    """One reads at every change, the other now and then: what the slow one gets is the quick one's, less the cuts."""
    log = Log(LIMIT)
    quick: dict[int, bytes] = {}
    slow: list[bytes] = []
    quick_after = slow_after = 0
    for number, event in enumerate(history):
        do(log, event)
        batch, quick_after = log.read(quick_after)
        quick |= {json.loads(entry)["seq"]: entry for entry in batch}
        if number in pauses:
            slow += everything(log, slow_after)
            slow_after = log.seq
    slow += everything(log, slow_after)
    assert sorted(quick) == list(range(1, len(history) + 1))
    assert not any(is_cut(entry) for entry in parsed(list(quick.values())))
    last = 0
    for raw, entry in zip(slow, parsed(slow), strict=True):
        if is_cut(entry):
            assert entry["content"]["first"] <= last + 1 <= entry["seq"]
        else:
            assert entry["seq"] == last + 1
            assert raw == quick[entry["seq"]]
        last = entry["seq"]
    assert last == len(history)


@given(st.integers(20, 120), st.integers(100, 2000))
def test_too_much_of_one_execution_keeps_its_head_and_tail(count: int, size: int) -> None:
    log = Log(LIMIT)
    owner = OWNERS[1]
    for _ in range(count):
        do(log, ("write", owner, size))
    kept = [entry["seq"] for entry in parsed(everything(log)) if not is_cut(entry)]
    assert kept[0] == 1
    assert kept[-1] == count
    _, cut = log.outputs(owner)
    assert len(kept) + cut["messages"] == count


@settings(max_examples=20)
@given(st.integers(100, 1000))
def test_what_finished_goes_before_what_is_new_and_how_it_ended_stays_longest(count: int) -> None:
    log = Log(10 * LIMIT)
    for number in range(count):
        owner = Owner("default", f"old{number}")
        do(log, ("write", owner, 1500))
        do(log, ("end", owner, 0))
    for _ in range(5):
        do(log, ("write", OWNERS[1], 1500))
    entries = [entry for entry in parsed(everything(log)) if not is_cut(entry)]
    assert sum(entry["parent_header"].get("msg_id") == OWNERS[1].execution for entry in entries) == 5
    ended = {entry["parent_header"]["msg_id"] for entry in entries if entry["channel"] == "agent"}
    assert {f"old{number}" for number in range(max(0, count - 200), count)} <= ended
    assert sum(len(entry) + OVERHEAD for entry in everything(log)) <= 10 * LIMIT + 4000
