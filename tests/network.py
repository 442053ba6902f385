"""A network between a browser and the web server that goes away: connections that are open fall silent, new ones fail.

A browser's own switch for being offline leaves its WebSockets alone, as no lost network does.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Self

CHUNK = 64 * 1024


class Network:
    """Serves from its own thread, at `port` of this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._up = True
        self._lines: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """What is open is told nothing: it hears no more, and nothing of it arrives."""
        self._up = False
        try:
            yield
        finally:
            self._up = True

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        inward, outward = await asyncio.open_connection("127.0.0.1", self._target)
        for source, drain in ((reader, outward), (inward, writer)):
            line = asyncio.create_task(self._carry(source, drain))
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)

    async def _carry(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if not self._up:
                    await asyncio.Event().wait()  # lost for good: a cut line does not come back
                drain.write(data)
                await drain.drain()
        drain.close()
