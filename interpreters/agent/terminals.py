"""Shells on terminals, each with the last of what it printed, for who comes back."""

import asyncio
import fcntl
import json
import os
import re
import signal
import struct
import termios
import time
from collections.abc import Mapping

from .errors import Refusal, bad_request, conflict
from .hostlink import HostLink
from .http import Request
from .kernelspec import NAME
from .messages import Json, dump
from .websocket import BINARY, WebSocket

MAX_TERMINALS = 8
RING = 256 << 10  # bytes kept for replay
CHUNK = 64 << 10
MAX_UNSENT = 4 << 20  # bytes typed or pasted that the shell has not taken
BUSY = 30.0  # seconds after its last output
SHELLS = ("/bin/bash", "/bin/sh")
# A full-screen program takes the alternate screen, and gives it back.
SCREEN = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
TAKE_SCREEN = b"\x1b[?1049h"


class Terminal:
    """One PTY. Output goes into a ring; an attached reader is a position in it, so a slow one skips."""

    def __init__(self, name: str, rows: int, columns: int) -> None:
        self.name, self.rows, self.columns = name, rows, columns
        self.last_output = 0.0
        self.exit_code: int | None = None
        self.attached = 0  # readers
        self.written = 0  # bytes ever printed
        self._ring = bytearray()
        self._full_screen = False
        self._unsent = bytearray()
        self._link: HostLink | None = None
        self._pid, self._fd = 0, -1
        self._changed = asyncio.Event()

    async def start(self, link: HostLink, environment: Mapping[str, str]) -> None:
        """Raises Refusal."""
        self._link = link
        shell = next((path for path in SHELLS if os.access(path, os.X_OK)), SHELLS[-1])
        self._pid, self._fd = await link.spawn(
            self._exited,
            argv=[shell, "-i"],
            env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            terminal=[self.rows, self.columns],
        )
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def describe(self) -> Json:
        return {"name": self.name, "rows": self.rows, "cols": self.columns, "last_output": self.last_output}

    def resize(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        if self._fd >= 0:
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def write(self, data: bytes) -> None:
        """Type. What the shell does not take at once waits; beyond MAX_UNSENT it is dropped with a bell."""
        if self._fd < 0:
            return
        if len(self._unsent) + len(data) > MAX_UNSENT:
            self._print(b"\a")
            return
        self._unsent += data
        self._send()

    def read(self, after: int) -> tuple[bytes, int]:
        """What was printed behind byte `after` and is still kept, and the new position."""
        start = max(after, self.written - len(self._ring))
        offset = len(self._ring) - (self.written - start)
        data = bytes(self._ring[offset : offset + CHUNK])
        if start > after:
            data = safe(data)
        return data, min(start + CHUNK, self.written)

    def replay(self) -> tuple[bytes, int]:
        """The last of what was printed, for who has seen none of it, and the position behind it."""
        data = bytes(self._ring[-RING:])
        if self.written > len(data):
            data = safe(data)
            if self._full_screen and not SCREEN.search(data):  # what took the screen is no longer in it
                data = TAKE_SCREEN + data[len(TAKE_SCREEN) :]
        return data, self.written

    async def wait(self, after: int) -> None:
        """Until there is something behind `after`, or the shell has ended."""
        while self.written <= after and self.exit_code is None:
            self._changed.clear()
            await self._changed.wait()

    def kill(self) -> None:
        if self._link is not None and self._pid and self.exit_code is None:
            self._link.signal(self._pid, signal.SIGHUP)
            self._link.signal(self._pid, signal.SIGKILL)

    def host_lost(self) -> None:
        if self.exit_code is None:
            self._exited(-signal.SIGKILL)

    def _print(self, data: bytes) -> None:
        seen = len(self._ring)
        self._ring += data
        for taken in SCREEN.finditer(self._ring, max(0, seen - len(TAKE_SCREEN))):
            self._full_screen = taken[1] == b"h"
        if len(self._ring) > RING + CHUNK:
            del self._ring[:-RING]
        self.written += len(data)
        self.last_output = time.time()
        self._changed.set()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: every process of the terminal has closed it
            data = b""
        if data:
            self._print(data)
        else:
            self._close()

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            sent = os.write(self._fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent.clear()
            sent = 0
        del self._unsent[:sent]
        if self._unsent:
            loop.add_writer(self._fd, self._send)
        else:
            loop.remove_writer(self._fd)

    def _exited(self, code: int) -> None:
        if self._fd >= 0:
            self._read()
        self._close()
        self.exit_code = code
        self._changed.set()

    def _close(self) -> None:
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


class Terminals:
    def __init__(self, link: HostLink, environment: Mapping[str, str]) -> None:
        self.last_input = 0.0
        self._link, self._environment = link, environment
        self._open: dict[str, Terminal] = {}

    @property
    def busy(self) -> bool:
        return any(time.time() - one.last_output < BUSY for one in self._open.values())

    def describe(self) -> list[Json]:
        return [terminal.describe() for terminal in self._open.values()]

    def new(self, name: str, rows: int, columns: int) -> Terminal:
        return Terminal(name, rows, columns)

    def forget_ended(self) -> None:
        """Those whose end nobody was there to hear."""
        self._open = {name: one for name, one in self._open.items() if one.exit_code is None or one.attached}

    async def open(self, name: str, rows: int, columns: int) -> Terminal:
        """The terminal of that name, new if there is none. Raises Refusal."""
        terminal = self._open.get(name)
        if terminal is not None:
            terminal.resize(rows, columns)
            return terminal
        if not NAME.fullmatch(name):
            raise bad_request("A terminal's name is 1 to 64 letters, digits, dots, dashes and underscores.")
        if len(self._open) >= MAX_TERMINALS:
            raise conflict("too_many", f"{MAX_TERMINALS} terminals are open: close one first.")
        terminal = self._open[name] = self.new(name, rows, columns)
        try:
            await terminal.start(self._link, self._environment)
        except BaseException:
            del self._open[name]
            raise
        return terminal

    def close(self, name: str) -> None:
        terminal = self._open.pop(name, None)
        if terminal is None:
            raise Refusal(404, "no_such_terminal", f"There is no terminal {name!r:.80}.")
        terminal.kill()

    def host_lost(self) -> None:
        for terminal in list(self._open.values()):
            terminal.host_lost()
        self._open.clear()

    async def serve(self, request: Request, name: str) -> None:
        """The WebSocket of a terminal, until the client leaves or the shell ends."""
        rows, columns = _size(request.number("rows", 24), request.number("cols", 80))
        if request.headers.get("upgrade", "").lower() != "websocket":
            raise bad_request("A terminal speaks WebSocket.")
        terminal = await self.open(name, rows, columns)
        socket = WebSocket.accept(request, MAX_UNSENT)
        printer = asyncio.create_task(self._print(terminal, socket))
        terminal.attached += 1
        try:
            async for message in socket:
                self.last_input = time.time()
                if isinstance(message, bytes):
                    terminal.write(message)
                else:
                    _resize(terminal, message)
        finally:
            terminal.attached -= 1
            printer.cancel()
            await asyncio.gather(printer, return_exceptions=True)

    async def _print(self, terminal: Terminal, socket: WebSocket) -> None:
        data, after = terminal.replay()
        socket.send(dump({"replay": len(data)}))
        for start in range(0, len(data), CHUNK):
            socket.send(data[start : start + CHUNK], BINARY)
            await socket.drain()
        while True:
            await terminal.wait(after)
            data, after = terminal.read(after)
            if data:
                socket.send(data, BINARY)
                await socket.drain()
            elif terminal.exit_code is not None:
                break
        if self._open.get(terminal.name) is terminal:
            del self._open[terminal.name]
        socket.send(dump({"exit": terminal.exit_code}))
        socket.close()


def safe(data: bytes) -> bytes:
    """Begin behind the first line end, so that no half escape sequence or character is replayed; or else where a
    character begins."""
    newline = data.find(b"\n", 0, 4096)
    if newline >= 0:
        return data[newline + 1 :]
    start = 0
    while start < min(4, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:]


def _resize(terminal: Terminal, message: str) -> None:
    try:
        rows, columns = json.loads(message)["resize"]
        terminal.resize(*_size(rows, columns))
    except (ValueError, TypeError, KeyError, RecursionError, struct.error):
        return  # not for us: a terminal has no other text


def _size(rows: object, columns: object) -> tuple[int, int]:
    if not (isinstance(rows, int) and isinstance(columns, int)):
        raise TypeError
    return min(max(rows, 1), 1000), min(max(columns, 1), 1000)
