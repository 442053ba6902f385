"""The agent's end of the line to the kernel host.

The host runs under the user's uid, so its answers are checked like a stranger's: shape, size, and what kind of file
it hands over. When the line is lost, all kernels and shells are lost with it.
"""

import asyncio
import json
import os
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import Refusal, conflict, unavailable

DEADLINE = 10.0  # seconds for one answer
MAX_ANSWER = 64 << 10
# What a program is heard through: a pipe, a terminal, or a socket, which it is fed through too.
STREAMS = (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK)
STATUS = {"not_found": 404, "bad_path": 400, "is_link": 400, "not_a_file": 400, "disk_full": 413}


class HostLost(Refusal):
    def __init__(self) -> None:
        super().__init__(503, "host_lost", "The sandbox's process host was killed: open a new session.")


class HostLink:
    """Requests to the host, and news of ended processes."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._connection: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], int]]] = {}
        self._exits: dict[int, Callable[[int], None]] = {}
        self._early: dict[int, int] = {}  # processes that ended before anybody asked for their end
        self._number = 0
        self.uid = -1  # of the host, and so of user code

    async def accept(self, address: str, uids: tuple[int, ...]) -> None:
        """Listen at the abstract `address` until one host has connected; nobody can connect after it.

        Any user could, who is in the sandbox before the host is: nobody, for the host starts all of them. Under gVisor
        a peer's credentials are always our own.
        """
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(address)
            listener.listen(4)
            listener.setblocking(False)
            while self._connection is None:
                connection, _ = await loop.sock_accept(listener)
                size = struct.calcsize("3i")
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
                _, uid, _ = struct.unpack("3i", credentials)
                if uid in uids:
                    self._connection, self.uid = connection, uid
                else:
                    connection.close()
        self._connection.setblocking(False)
        loop.add_reader(self._connection, self._receive)

    @property
    def alive(self) -> bool:
        return self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
            self._connection = None

    async def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Raises Refusal."""
        answer, fd = await self._ask(verb, arguments)
        if fd >= 0:
            os.close(fd)
        return answer

    async def ask_file(self, verb: str, **arguments: Any) -> tuple[dict[str, Any], int]:
        """The answer and a regular file, which the caller closes."""
        answer, fd = await self._ask(verb, arguments)
        if fd < 0 or not stat.S_ISREG(os.fstat(fd).st_mode):
            if fd >= 0:
                os.close(fd)
            raise self._broken()
        return answer, fd

    async def spawn(self, on_exit: Callable[[int], None], **arguments: Any) -> tuple[int, int]:
        """The pid, and the non-blocking end of its terminal or of its stdout and stderr, which the caller closes."""
        answer, fd = await self._ask("spawn", arguments)
        pid = answer.get("pid")
        if fd < 0 or not isinstance(pid, int) or stat.S_IFMT(os.fstat(fd).st_mode) not in STREAMS:
            if fd >= 0:
                os.close(fd)
            raise self._broken()
        os.set_blocking(fd, False)
        if pid in self._early:
            asyncio.get_running_loop().call_soon(on_exit, self._early.pop(pid))
        else:
            self._exits[pid] = on_exit
        return pid, fd

    def signal(self, pid: int, number: int) -> None:
        """To the process's group. Never waits."""
        self._number += 1
        if self._connection is not None:
            self._send({"id": self._number, "verb": "signal", "pid": pid, "number": number})

    async def _ask(self, verb: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], int]:
        if self._connection is None:
            raise HostLost
        self._number += 1
        number = self._number
        self._send({"id": number, "verb": verb, **arguments})
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(DEADLINE):
                answer, fd = await future
        except TimeoutError:
            raise unavailable("host_silent", "The sandbox does not answer: try again, or open a new session.") from None
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            if fd >= 0:
                os.close(fd)
            code, message = str(answer["error"])[:40], str(answer.get("message", ""))[:500]
            raise Refusal(STATUS.get(code, 409), code, message)
        return answer, fd

    def _send(self, request: dict[str, Any]) -> None:
        assert self._connection is not None
        data = json.dumps(request).encode()
        try:
            self._connection.send(data)
        except BlockingIOError:
            raise unavailable("host_silent", "The sandbox is too busy to answer: try again.") from None
        except OSError as error:
            if len(data) > 100_000:
                raise conflict("too_large", "The environment of this program is too large.") from error
            self._lose()
            raise HostLost from None

    def _receive(self) -> None:
        assert self._connection is not None
        try:
            data, fds, flags, _ = socket.recv_fds(self._connection, MAX_ANSWER, 8)
        except BlockingIOError:
            return
        except OSError:
            data, fds, flags = b"", [], 0
        fd = fds[0] if len(fds) == 1 else -1
        try:
            news = json.loads(data)
            if flags & socket.MSG_TRUNC or len(fds) > 1 or not isinstance(news, dict):
                raise ValueError
            taken = self._take(news, fd)
        except (ValueError, RecursionError):
            taken = False
            self._lose()
        if not taken:
            for extra in fds:
                os.close(extra)

    def _take(self, news: dict[str, Any], fd: int) -> bool:
        """Whether the file was handed on."""
        pid, code = news.get("exit"), news.get("code")
        if isinstance(pid, int) and isinstance(code, int):
            on_exit = self._exits.pop(pid, None)
            if on_exit is not None:
                on_exit(code)
            elif len(self._early) < 64:
                self._early[pid] = code
            return False
        number = news.get("id")
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return False
        future.set_result((news, fd))
        return True

    def _broken(self) -> Refusal:
        self._lose()
        return HostLost()

    def _lose(self) -> None:
        if self._connection is None:
            return
        self.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HostLost())
                future.exception()
        self._on_lost()


def spawn_host() -> "subprocess.Popen[bytes]":
    """Start the host ourselves, where there is only one uid."""
    package = __package__ or "agent"
    root = Path(__file__).parents[package.count(".") + 1]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return subprocess.Popen([sys.executable, "-S", "-s", "-m", f"{package}.host"], env=environment)
