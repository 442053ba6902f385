"""A shell in a container, by the engine's `exec`, as a connected stream.

Spoken to the engine directly: its SDK reads the head of the answer through a buffer, which may swallow the shell's
first words. An exec's stream cannot be trusted to end, nor can the process behind it be killed: whoever hangs up
leaves the shell to the session, which takes it along.
"""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable

# Whichever shell there is; without one the engine says so.
COMMAND = ["/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -i; exec sh -i"]
VARIABLES = ["TERM=xterm-256color", "COLORTERM=truecolor"]
MAX_HEAD, MAX_ANSWER = 16 * 1024, 64 * 1024


@dataclass(frozen=True, slots=True)
class ExecShell:
    """`stream`: the shell's terminal, both ways; whoever is given this closes it."""

    api: Any
    id: str
    stream: socket.socket

    def resize(self, rows: int, columns: int) -> None:
        """Best effort: a shell that has just ended has no size."""
        with suppress(Exception):
            self.api.exec_resize(self.id, height=rows, width=columns)

    def exit_code(self) -> int:
        """Of a shell whose stream has ended; -1 where the engine does not know."""
        with suppress(Exception):
            code = self.api.exec_inspect(self.id)["ExitCode"]
            return code if isinstance(code, int) else -1
        return -1


def open_shell(api: Any, container: str) -> ExecShell:
    """Start a shell in a running container. Raises LaunchFailed, and the errors of `api`."""
    made = api.exec_create(container, COMMAND, stdin=True, tty=True, environment=VARIABLES)
    return ExecShell(api, made["Id"], _start(made["Id"], api.api_version))


def _start(exec_id: str, version: str) -> socket.socket:
    stream = _connect()
    try:
        body = b'{"Detach":false,"Tty":true}'
        head = (
            f"POST /v{version}/exec/{exec_id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        stream.sendall(head.encode() + body)
        status = _status(stream)
        if status != 101:
            raise LaunchFailed(_words(stream))
    except BaseException:
        stream.close()
        raise
    return stream


def _connect() -> socket.socket:
    place = urlsplit(settings.DOCKER_HOST)
    try:
        if place.scheme in ("unix", "http+unix"):
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stream.settimeout(settings.DOCKER_TIMEOUT)
            stream.connect(place.path)
            return stream
        if place.scheme in ("tcp", "http") and place.hostname:
            return socket.create_connection((place.hostname, place.port or 2375), settings.DOCKER_TIMEOUT)
    except OSError as error:
        raise RuntimeUnavailable(f"Docker does not answer at {settings.DOCKER_HOST}: {error}") from error
    raise LaunchFailed("A shell needs an engine that is reached by unix:// or tcp://: see THERMAE_DOCKER_HOST.")


def _status(stream: socket.socket) -> int:
    """Of the engine's answer, read a byte at a time: what follows is the shell's."""
    head = b""
    try:
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            if not byte or len(head) > MAX_HEAD:
                raise RuntimeUnavailable("Docker hung up on a shell that was to be started.")
            head += byte
    except OSError as error:
        raise RuntimeUnavailable(f"Docker does not answer: {error}") from error
    fields = head.split(b" ", 2)
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else 0


def _words(stream: socket.socket) -> str:
    """Why the engine refused, from what is there of its answer."""
    with suppress(OSError, ValueError, AttributeError):
        text = stream.recv(MAX_ANSWER).decode(errors="replace")
        told = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return f"No shell can be started in this container: {str(told['message'])[:500]}"
    return "No shell can be started in this container: its image may have none."
