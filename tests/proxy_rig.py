"""A real web server in front of a real agent, without an engine: the sandbox is a process of ours."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.agent_process import AgentProcess
from tests.console import Console
from tests.services import accepts, free_port, wait_until


class Rig:
    """`path` is where requests for the target port go; `code` is a session of a pool for code."""

    def __init__(self, target: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thm-"))
        self.port = free_port()
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "THERMAE_STATE_DIR": str(self.folder),
            "THERMAE_DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "THERMAE_RUNTIME": "docker",
            "THERMAE_REDIS_URL": "redis://127.0.0.1:1/0",  # nobody is there, and nothing needs it
        }
        self.web: subprocess.Popen[bytes] | None = None
        self.agent = AgentProcess()
        try:
            self._start(target)
        except BaseException:
            self.stop()
            raise

    def _start(self, target: int) -> None:
        wait_until(lambda: Path(self.agent.socket).exists(), "the agent")
        self.console = Console(self.environment, self.folder / "console.log")
        self.console.prepare()
        self.console.person(name="alice", tenant="acme", password="secret")
        self.token = self.console.token(name="alice")
        self.session = self.lease(str(uuid.uuid4()), target)
        self.code = self.lease(str(uuid.uuid4()), None)
        log = (self.folder / "web.log").open("w")
        command = [sys.executable, "-m", "project.server", "--port", str(self.port)]
        self.web = subprocess.Popen(
            command, env={**os.environ, **self.environment}, stdout=log, stderr=subprocess.STDOUT
        )
        wait_until(lambda: accepts(self.port), "the web server")

    def lease(self, session: str, target: int | None) -> str:
        """A session that alice holds, whose sandbox is our agent."""
        self.console.leased(session=session, owner="alice", target_port=target)
        folder = self.folder / "sockets" / session
        folder.mkdir(parents=True)
        os.link(self.agent.socket, folder / "agent.sock")
        return session

    @property
    def path(self) -> str:
        return f"/api/v1/sessions/{self.session}/proxy"

    @property
    def by_name(self) -> str:
        return f"/azure/acme/target/hello?identifier={self.session[:8]}"

    def memory(self, process: subprocess.Popen[Any]) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def stop(self) -> None:
        if self.web is not None:
            self.web.terminate()
            self.web.wait(10)
        self.console.stop()
        self.agent.process.terminate()
        self.agent.process.wait(10)
        shutil.rmtree(self.agent.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "web.log").read_text(errors="replace")


@contextlib.contextmanager
def rig(target: int) -> Iterator[Rig]:
    running = Rig(target)
    try:
        yield running
    finally:
        running.stop()
