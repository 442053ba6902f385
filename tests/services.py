"""Real Redis, PostgreSQL and image registry servers that belong to one test run."""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Poll until the condition holds, or fail saying what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class RedisServer:
    def __init__(self, binary: str) -> None:
        self._binary, self._port, self._password = binary, free_port(), secrets.token_hex(8)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = {"port": self._port, "bind": "127.0.0.1", "save": "", "requirepass": self._password}
        command = [self._binary, *(word for key, value in options.items() for word in (f"--{key}", str(value)))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: accepts(self._port), "redis-server")

    def stop(self, signal_number: int = signal.SIGKILL) -> None:
        if self._process:
            self._process.send_signal(signal_number)
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Registry:
    """Debian's docker-registry on loopback, which engines reach without TLS; with a login if `private`."""

    username, password = "robot", "open sesame"
    _HASHED = "$2b$05$yZyvasaBVHlAhOqhjalv2ulAwXBjVmbPSfV8OFxGDq03PREPn23GW"

    def __init__(self, *, private: bool = False) -> None:
        self._port, self._private = free_port(), private
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def login(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password} if self._private else {}

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="thm-registry-"))
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": self.host},
        }
        if self._private:
            (self._folder / "htpasswd").write_text(f"{self.username}:{self._HASHED}\n")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self._folder / "htpasswd")}}
        (self._folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        command = ["docker-registry", "serve", str(self._folder / "config.yml")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: accepts(self._port), "docker-registry")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresCluster:
    """A cluster in a temporary folder. PostgreSQL refuses to run as root: root runs it as the user postgres."""

    def __init__(self, binaries: Path) -> None:
        self._binaries, self._port = binaries, free_port()
        self._owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="thm-pg-"))
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://thermae@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Self:
        if self._owner:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        data = self._folder / "data"
        self._run("initdb", "-D", str(data), "-U", "thermae", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        self._server = subprocess.Popen(
            [self._binaries / "postgres", "-D", data, "-p", str(self._port), "-k", self._folder, "-h", "127.0.0.1",
             "-c", "fsync=off", "-c", "max_connections=200"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder, **self._as_owner(),
        )  # fmt: skip
        wait_until(lambda: self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self._port), check=False), "PostgreSQL")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.send_signal(signal.SIGQUIT)  # immediate shutdown
            self._server.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> bool:
        done = subprocess.run(
            [self._binaries / program, *arguments], capture_output=True, text=True, cwd=self._folder, **self._as_owner()
        )
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.returncode == 0

    def _as_owner(self) -> dict[str, int]:
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid} if self._owner else {}
