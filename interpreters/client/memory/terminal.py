"""A shell that echoes, and ends at `exit`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

RING = 256 * 1024


class MemoryTerminal:
    """Shared by all who are attached; each reads from a queue of its own."""

    def __init__(self) -> None:
        self.size = (24, 80)
        self.exited = False
        self._ring = b"$ "
        self._readers: list[asyncio.Queue[bytes | str | None]] = []

    def attach(self) -> "asyncio.Queue[bytes | str | None]":
        queue: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        queue.put_nowait(json.dumps({"replay": len(self._ring)}))
        queue.put_nowait(self._ring)
        self._readers.append(queue)
        return queue

    def detach(self, queue: "asyncio.Queue[bytes | str | None]") -> None:
        self._readers.remove(queue)

    async def send(self, data: bytes) -> None:
        self._say(data)
        if data.strip() == b"exit":
            self.hang_up(0)

    def hang_up(self, code: int = -9) -> None:
        self.exited = True
        for queue in self._readers:
            queue.put_nowait(json.dumps({"exit": code}))
            queue.put_nowait(None)

    async def resize(self, rows: int, cols: int) -> None:
        self.size = (rows, cols)

    def _say(self, data: bytes) -> None:
        self._ring = (self._ring + data)[-RING:]
        for queue in self._readers:
            queue.put_nowait(data)


class Line:
    """One reader's line to a terminal."""

    def __init__(self, terminal: MemoryTerminal, queue: "asyncio.Queue[bytes | str | None]") -> None:
        self._queue = queue
        self.send, self.resize = terminal.send, terminal.resize

    async def __aiter__(self) -> AsyncIterator[bytes | str]:
        while (data := await self._queue.get()) is not None:
            yield data


@asynccontextmanager
async def attached(terminal: MemoryTerminal) -> AsyncIterator[Line]:
    queue = terminal.attach()
    try:
        yield Line(terminal, queue)
    finally:
        terminal.detach(queue)
