"""The bounded, numbered log of a sandbox. A reader is only a number: the seq that it has seen.

No reader has a queue, so a slow one, or a thousand, cost nothing. When the log is over its bound, `trim` replaces
what matters least by `cut` entries: the middle of an execution with too much output, then the output of the oldest
finished executions, then the oldest of everything. What is cut is always counted, and the newest always stays.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .messages import dump, new_header

OVERHEAD = 250  # bytes that one entry costs beside its text, roughly
MOST_CUTS = 20  # side by side
REMEMBERED = 200  # finished executions whose ending outlasts their output


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose output an entry is; `execution` is "" for what belongs to none."""

    context: str
    execution: str


NOBODY = Owner("", "")


@dataclass(slots=True)
class Entry:
    seq: int
    owner: Owner
    data: bytes  # the whole entry as JSON, on one line
    lasting: bool = False  # dropped last: how an execution ended
    shown: bool = False  # an output, wanted by `outputs()`
    messages: int = 0  # a cut: so many entries, of so many bytes, were here, from `first` to `seq`
    bytes: int = 0
    first: int = 0
    end: int = 0  # bytes of all that was ever written, up to and with this

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD


class Log:
    """Entries in order of seq, at most about `limit` bytes of them, and at most half of that for one execution."""

    def __init__(self, limit: int) -> None:
        self.seq = 0
        self.end = 0  # bytes of all that was ever written
        self._limit = limit
        self._entries: list[Entry] = []
        self._total = 0
        self._sizes: dict[Owner, int] = {}
        self._finished: dict[Owner, None] = {}  # oldest first
        self._changed: asyncio.Future[None] | None = None

    def append(
        self,
        owner: Owner,
        channel: str,
        header: bytes,
        parent: bytes,
        content: bytes,
        *,
        metadata: bytes = b"{}",
        buffers: bytes = b"",
        lasting: bool = False,
    ) -> None:
        """Number a message and keep it. The parts are JSON; `buffers` is a JSON list or empty."""
        self.seq += 1
        data = _entry(self.seq, owner.context, channel, header, parent, metadata, content, buffers)
        entry = Entry(self.seq, owner, data, lasting, channel == "iopub")
        self._entries.append(entry)
        self.end += entry.size
        entry.end = self.end
        self._total += entry.size
        size = self._sizes[owner] = self._sizes.get(owner, 0) + entry.size
        if self._total > self._limit or size > self._limit // 2:
            self._trim()
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    def finish(self, owner: Owner) -> None:
        """Nothing more is expected of this execution: its output may go before that of others."""
        self._finished[owner] = None

    def read(self, after: int, most: int = 256 << 10) -> tuple[list[bytes], int]:
        """Entries behind `after`, about `most` bytes of them and at least one if there is any; and the new `after`."""
        start = bisect_right(self._entries, after, key=lambda entry: entry.seq)
        batch: list[bytes] = []
        for entry in self._entries[start : start + 1000]:
            batch.append(entry.data)
            after = entry.seq
            most -= len(entry.data)
            if most <= 0:
                break
        return batch, after

    def offset(self, seq: int) -> int:
        """How much of `end` had been written when that seq was."""
        at = bisect_right(self._entries, seq, key=lambda entry: entry.seq)
        return self._entries[at - 1].end if at else 0

    async def wait(self, after: int) -> None:
        """Until there is an entry behind `after`."""
        while self.seq <= after:
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._changed)

    def outputs(self, owner: Owner) -> tuple[list[bytes], dict[str, int]]:
        """What an execution has put out and is still here, and the sum of what was cut."""
        cut = {"messages": 0, "bytes": 0}
        kept = []
        for entry in self._entries:
            if entry.owner == owner:
                cut["messages"] += entry.messages
                cut["bytes"] += entry.bytes
                if entry.shown:
                    kept.append(entry.data)
        return kept, cut

    def _trim(self) -> None:
        self._entries = trim(self._entries, self._limit, list(self._finished))
        self._total = sum(entry.size for entry in self._entries)
        self._sizes = _sizes(self._entries)
        self._finished = {owner: None for owner in self._finished if owner in self._sizes}


def trim(entries: Sequence[Entry], limit: int, finished: Iterable[Owner]) -> list[Entry]:
    """The same log within its bound. Drops down to three quarters, so that it is seldom called."""
    sizes = _sizes(entries)
    doomed: set[int] = set()
    for owner, size in sizes.items():
        if size > limit // 2:
            doomed |= _middle([entry for entry in entries if entry.owner == owner], size - limit * 3 // 8)
    excess = sum(sizes.values()) - sum(entry.size for entry in entries if entry.seq in doomed)
    if excess > limit:
        excess -= limit * 3 // 4
        doomed |= _oldest(entries, doomed, list(finished), excess)
    return _with_cuts(entries, doomed)


def _sizes(entries: Iterable[Entry]) -> dict[Owner, int]:
    sizes: dict[Owner, int] = {}
    for entry in entries:
        sizes[entry.owner] = sizes.get(entry.owner, 0) + entry.size
    return sizes


def _middle(entries: Sequence[Entry], excess: int) -> set[int]:
    """Enough of one execution's output to lose `excess` bytes: a quarter of what stays is its head."""
    head = (sum(entry.size for entry in entries) - excess) // 4
    doomed = set()
    for entry in entries:
        head -= entry.size
        if head >= 0 or entry.lasting or entry.messages:
            continue
        if excess <= 0:
            break
        doomed.add(entry.seq)
        excess -= entry.size
    doomed.discard(entries[-1].seq)
    return doomed


def _oldest(entries: Sequence[Entry], gone: set[int], finished: Sequence[Owner], excess: int) -> set[int]:
    """All of executions long finished; the output of the others that finished, oldest first; then anybody's output;
    how executions ended last."""
    age = {owner: number for number, owner in enumerate(finished)}
    forgotten = len(age) - REMEMBERED

    def worth(entry: Entry) -> tuple[int, int, int]:
        its_age = age.get(entry.owner, len(age))
        kind = 0 if its_age < forgotten else 3 if entry.lasting else 1 if entry.owner in age else 2
        return kind, its_age, entry.seq

    doomed = set()
    newest = entries[-1].seq
    for entry in sorted(entries, key=worth):
        if excess <= 0:
            break
        if entry.seq not in gone and entry.seq != newest and not entry.messages:
            doomed.add(entry.seq)
            excess -= entry.size
    return doomed


def _with_cuts(entries: Sequence[Entry], doomed: set[int]) -> list[Entry]:
    kept: list[Entry] = []
    run: list[Entry] = []
    for entry in entries:
        if entry.seq in doomed or entry.messages:
            run.append(entry)
            continue
        kept += _cuts(run)
        run = []
        kept.append(entry)
    return kept + _cuts(run)


def _cuts(run: Sequence[Entry]) -> list[Entry]:
    """One cut for each execution that lost something in a run without gaps. They take the last seqs of the run."""
    if not run or (len(run) == 1 and run[0].messages):
        return list(run)
    lost: dict[Owner, tuple[int, int]] = {}
    for entry in run:
        messages, size = lost.get(entry.owner, (0, 0))
        lost[entry.owner] = messages + (entry.messages or 1), size + (entry.bytes or len(entry.data))
    while len(lost) > MOST_CUTS:  # executions long gone: what they lost is summed up
        messages, size = lost.pop(next(owner for owner in lost if owner != NOBODY))
        others = lost.get(NOBODY, (0, 0))
        lost[NOBODY] = others[0] + messages, others[1] + size
    first, last = run[0].first or run[0].seq, run[-1].seq
    seqs = range(last - len(lost) + 1, last + 1)
    cuts = []
    for seq, (owner, (messages, size)) in zip(seqs, lost.items(), strict=True):
        cuts.append(_cut(seq, owner, messages, size, first, run[-1].end))
        first = seq + 1
    return cuts


def _cut(seq: int, owner: Owner, messages: int, size: int, first: int, end: int) -> Entry:
    content: dict[str, Any] = {"messages": messages, "bytes": size, "first": first}
    header = dump(new_header("cut", "agent"))
    parent = dump({"msg_id": owner.execution} if owner.execution else {})
    data = _entry(seq, owner.context, "agent", header, parent, b"{}", dump(content), b"")
    return Entry(seq, owner, data, messages=messages, bytes=size, first=first, end=end)


def _entry(
    seq: int, context: str, channel: str, header: bytes, parent: bytes, metadata: bytes, content: bytes, buffers: bytes
) -> bytes:
    return b"".join(
        (
            b'{"seq":%d,"context":"%b","channel":"%b","header":' % (seq, context.encode(), channel.encode()),
            header,
            b',"parent_header":',
            parent,
            b',"metadata":',
            metadata,
            b',"content":',
            content,
            b',"buffers":' + buffers if buffers else b"",
            b"}",
        )
    )
