"""Everything that `make run` starts, in a folder of its own: Redis, a worker with beat, the web server, real sandboxes.

Its processes are ours to kill, and between worker and engine stands a proxy that can fail. All intervals are short.
"""

import collections
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from project.supervisor.children import Child
from tests import capabilities
from tests.console import Console
from tests.engine_proxy import EngineProxy
from tests.services import RedisServer, Registry, free_port, wait_until

ENGINE = os.environ.get("THERMAE_DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
# A launch that began this long ago is lost; a machine of two cores under a load of ten has needed two thirds of it.
START_TIMEOUT = 30


class Stack:
    """Alice is at acme, charlie at another tenant. The pool `python` keeps two instances ready."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thm-"))
        self.installation = f"{os.environ['THERMAE_INSTALLATION']}-stack"
        self.port = free_port()
        binary = capabilities.redis_binary()
        assert binary
        self.redis = RedisServer(binary)
        self.engine = EngineProxy(self.folder / "docker.sock", ENGINE)
        self.registry = Registry()  # allowed; whoever needs it starts it
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "THERMAE_STATE_DIR": str(self.folder),
            "THERMAE_DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "THERMAE_INSTALLATION": self.installation,
            "THERMAE_REDIS_URL": self.redis.url,
            "THERMAE_RUNTIME": "docker",
            "THERMAE_DOCKER_HOST": self.engine.url,
            "THERMAE_DOCKER_TIMEOUT": "4",
            "THERMAE_MAINTAIN_INTERVAL": "1",
            "THERMAE_START_TIMEOUT": str(START_TIMEOUT),
            "THERMAE_STOP_TIMEOUT": "5",
            "THERMAE_ALLOWED_OCI_RUNTIMES": "runsc",
            "THERMAE_ALLOWED_REGISTRIES": self.registry.host,
            "THERMAE_PUBLIC_LINKS": "true",
        }
        web = [sys.executable, "-m", "project.server", "--port", str(self.port)]
        self.web = Child("web", web, self.folder / "web.log", self.environment)
        self.worker = self.new_worker("worker", "--beat", "--schedule", str(self.folder / "beat"))
        self.tokens: dict[str, str] = {}
        # Who was ever given which session; see tests/client.py.
        self.holders: dict[str, tuple[str, str]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_worker(self, name: str, *options: str) -> Child:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "project",
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "12",
        ]
        command += ["--hostname", f"{name}@%h", "--without-mingle", "--without-gossip", "--loglevel", "INFO", *options]
        return Child(name, command, self.folder / f"{name}.log", self.environment)

    # --- Up and down ---

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            print(self.last_words())
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.engine.start()
        self.redis.start()
        self.console = Console(self.environment, self.folder / "console.log")
        self.console.prepare()
        self.console.image(name="python")
        for name, tenant in (("alice", "acme"), ("charlie", "elsewhere")):
            self.console.person(name=name, tenant=tenant, password="secret")
            self.tokens[name] = self.console.token(name=name)
        self.console.pool(name="python", ready_instances=2, max_concurrent=20, memory=512, disk=64, pids=64)
        self.worker.start()
        self.start_web()
        self.wait_for_ready("python", 2)

    def __exit__(self, *_: object) -> None:
        for child in (self.web, self.worker):
            child.stop()
        if hasattr(self, "console"):
            self.console.stop()
        self.engine.stop()
        self.redis.stop()
        subprocess.run(["docker", "rm", "-f", *self._containers("--quiet")], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_web(self) -> None:
        """Call it from the main thread: a process that is started dies with the thread that started it."""
        self.web.start()
        self.web.wait_until(self._web_answers, 30)

    def kill(self, child: Child) -> None:
        """End it as an operating system that is out of memory does, with all that it started."""
        assert child.process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait(10)

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status in (200, 503)
        except OSError:
            return False
        finally:
            connection.close()

    # --- What is ---

    def sandboxes(self) -> dict[str, str]:
        """Session → container state, of every sandbox that the engine knows."""
        rows = self._containers("--format", '{{.Label "thermae.session"}} {{.State}}')
        return dict(zip(rows[::2], rows[1::2], strict=True))

    def _containers(self, *form: str) -> list[str]:
        label = f"label=thermae.installation={self.installation}"
        listed = subprocess.run(
            ["docker", "ps", "--all", "--filter", label, *form], capture_output=True, text=True, timeout=30, check=True
        )
        return listed.stdout.split()

    @staticmethod
    def remove_sandbox(session: str) -> None:
        """As an operator does who takes it for something else."""
        subprocess.run(["docker", "rm", "-f", f"thermae-{session}"], capture_output=True, check=True)

    @staticmethod
    def offers(image: str) -> bool:
        """Whether an image was ever built on this engine, so that bringing it up to date takes seconds."""
        listed = subprocess.run(["docker", "images", "--quiet", f"thermae/{image}"], capture_output=True, check=True)
        return bool(listed.stdout)

    def states(self, pool: str) -> collections.Counter[str]:
        """How many sessions of a pool are in each state, those that are gone left out."""
        return collections.Counter(row["state"] for row in self.live(pool__name=pool))

    def live(self, **which: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.console.sessions(**which)
        return [row for row in rows if row["state"] != "gone"]

    def wait_for_ready(self, pool: str, count: int, seconds: float = 90) -> None:
        wait_until(lambda: self.states(pool)["ready"] >= count, f"{count} ready instances of {pool}", seconds)

    @contextlib.contextmanager
    def pool(self, name: str, **fields: Any) -> Iterator[str]:
        """A pool for one test, drained at its end."""
        self.console.pool(
            name=name, **{"enabled": True, "ready_instances": 1, "memory": 512, "disk": 64, "pids": 64, **fields}
        )
        try:
            self.wait_for_ready(name, fields.get("ready_instances", 1))
            yield name
        finally:
            self.console.pool(name=name, ready_instances=0, enabled=False)

    def check(self, seconds: float = 60) -> None:
        """Fail unless, soon, rows and sandboxes agree and no execution of a session that ended lacks its outputs.

        What is being started for nobody is no fault: a pool refills all the time.
        """
        deadline = time.monotonic() + seconds
        while wrong := [*self._disagreements(), *self._lost_outputs()]:
            assert time.monotonic() < deadline, "\n".join(wrong)
            time.sleep(0.2)

    def _disagreements(self) -> Iterator[str]:
        sandboxes = self.sandboxes()  # before the rows, as everywhere
        rows = {row["id"]: row for row in self.live()}
        for session in sandboxes.keys() - rows.keys():
            yield f"the sandbox {session} belongs to no session that lives"
        for session, row in rows.items():
            if row["state"] == "stopping" or (row["state"] == "starting" and row["tenant_id"]):
                yield f"{session} is still {row['state']} ({row['phase']})"
            elif row["state"] != "starting" and sandboxes.get(session, "running") != "running":
                yield f"{session} is {row['state']}, and its sandbox {sandboxes[session]}"
        folders = {path.name for path in (self.folder / "sockets").glob("[!.]*")}  # in .shells are those of terminals
        for session in folders - rows.keys() - sandboxes.keys():
            yield f"the socket folder of {session} is left"

    def _lost_outputs(self) -> Iterator[str]:
        for execution in self.console.executions(session__state="gone"):
            if execution["outputs"] is None or execution["status"] in ("queued", "running"):
                yield f"execution {execution['id']} ended as {execution['status']} with outputs {execution['outputs']}"

    def last_words(self, lines: int = 40) -> str:
        logs = [
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in sorted(self.folder.glob("*.log"))
        ]
        return "\n".join([*logs, "--- sessions that did not start", *self._failed_starts()])

    def _failed_starts(self) -> Iterator[str]:
        with contextlib.suppress(AssertionError, OSError, AttributeError):
            for row in self.console.sessions(reason__startswith="start_"):
                yield f"{row['id']} in {row['pool__name']}: {row['reason']} {row['detail']}"
