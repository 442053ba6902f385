"""Custom containers for tests: an image of a tenant's, made once for its content, and a client through the relay."""

import functools
import http.client
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from interpreters.models import probes
from interpreters.runtime import SandboxSpec
from interpreters.runtime.sockets import socket_folder
from tests import sandboxes
from tests.capabilities import UnixConnection

FOLDER = Path(__file__).parent / "custom"
PORT = 8080


@functools.cache
def image() -> str:
    """The id of an image whose `serve`, `fail` and `sleep` do what they say (tests/custom/app.py)."""
    from interpreters.images import builder, sources
    from interpreters.runtime.docker import connect

    base = builder.base_tag(print)
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    tag = f"thermae-tests/custom:{sources.content_hash(files, base)}"
    builder._build(tag, files, base, print, force=False)
    return str(connect().inspect_image(tag)["Id"])


def relay() -> str:
    from interpreters.runtime.docker import connect

    return str(connect().inspect_image(sandboxes.image("relay"))["Id"])


def spec(installation: str, *args: str, **fields: Any) -> SandboxSpec:
    """A small custom sandbox of the image above: `spec(name, "fail", "3")`."""
    given = {"startup": {}, **fields.pop("probes", {})}
    port = fields.pop("target_port", PORT)
    defaults: dict[str, Any] = {
        "image": image(),
        "relay": relay(),
        "memory": 128,
        "disk": 32,
        "pids": 64,
        "writable_paths": ("/tmp", "/run"),
        "start_timeout": 20.0,
    }
    return SandboxSpec(
        session=uuid4(), installation=installation, pool=7, revision=1, kernel="", kind="custom", args=args,
        target_port=port, probes=probes.whole(given, port), **{**defaults, **fields},
    )  # fmt: skip


def request(
    session: UUID, path: str = "/", *, method: str = "GET", body: bytes | None = None, port: int = PORT
) -> tuple[int, bytes]:
    """One request to the application, through the relay."""
    connection = UnixConnection(str(socket_folder(session) / "agent.sock"), 20)
    try:
        connection.request(method, f"/proxy/{port}{path}", body)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def run(session: UUID, code: str) -> str:
    """What code prints that is run inside of the application."""
    status, body = request(session, "/", method="POST", body=code.encode())
    assert status == 200, body
    return body.decode()


def wait_until(what: Any, timeout: float = 15.0) -> Any:
    """The first true answer of `what()`."""
    deadline = time.monotonic() + timeout
    while not (answer := what()):
        assert time.monotonic() < deadline, f"it did not come about: {answer!r}"
        time.sleep(0.05)
    return answer
