"""A flood waits for its fastest reader, and for nobody else."""

import asyncio

import pytest

from interpreters.agent import flow
from interpreters.agent.flow import MOST_AHEAD, Flow
from interpreters.agent.log import NOBODY, Log


class Source:
    paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


@pytest.fixture
def log() -> Log:
    return Log(16 << 20)


def write(log: Log, size: int) -> None:
    for _ in range(size >> 16):
        log.append(NOBODY, "iopub", b"{}", b"{}", b'"' + b"x" * (1 << 16) + b'"')


async def test_a_source_is_held_while_its_reader_is_behind(log: Log) -> None:
    flood, source = Flow(log), Source()
    with flood.reader():
        write(log, MOST_AHEAD)
        flood.check(source)
        assert source.paused
        flood.took(log.seq // 4)
        assert source.paused
        flood.took(log.seq)
        assert not source.paused


async def test_a_reader_that_keeps_up_holds_nothing(log: Log) -> None:
    flood, source = Flow(log), Source()
    with flood.reader():
        for _ in range(8):
            write(log, MOST_AHEAD // 2)
            flood.check(source)
            assert not source.paused
            flood.took(log.seq)


async def test_nobody_waits_where_nobody_reads(log: Log) -> None:
    flood, source = Flow(log), Source()
    write(log, 2 * MOST_AHEAD)
    flood.check(source)
    assert not source.paused


async def test_the_last_reader_that_leaves_lets_go(log: Log) -> None:
    flood, source = Flow(log), Source()
    with flood.reader():
        write(log, 2 * MOST_AHEAD)
        flood.check(source)
        assert source.paused
    assert not source.paused


async def test_a_reader_that_has_stalled_is_waited_for_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PATIENCE", 0.01)
    flood, source = Flow(log), Source()
    with flood.reader():
        write(log, 2 * MOST_AHEAD)
        flood.check(source)
        async with asyncio.timeout(5):
            while source.paused:
                await asyncio.sleep(0)
        write(log, MOST_AHEAD)
        flood.check(source)
        assert not source.paused  # it was in vain
        flood.took(log.seq // 2)
        write(log, MOST_AHEAD)
        flood.check(source)
        assert source.paused  # it reads again


async def test_what_was_cut_counts_as_written(log: Log) -> None:
    flood, source = Flow(log), Source()
    with flood.reader():
        write(log, 64 << 20)  # four times what the log keeps
        flood.took(log.seq)
        flood.check(source)
        assert not source.paused
