"""What there is outside to be reached: a listener on every address of this machine, and two that have none.

Without them, "unreachable" could mean that nobody was there.
"""

import ctypes
import os
import re
import secrets
import socket
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

_libc = ctypes.CDLL(None, use_errno=True)
_IPC_CREAT, _IPC_RMID = 0o1000, 0
PATIENCE = 2.0  # seconds for a connection to ourselves


class Canaries:
    """Open while it is entered. Who connects is told the token, and no more."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.abstract = f"thermae-isolation-{secrets.token_hex(8)}"
        self.queue = 0
        self.addresses: list[tuple[str, int]] = []
        self._listeners: list[socket.socket] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            for host in own_addresses():
                with suppress(OSError):  # an address that is going or coming: nobody listens there
                    self._listen(host)
            line = self._open.enter_context(socket.socket(socket.AF_UNIX))
            line.bind(b"\0" + self.abstract.encode())
            self._serve(line)
            self.make_queue()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def unheard(self) -> list[str]:
        """Addresses where not even we reach our canary: what is not reached there from inside, proves nothing."""
        return [host for host, port in self.addresses if not _hears(host, port, self.token)]

    def _listen(self, host: str) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        line = self._open.enter_context(socket.socket(family, socket.SOCK_STREAM))
        if family == socket.AF_INET6:
            line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        line.bind(address)
        self._serve(line)
        self.addresses.append((host.partition("%")[0], line.getsockname()[1]))

    def _serve(self, line: socket.socket) -> None:
        line.listen(16)
        threading.Thread(target=self._answer, args=(line,), name="canary", daemon=True).start()
        # A thread that waits in accept() is woken by this, not by a close.
        self._open.callback(_shut, line)

    def _answer(self, line: socket.socket) -> None:
        while True:
            try:
                caller, _ = line.accept()
            except OSError:
                return
            with caller, suppress(OSError):
                caller.settimeout(PATIENCE)
                caller.sendall(self.token.encode())

    def make_queue(self) -> None:
        """With a key of this installation's: what a check that was killed has left is taken up by the next."""
        self.queue = zlib.crc32(f"{settings.INSTALLATION}-isolation".encode()) & 0x7FFFFFFF | 1
        number = _libc.msgget(self.queue, _IPC_CREAT | 0o666)
        if number < 0:
            raise OSError(ctypes.get_errno(), "No message queue can be made: is there any limit left? See ipcs -l.")
        self._open.callback(_libc.msgctl, number, _IPC_RMID, None)


def _shut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _hears(host: str, port: int, token: str) -> bool:
    if host.startswith("fe80"):
        return True  # which interface it is on is not kept; its listener is there
    try:
        with socket.create_connection((host, port), PATIENCE) as line:
            return line.recv(1024) == token.encode()
    except OSError:
        return False


def own_addresses(proc: Path = Path("/proc/net")) -> Sequence[str]:
    """All of this machine's, of both kinds, the loopback's too."""
    return list(dict.fromkeys([*_version_4(proc), *_version_6(proc)]))


def _version_4(proc: Path) -> Iterator[str]:
    """The routing table's own list has every address, also those without an interface of their own."""
    try:
        text = (proc / "fib_trie").read_text()
    except OSError:
        text = ""
    for found in re.finditer(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", text):
        yield found[1]


def _version_6(proc: Path) -> Iterator[str]:
    try:
        lines = (proc / "if_inet6").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        digits, *_, name = line.split()
        address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
        yield f"{address}%{name}" if address.startswith("fe80") else address


def own_process() -> str:
    """Name and start time of this process: together they are no other's."""
    text = Path(f"/proc/{os.getpid()}/stat").read_text()
    name = text[text.find("(") + 1 : text.rfind(")")]
    return f"{name} {text[text.rfind(')') :].split()[20]}"
