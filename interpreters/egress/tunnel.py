"""Carrying bytes between a sandbox and its destination, for as long as both move and the policy holds.

Each direction waits for its reader, so a connection costs a few buffers however fast one side is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from interpreters.egress.asked import Body
from interpreters.egress.http import CHUNK, body_pieces

IDLE = 600.0  # seconds without a byte in either direction
RECHECK = 2.0  # seconds between two looks at the policy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Count = Callable[[int], None]


class Tunnel:
    def __init__(
        self, sandbox: Streams, destination: Streams, sent: Count, received: Count, idle: float = IDLE
    ) -> None:
        self._sandbox, self._destination = sandbox, destination
        self._sent, self._received, self._idle = sent, received, idle
        self._moved_at = time.monotonic()

    async def carry(self, body: Body | None, may_go_on: Callable[[], Awaitable[bool]]) -> None:
        """Until both sides are done, one fails, nothing moves any more, or it may not go on.

        A plain request, which has a `body`, is over with its answer, whatever the client may still be sending.
        """
        (reader, writer), (far_reader, far_writer) = self._sandbox, self._destination
        out = self._pump(reader, far_writer, self._sent) if body is None else self._send(body, reader, far_writer)
        upward = asyncio.create_task(out)
        downward = asyncio.create_task(self._pump(far_reader, writer, self._received))
        watch = asyncio.create_task(self._watch(may_go_on))
        tasks = {upward, downward, watch}
        try:
            while not watch.done() and not downward.done():
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if upward in tasks and upward.done():
                    error = upward.exception()
                    # Who has answered early may take no more of a body.
                    if error is not None and (body is None or not isinstance(error, OSError)):
                        return
                    tasks.discard(upward)
            if body is None and not watch.done() and downward.exception() is None:
                await asyncio.wait((upward, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (upward, downward, watch):
                task.cancel()
            await asyncio.gather(upward, downward, watch, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Count) -> None:
        while data := await reader.read(CHUNK):
            await self._pass(data, writer, count)
        with suppress(OSError):
            writer.write_eof()

    async def _send(self, body: Body, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A request's body, and no byte that follows it."""
        async for piece in body_pieces(body, reader):
            await self._pass(piece, writer, self._sent)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, count: Count) -> None:
        writer.write(data)
        count(len(data))
        self._moved_at = time.monotonic()
        await writer.drain()
        self._moved_at = time.monotonic()

    async def _watch(self, may_go_on: Callable[[], Awaitable[bool]]) -> None:
        """Return when it must end."""
        while time.monotonic() - self._moved_at < self._idle:
            await asyncio.sleep(RECHECK)
            if not await may_go_on():
                return
