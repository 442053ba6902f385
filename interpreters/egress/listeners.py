"""A Unix socket for each sandbox: in every folder that a worker has made there is one to connect to, soon after.

A sandbox sees its own folder, and cannot write in it. All the same no link is followed, and names count only when they
are the ids of sessions: whoever the folders belong to one day, this process listens where it means to.
"""

import asyncio
import logging
import os
import socket
import stat
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from interpreters.egress.http import CHUNK

logger = logging.getLogger(__name__)

NAME = "proxy.sock"
LOOK_EVERY = 0.15  # seconds
MOST_CONNECTIONS = 64  # of one sandbox; the next waits in the kernel until one of them ends
MOST_A_SECOND = 100  # accepted from one sandbox
AFTER_FAILURE = 1.0  # seconds, as when there are no file descriptors left

Serve = Callable[[UUID, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def listen_in(folder: Path) -> tuple[socket.socket, int]:
    """A listening socket in the folder, and the folder's inode. Raises OSError.

    It gets its name when it listens already, so whoever finds it is answered. By /proc, since a socket's own path may
    have 107 bytes only.
    """
    directory = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            fresh = f".{NAME}"
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=directory)
            listener.bind(f"/proc/self/fd/{directory}/{fresh}")
            _open_to_all(fresh, directory)
            listener.listen(MOST_CONNECTIONS)
            os.rename(fresh, NAME, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            listener.close()
            raise
        return listener, os.fstat(directory).st_ino
    finally:
        os.close(directory)


def _open_to_all(name: str, directory: int) -> None:
    """Who connects is another uid in the sandbox. On the host nobody else passes the folder above."""
    made = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not stat.S_ISSOCK(os.fstat(made).st_mode):
            raise OSError(f"{name} was replaced while it was made")
        os.chmod(f"/proc/self/fd/{made}", 0o666)  # noqa: S103 - see above
    finally:
        os.close(made)


class Listener:
    """The socket of one sandbox, and its connections."""

    def __init__(
        self, session: UUID, listener: socket.socket, inode: int, serve: Serve, everybody: asyncio.Semaphore
    ) -> None:
        self.session, self.inode = session, inode
        self.connections: set[asyncio.Task[None]] = set()
        self._socket, self._serve, self._everybody = listener, serve, everybody
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        self._accepting.cancel()
        for connection in self.connections:
            connection.cancel()

    async def _accept(self) -> None:
        try:
            await self._accept_all()
        finally:
            # Not before the event loop has let go of it: its number may be another's at once.
            self._socket.close()

    async def _accept_all(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = 0.0
        while True:
            await self._room.acquire()
            try:
                # A sandbox that connects as fast as it can gets its share of this process, and no more.
                next_at = max(next_at, time.monotonic() - 0.5) + 1 / MOST_A_SECOND
                await asyncio.sleep(next_at - time.monotonic())
                connection, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                self._room.release()
                logger.warning("session %s: no connection can be taken: %s", self.session, error)
                await asyncio.sleep(AFTER_FAILURE)
                continue
            try:
                # Of all sandboxes together only so many, each of which has at most one that waits here.
                await self._everybody.acquire()
            except BaseException:
                connection.close()
                raise
            task = asyncio.create_task(self._handle(connection))
            self.connections.add(task)
            task.add_done_callback(self._done)

    async def _handle(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=CHUNK)
        except BaseException:
            connection.close()
            raise
        await self._serve(self.session, reader, writer)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.connections.discard(task)
        self._room.release()
        self._everybody.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("session %s: a connection failed", self.session, exc_info=error)


class Listeners:
    """`most`: connections of all sandboxes together."""

    def __init__(
        self, root: Path, serve: Serve, forget: Callable[[UUID], None] = lambda _: None, most: int = 10_000
    ) -> None:
        self._root, self._serve, self._forget = root, serve, forget
        self._everybody = asyncio.Semaphore(most)
        self._listeners: dict[UUID, Listener] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def connections(self) -> int:
        return sum(len(listener.connections) for listener in self._listeners.values())

    async def run(self) -> None:
        try:
            while True:
                try:
                    self.look()
                except OSError as error:  # such as no file left to read the folder with
                    logger.warning("the folders of sandboxes cannot be read, trying again: %s", error)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for session in list(self._listeners):
                self._drop(session)

    def look(self) -> None:
        """Listen in new folders, and no more where one is gone, or another in its place."""
        found = self._folders()
        for session, listener in list(self._listeners.items()):
            if found.get(session) != listener.inode:
                self._drop(session)
        for session in found.keys() - self._listeners.keys():
            try:
                made, inode = listen_in(self._root / str(session))
            except OSError as error:
                logger.warning("session %s: nothing listens for it: %s", session, error)
                continue
            self._listeners[session] = Listener(session, made, inode, self._serve, self._everybody)

    def _folders(self) -> dict[UUID, int]:
        found = {}
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(ValueError, OSError):
                    session = UUID(entry.name)
                    if entry.name == str(session) and entry.is_dir(follow_symlinks=False):
                        found[session] = entry.stat(follow_symlinks=False).st_ino
        return found

    def _drop(self, session: UUID) -> None:
        self._listeners.pop(session).close()
        self._forget(session)
