"""Stream text, coalesced: at most about thirty entries a second for each execution and name, none of them large.

The first text goes out at once; what follows within the interval waits for its end. Whoever writes anything else of
the same execution flushes first, so order is kept and neither a result nor an ending ever waits for a timer.
"""

import asyncio
from dataclasses import dataclass, field

from .log import Log, Owner
from .messages import dump_text

INTERVAL = 1 / 30  # seconds
MOST_TEXT = 250 << 10  # bytes of JSON text in one entry: with its frame below 256 KiB


@dataclass(slots=True)
class _Pending:
    header: bytes
    parent: bytes
    quiet_until: float
    texts: list[str] = field(default_factory=list)
    size: int = 0
    content: bytes = b""  # as the kernel wrote it, while there is one text only
    timer: asyncio.TimerHandle | None = None


class Streams:
    """Coalesces `stream` messages into a log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pending: dict[tuple[Owner, str], _Pending] = {}

    def write(self, owner: Owner, name: str, text: str, header: bytes, parent: bytes, content: bytes) -> None:
        """`content` is the message's, with nothing in it but `name` and `text`."""
        key = (owner, name)
        loop = asyncio.get_running_loop()
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(header, parent, 0.0)
        if pending.size + len(text) > MOST_TEXT or pending.parent != parent:
            self._flush(key, pending)  # what is large enough already, or answers something else, stays as it is
        pending.parent = parent
        pending.content = b"" if pending.texts else content
        pending.texts.append(text)
        pending.size += len(text)
        pending.header = header
        wait = pending.quiet_until - loop.time()
        if wait <= 0 or pending.size >= MOST_TEXT // 2:
            self._flush(key, pending)
        elif pending.timer is None:
            pending.timer = loop.call_later(wait, self._flush, key, pending)

    def flush(self, owner: Owner, ended: bool = False) -> None:
        """Write out what waits for this execution; forget it when it `ended`."""
        for name in ("stdout", "stderr"):
            pending = self._pending.get((owner, name))
            if pending is not None:
                self._flush((owner, name), pending)
                if ended:
                    del self._pending[owner, name]

    def _flush(self, key: tuple[Owner, str], pending: _Pending) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
            pending.timer = None
        if not pending.texts:
            return
        contents = self._contents(key[1], pending)
        pending.texts, pending.size, pending.content = [], 0, b""
        pending.quiet_until = asyncio.get_running_loop().time() + INTERVAL
        for content in contents:
            self._log.append(key[0], "iopub", pending.header, pending.parent, content)

    def _contents(self, name: str, pending: _Pending) -> list[bytes]:
        if pending.content and len(pending.content) <= MOST_TEXT:
            return [pending.content]  # encoding it again would be a third of the work of a flood
        return [b'{"name":"%b","text":%b}' % (name.encode(), piece) for piece in pieces("".join(pending.texts))]


def pieces(text: str) -> list[bytes]:
    """The text as JSON strings of at most MOST_TEXT bytes each."""
    if len(text) <= MOST_TEXT:
        encoded = dump_text(text)
        if len(encoded) <= MOST_TEXT:
            return [encoded]
    step = MOST_TEXT if len(text) > MOST_TEXT else len(text) // 2
    return [piece for at in range(0, len(text), step) for piece in pieces(text[at : at + step])]
