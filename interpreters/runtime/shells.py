"""Terminals in custom containers, served by the worker, which alone may ask the engine for a shell.

They speak what an agent's terminals speak (docs/protocol.md §2), on a socket of their own, SHELL_DIR/<session>: the
web connects to it as to an agent. One thread of the worker's serves them all. When the worker ends they end with it,
and whoever types next is given a new shell.
"""

import asyncio
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import UUID

from interpreters.agent.errors import Refusal, not_found
from interpreters.agent.hostlink import HostLink
from interpreters.agent.http import Request, Response, answer, serve
from interpreters.agent.terminals import Terminal, Terminals
from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable, Shell
from interpreters.runtime.sockets import shell_folder

logger = logging.getLogger(__name__)

MOST_SESSIONS = 200
IDLE = 60.0  # seconds without a terminal after which nobody is listened for any more
GOODBYE = b"\x03\x04"  # what ends a shell that waits for a command: nothing else reaches it


Open = Callable[[], Shell]


class ShellTerminal(Terminal):
    """A terminal whose other end is the engine's stream instead of a PTY of ours."""

    def __init__(self, name: str, rows: int, columns: int, open_shell: Open) -> None:
        super().__init__(name, rows, columns)
        self._open_shell = open_shell
        self._shell: Shell | None = None
        self._ending: asyncio.Task[None] | None = None

    async def start(self, link: HostLink, environment: Mapping[str, str]) -> None:
        try:
            self._shell = await asyncio.to_thread(self._open_shell)
        except LaunchFailed as failure:
            raise Refusal(409, "no_shell", str(failure)) from failure
        except RuntimeUnavailable as silence:
            raise Refusal(503, "engine_silent", "The engine does not answer at the moment: try again.") from silence
        self._fd = os.dup(self._shell.stream.fileno())
        self._shell.stream.close()
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        self.resize(self.rows, self.columns)

    def resize(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        if self._shell is not None and self._fd >= 0:
            asyncio.get_running_loop().run_in_executor(None, self._shell.resize, rows, columns)

    def kill(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.write(self._fd, GOODBYE)
            self._close()

    def _close(self) -> None:
        super()._close()
        if self._shell is not None and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        assert self._shell is not None
        code = await asyncio.to_thread(self._shell.exit_code)
        if self.exit_code is None:
            self._exited(code)


class ShellTerminals(Terminals):
    """Those of one session."""

    def __init__(self, open_shell: Open) -> None:
        self._open_shell = open_shell
        super().__init__(HostLink(lambda: None), {})

    def new(self, name: str, rows: int, columns: int) -> Terminal:
        return ShellTerminal(name, rows, columns, self._open_shell)

    async def __call__(self, request: Request) -> Response | None:
        match (request.method, *request.path.strip("/").split("/")):
            case ("GET", "terminals"):
                return answer(self.describe())
            case ("GET", "terminals", name):
                await self.serve(request, name)
                return None
            case ("DELETE", "terminals", name):
                self.close(name)
                return Response(204)
        raise not_found("Only terminals are served here.")


class ShellHost:
    """The thread, and the sockets that it listens on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._servers: dict[UUID, asyncio.Task[None]] = {}
        self._offering = asyncio.Lock()  # two tabs that come at once find one socket

    def offer(self, session: UUID, open_shell: Open) -> None:
        """Listen for the terminals of a session, if nobody in this process does. Returns once it is so."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="shells", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._offer(session, open_shell), self._loop).result(10)

    async def _offer(self, session: UUID, open_shell: Open) -> None:
        async with self._offering:
            if session not in self._servers:
                await self._listen(session, open_shell)

    async def _listen(self, session: UUID, open_shell: Open) -> None:
        if len(self._servers) >= MOST_SESSIONS:
            logger.warning("session %s gets no terminal: %s have one", session, MOST_SESSIONS)
            return
        folder = shell_folder(session)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o700)
        folder.mkdir(exist_ok=True)
        terminals = ShellTerminals(open_shell)
        server = await serve(str(folder / "agent.sock"), terminals, lambda pid, uid: True)
        self._servers[session] = asyncio.create_task(self._keep(session, server, terminals))

    async def _keep(self, session: UUID, server: asyncio.Server, terminals: ShellTerminals) -> None:
        """Until no terminal has been open for a while, or whoever removed the sandbox removed the folder."""
        idle = 0.0
        try:
            while idle < IDLE and shell_folder(session).is_dir():
                await asyncio.sleep(1)
                terminals.forget_ended()
                idle = 0.0 if terminals.describe() else idle + 1
        finally:
            del self._servers[session]
            server.close()
            for each in terminals.describe():  # an engine's stream may not end by itself
                terminals.close(str(each["name"]))
            shutil.rmtree(shell_folder(session), ignore_errors=True)


host = ShellHost()
