"""The relay as a process of this machine, beside an application of this machine: no engine is needed."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreters.lifecycle import UNHEALTHY_EXIT
from interpreters.models import probes
from tests.capabilities import UnixConnection

ROOT = Path(__file__).parents[2]
APP = ROOT / "tests" / "custom" / "app.py"
QUICK = {"period": 0.1, "timeout": 0.3}


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Relay:
    def __init__(self, folder: Path, port: int, given: Any, start_timeout: float) -> None:
        self.path, self.port = str(folder / "agent.sock"), port
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-m", "interpreters.agent.relay"],
            cwd="/",
            stderr=subprocess.PIPE,
            text=True,
            env={
                "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "THERMAE_SOCKET_DIR": str(folder),
                "THERMAE_TARGET_PORT": str(port), "THERMAE_START_TIMEOUT": str(start_timeout),
                "THERMAE_PROBES": given if isinstance(given, str) else json.dumps(probes.whole(given, port)),
            },
        )  # fmt: skip

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        connection = UnixConnection(self.path)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            content = response.read()
        return response.status, json.loads(content) if content.startswith(b"{") else content.decode()

    def health(self) -> Any:
        return self.ask("/health")[1]

    def until(self, state: str) -> Any:
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if (now := self.health())["state"] == state:
                    return now
            assert time.monotonic() < deadline, f"it does not become {state}"
            time.sleep(0.02)


@pytest.fixture
def relay(short_dir: Path, port: int) -> Iterator[Callable[..., Relay]]:
    made: list[Relay] = []

    def start(given: Any = None, start_timeout: float = 15) -> Relay:
        made.append(Relay(short_dir, port, {} if given is None else given, start_timeout))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def app(port: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, str(APP), "serve", str(port)], stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_it_is_ready_when_the_port_is_open(relay: Any, port: int, request: Any) -> None:
    found = relay()
    waiting = found.until("starting")
    assert (waiting["phase"], waiting["busy"], waiting["seq"]) == ("starting container", False, 0)
    request.getfixturevalue("app")
    now = found.until("ready")
    assert (now["phase"], now["detail"]) == ("", "")
    assert found.ask(f"/proxy/{port}/a?b=c") == (200, "/a?b=c says hello")
    assert found.ask(f"/proxy/{port + 1}/")[1]["error"] == "not_found"
    assert found.ask("/proxy/")[0] == 404
    assert found.ask("/contexts", "POST")[0] == 404


def test_two_successes_may_be_asked_for_and_a_status_counts(relay: Any, app: Any) -> None:
    found = relay({"startup": {"type": "http", "path": "/redirect", "success_threshold": 2, **QUICK}})
    found.until("ready")


def test_it_says_what_is_wrong_with_a_start(relay: Any, port: int) -> None:
    found = relay({"startup": {"failure_threshold": 2, **QUICK}})
    assert found.until("failed")["detail"].startswith(f"Nothing listens at port {port} after 0 s")
    assert found.process.poll() is None, "it stays, so that it can be asked"


def test_what_does_not_speak_http_is_not_well(relay: Any, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        found = relay({"startup": {"type": "http", "failure_threshold": 1, "timeout": 5}})
        connection, _ = server.accept()
        connection.sendall(b"220 " + b"x" * 200_000)
        assert "was not answered in HTTP" in found.until("failed")["detail"]
        connection.close()


def test_it_ends_when_the_application_is_not_well_any_more(relay: Any, app: Any, port: int) -> None:
    found = relay({"liveness": {"path": "/healthz", "failure_threshold": 2, **QUICK}})
    found.until("ready")
    time.sleep(0.4)  # some probes that succeed
    assert found.process.poll() is None
    found.ask(f"/proxy/{port}/hang")
    said = found.process.communicate(timeout=15)[1]
    assert found.process.returncode == UNHEALTHY_EXIT
    assert "GET /healthz" in said
    assert "did not answer within 0.3 s" in said


def test_only_so_many_requests_are_open(relay: Any, app: Any, port: int) -> None:
    found = relay()
    found.until("ready")
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            line = stack.enter_context(socket.socket(socket.AF_UNIX))
            line.connect(found.path)
            line.sendall(f"GET /proxy/{port}/slow HTTP/1.1\r\n\r\n".encode())
        deadline = time.monotonic() + 5
        while (answer := found.ask(f"/proxy/{port}/"))[0] != 503:
            assert time.monotonic() < deadline
        assert answer[1]["error"] == "too_many"
        assert found.health()["busy"]
        held = Path(f"/proc/{found.process.pid}/status").read_text()
        kilobytes = int(held.split("VmRSS:")[1].split()[0])
        assert kilobytes < 40_000, "far below its limit"


@pytest.mark.parametrize("given", ["", "[]", "{", '{"startup": {"type": "tcp"}}'])
def test_what_it_cannot_use_is_told(relay: Any, given: str) -> None:
    found = relay(given)
    said = found.process.communicate(timeout=15)[1]
    assert found.process.returncode == 2
    assert "THERMAE_PROBES" in said
