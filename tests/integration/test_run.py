"""`make run`'s supervisor as a person uses it: up, a first cell, Ctrl-C, and what happens when it is killed."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.supervisor.lock import start_time
from tests.services import free_port, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
# The first start builds the image.
PATIENCE = 600.0


class Run:
    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.port = folder, free_port()
        self.installation = f"{os.environ['THERMAE_INSTALLATION']}-run"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("THERMAE_", "DJANGO_"))}
        if "THERMAE_BUILD_CA_BUNDLE" in os.environ:
            clean["THERMAE_BUILD_CA_BUNDLE"] = os.environ["THERMAE_BUILD_CA_BUNDLE"]
        self._environment = {
            **clean,
            "THERMAE_STATE_DIR": str(folder),
            "THERMAE_INSTALLATION": self.installation,
            "THERMAE_RUNTIME": "docker",
            **environment,
        }
        self.console = folder / f"console-{self.port}.txt"

    def start(self) -> None:
        command = [sys.executable, "-m", "project.supervisor", "--port", str(self.port), "--only-first-image"]
        with self.console.open("w") as console:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=console, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.console.read_text()

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said()
            return "Ready: " in self.said()

        try:
            wait_until(ready, "Ready", PATIENCE)
        except TimeoutError:
            pytest.fail(self.said())

    def stop(self, *signals: signal.Signals) -> int:
        for number in signals or (signal.SIGTERM,):
            self.process.send_signal(number)
            time.sleep(0.3)
        return self.process.wait(60)

    def children(self) -> dict[str, int]:
        """Name → pid, of those that live."""
        rows: dict[str, list[int]] = json.loads((self.folder / "run.lock").read_text() or "{}")
        return {name: pid for name, (pid, began) in rows.items() if start_time(pid) == began}

    def sandboxes(self) -> list[str]:
        label = f"label=thermae.installation={self.installation}"
        return subprocess.run(
            ["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True, check=True
        ).stdout.split()

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="thm-run-") as name:
        yield Path(name)


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    one = Run(folder)
    one.start()
    yield one
    if one.process.poll() is None:
        one.stop()


def test_it_runs_a_cell_prints_where_it_is_and_leaves_nothing_on_a_double_ctrl_c(run: Run) -> None:
    run.wait_until_ready()
    assert "1 + 1 = 2" in run.said()
    assert f"http://127.0.0.1:{run.port}" in run.said()
    assert "Log in as demo" in run.said()
    assert run.get("/healthz") == 200
    assert set(run.children()) == {"supervisor", "Redis", "Worker", "Web"}
    assert run.sandboxes()
    children = run.children()

    assert run.stop(signal.SIGINT, signal.SIGINT) == 0, run.said()
    assert run.sandboxes() == []
    assert [name for name, pid in children.items() if start_time(pid) and name != "supervisor"] == []
    assert not (run.folder / "run.env").exists()
    assert "Nothing is left running" in run.said()


def test_a_web_server_that_dies_is_reported_and_started_again(run: Run) -> None:
    run.wait_until_ready()
    os.killpg(run.children()["Web"], signal.SIGKILL)
    wait_until(lambda: "Web is started again" in run.said(), "the new web server")
    wait_until(lambda: run.get("/healthz") == 200, "its answer")
    assert "Web ended with status -9" in run.said()
    assert run.stop() == 0


def test_a_killed_supervisor_takes_its_processes_along_and_the_next_start_its_sandboxes(run: Run) -> None:
    run.wait_until_ready()
    children = run.children()
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    wait_until(lambda: not any(start_time(children[name]) for name in ("Web", "Redis")), "the end of the children", 30)

    run.start()
    run.wait_until_ready()
    assert run.stop() == 0
    assert run.sandboxes() == []


def test_the_second_start_is_quick(run: Run) -> None:
    run.wait_until_ready()
    run.stop()
    began = time.monotonic()
    run.start()
    run.wait_until_ready()
    seconds = time.monotonic() - began
    print(f"second start: {seconds:.1f} s")
    # What others do on this machine meanwhile makes it longer by as much.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert seconds < 15 * busy
    run.stop()


def test_other_commands_of_the_folder_use_what_the_run_uses(run: Run) -> None:
    run.wait_until_ready()
    environment = {name: value for name, value in run._environment.items() if name != "THERMAE_RUNTIME"}
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "6 * 7 = 42" in doctor.stdout
    assert "Redis" in doctor.stdout
    run.stop()


def test_a_port_that_is_taken_is_said_at_once(folder: Path) -> None:
    run = Run(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.port))
        taken.listen()
        run.start()
        assert run.process.wait(30) == 1
    assert "make run PORT=" in run.said()


def test_a_second_run_of_the_same_folder_is_refused(run: Run) -> None:
    wait_until(lambda: "supervisor" in run.children() if (run.folder / "run.lock").exists() else False, "the lock")
    second = Run(run.folder)
    second.start()
    assert second.process.wait(30) == 1
    assert f"as process {run.process.pid}" in second.said()
    assert run.stop() == 0
