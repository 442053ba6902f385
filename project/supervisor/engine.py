"""Which runtime `make run` uses: the operator's choice, else Docker where an engine answers, else bubblewrap."""

import http.client
import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

DEFAULT_HOST = "unix:///var/run/docker.sock"
TIMEOUT = 3.0
WEAKER = """\
    Sandboxes run under bubblewrap, on this machine's own kernel and files, without a container engine.
    That is for one trusted tenant or a trial. For anything else install Docker and start again."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def why_no_docker(host: str) -> str | None:
    """None if an engine answers at this address, else why it does not, in words for an operator."""
    address = urlsplit(host)
    connection = (
        _UnixConnection(address.path)
        if address.scheme == "unix"
        else http.client.HTTPConnection(address.hostname or "localhost", address.port or 2375, timeout=TIMEOUT)
    )
    try:
        connection.request("GET", "/_ping")
        status = connection.getresponse().status
        return None if status == 200 else f"the Docker engine at {host} answers with status {status}"
    except PermissionError:
        return f"you may not use {address.path}: add yourself to the group docker, and log in again"
    except (OSError, http.client.HTTPException) as error:
        return f"no Docker engine answers at {host} ({error})"
    finally:
        connection.close()


def choose(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The runtime, and a line that says why it is that one."""
    given = environment.get("THERMAE_RUNTIME")
    if given:
        return given, f"THERMAE_RUNTIME says {given}"
    host = environment.get("THERMAE_DOCKER_HOST", DEFAULT_HOST)
    problem = why_no_docker(host)
    if problem is None:
        return "docker", f"a Docker engine answers at {host}"
    return "bubblewrap", problem
