"""A Docker engine that can be told to misbehave: a Unix socket in front of the real one.

Between a worker and its engine it can fall silent, or end the worker at an exact step of a launch.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE) [^ ]+")
CHUNK = 64 * 1024


@dataclass
class Trap:
    """Acts once, when a matching request comes by, and swallows it: before the engine sees it, or its answer."""

    request: re.Pattern[bytes]
    action: Callable[[], object]
    after: bool
    sprung: threading.Event = field(default_factory=threading.Event)

    def matches(self, data: bytes) -> bool:
        line = REQUEST.match(data)
        return not self.sprung.is_set() and line is not None and self.request.search(line[0]) is not None

    def spring(self) -> None:
        # Several requests may have come by before the first was answered.
        if not self.sprung.is_set():
            self.action()
            self.sprung.set()


class EngineProxy:
    """Serves from its own thread, so that tests may be synchronous or not."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path, self.engine = path, engine
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._trap: Trap | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """As long as this lasts the engine takes connections and says nothing."""
        self._loop.call_soon_threadsafe(self._flowing.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._flowing.set)

    @contextlib.contextmanager
    def trap(self, request: str, action: Callable[[], object], *, after: bool = False) -> Iterator[Trap]:
        """Do `action` once, in place of the first request that matches, or of the engine's answer to it."""
        self._trap = Trap(re.compile(request.encode()), action, after)
        try:
            yield self._trap
        finally:
            self._trap = None

    def start(self) -> None:
        self._thread.start()
        serving = asyncio.start_unix_server(self._serve, self.path)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _hang_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(self.engine)
        line = _Line()
        there = asyncio.create_task(self._requests(reader, their_writer, line))
        back = asyncio.create_task(self._answers(their_reader, writer, line))
        await asyncio.wait([there, back])
        for end in (writer, their_writer):
            end.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: "_Line") -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                trap = self._trap
                if trap and trap.matches(data):
                    if not trap.after:
                        trap.spring()
                        break
                    line.trap = trap
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: "_Line") -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                if line.trap:
                    line.trap.spring()
                    break
                writer.write(data)
                await writer.drain()
            writer.close()


class _Line:
    """One connection; `trap` waits for the answer to what was just asked on it."""

    trap: Trap | None = None
