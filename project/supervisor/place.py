"""Where a run takes place: its address, its folder, and what all of its processes read from the environment."""

import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from project.supervisor import engine
from project.supervisor.console import say
from project.supervisor.lock import AlreadyRunning, RunLock

BASE_DIR = Path(__file__).resolve().parents[2]
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(Exception):
    """The run cannot begin; the message says what to do."""


class Place:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.state = Path(os.environ.setdefault("THERMAE_STATE_DIR", str(BASE_DIR / "var")))
        self.logs = self.state / "logs"
        self.shared = self.state / "run.env"
        self.password = ""
        self.lock: RunLock | None = None

    @property
    def api_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        return f"http://{f'[{self.api_host}]' if ':' in self.api_host else self.api_host}:{self.port}"

    def claim(self) -> None:
        """Take the folder and make sure of the port. Raises Refused."""
        if os.environ.get("THERMAE_PRODUCTION", "").lower() in ("1", "true", "yes", "on"):
            raise Refused("make run is for a laptop or a trial. For production see docs/operations.md.")
        self.logs.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        try:
            self.lock = RunLock(self.state / "run.lock")
        except AlreadyRunning as error:
            raise Refused(
                f"Thermae already runs from {self.state}, as process {error}. Stop it first, "
                "or set THERMAE_STATE_DIR to another folder for a second one."
            ) from None
        self.shared.unlink(missing_ok=True)
        stale = self.lock.end_stale()
        if stale:
            say(f"  ✓ Ended what a killed run had left: {', '.join(stale)}")
        self._try_port()
        for log in self.logs.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))

    def _try_port(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise Refused(
                    f"Cannot listen on {self.host}:{self.port} ({error.strerror}). "
                    f"Choose another port: make run PORT={self.port + 1}"
                ) from None

    def configure(self) -> None:
        """Decide, once, what the settings of all processes will read from the environment."""
        environment = os.environ
        environment["DJANGO_SETTINGS_MODULE"] = "project.settings"
        if "DOCKER_HOST" in environment:  # such as a rootless engine's
            environment.setdefault("THERMAE_DOCKER_HOST", environment["DOCKER_HOST"])
        runtime, why = engine.choose()
        say(f"  ✓ Runtime: {runtime}, as {why}")
        if runtime == "bubblewrap":
            say(engine.WEAKER)
        environment["THERMAE_RUNTIME"] = runtime
        bundle = environment.get("PIP_CERT") or environment.get("SSL_CERT_FILE")
        if bundle and "THERMAE_BUILD_CA_BUNDLE" not in environment:
            environment["THERMAE_BUILD_CA_BUNDLE"] = bundle
            if runtime == "docker":
                say(f"  ✓ Image builds trust {bundle}, as this shell does")
        hosts = ["127.0.0.1", "localhost", "[::1]", self.host]
        if self.host in EVERYWHERE:
            hosts += [socket.gethostname(), *{str(info[4][0]) for info in _addresses()}]
        environment.setdefault("THERMAE_ALLOWED_HOSTS", ",".join(dict.fromkeys(hosts)))
        self._choose_password()

    def _choose_password(self) -> None:
        """The demo's, made once. The sign-in page shows it only where nobody but this machine can ask for the page."""
        path = self.state / "demo_password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(9))
        self.password = path.read_text().strip()
        if self.host in LOOPBACK:
            os.environ.setdefault("THERMAE_DEMO_LOGIN", f"demo / {self.password}")

    def share(self) -> None:
        """Tell other commands, such as `make doctor`, what this run uses."""
        names = ("THERMAE_REDIS_URL", "THERMAE_RUNTIME", "THERMAE_BUILD_CA_BUNDLE", "THERMAE_DOCKER_HOST")
        text = "".join(f"{name}='{os.environ[name]}'\n" for name in names if name in os.environ)
        self.shared.touch(mode=0o600)
        self.shared.write_text(text)

    def leave(self) -> None:
        if self.lock:
            self.shared.unlink(missing_ok=True)
            self.lock.release()


def _addresses() -> Sequence[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []
