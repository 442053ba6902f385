"""The Compose deployment, brought up for real from what a closed network has, and one cell through it."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services import free_port, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]
ROOT = Path(__file__).resolve().parents[2]
ENGINE = Path("/var/run/docker.sock")


def compose_command() -> list[str] | None:
    """`docker compose`, or Debian's docker-compose of version 1."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


class Deployment:
    def __init__(self, command: list[str]) -> None:
        self._command, self.port = command, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="thm-compose-"))
        self.installation = f"{os.environ['THERMAE_INSTALLATION']}-compose"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("THERMAE_", "DJANGO_"))},
            "COMPOSE_FILE": "docker-compose.yml:docker-compose.closed-network.yml",
            "COMPOSE_PROJECT_NAME": self.installation.replace("-", ""),
            "COMPOSE_ANSI": "never",
            "THERMAE_SECRET_KEY": "a-secret-of-this-test-and-of-nothing-else-0123456789",
            "POSTGRES_PASSWORD": "elephant",
            "REDIS_PASSWORD": "notebook",
            "THERMAE_ALLOWED_HOSTS": "thermae.example.org",
            "THERMAE_BEHIND_TLS_PROXY": "false",
            "THERMAE_INSTALLATION": self.installation,
            "THERMAE_SOCKET_DIR": str(self.folder / "sockets"),
            "THERMAE_EGRESS_DIR": str(self.folder / "egress"),
            "THERMAE_LISTEN": f"127.0.0.1:{self.port}",
            "COMPOSE_PROFILES": "egress",
            "THERMAE_EGRESS_DENY": "192.0.2.1/32",
            "DOCKER_GID": str(ENGINE.stat().st_gid),
        }

    def compose(self, *arguments: str, check: bool = True, seconds: float = 900) -> str:
        done = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True,
            timeout=seconds,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"compose {' '.join(arguments)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}{self.logs()}")
        return done.stdout

    def logs(self) -> str:
        return self.compose("logs", "--tail", "40", check=False, seconds=60)

    def manage(self, *arguments: str, service: str = "worker") -> str:
        return self.compose("exec", "-T", service, "python", "manage.py", *arguments)

    def health(self) -> dict[str, str]:
        """Service → healthy, starting, unhealthy."""
        label = f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"
        form = '{{.Label "com.docker.compose.service"}} {{.Status}}'
        rows = subprocess.run(
            ["docker", "ps", "--filter", label, "--format", form], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return {row.split()[0]: row.rpartition("(")[2].rstrip(")") for row in rows}

    def call(self, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Host": "thermae.example.org"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else content
        finally:
            connection.close()

    def up(self) -> None:
        _have_debian()
        self.compose("build", "python")
        self.compose("build")
        self.compose("up", "-d")
        wanted = {"web", "worker", "beat", "egress", "redis", "postgres"}
        try:
            wait_until(
                lambda: {name for name, state in self.health().items() if state == "healthy"} >= wanted, "health", 300
            )
        except TimeoutError:
            pytest.fail(f"{self.health()}\n{self.logs()}")

    def down(self) -> None:
        self.compose("stop", "web", "worker", "beat", check=False)
        self.compose("run", "--rm", "-T", "worker", "python", "manage.py", "stop_sandboxes", check=False)
        self.compose("down", "--volumes", "--remove-orphans", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def _have_debian() -> None:
    """Make the image that all others stand on, and Python's, unless they are there."""
    with tempfile.TemporaryDirectory(prefix="thm-") as folder:
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "THERMAE_STATE_DIR": folder}
        environment |= {"THERMAE_RUNTIME": "docker"}
        for command in (["migrate", "-v0"], ["build_images", "python"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, timeout=900)


@pytest.fixture(scope="module")
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    command = compose_command()
    if command is None:
        reason = "there is no Compose: apt install docker-compose"
        if "docker" in request.config.getoption("--require"):
            pytest.fail(reason)
        pytest.skip(reason)
    bundle, copy = os.environ.get("THERMAE_BUILD_CA_BUNDLE"), ROOT / "build" / "ca.pem"
    made = bool(bundle) and not copy.exists()
    if bundle and made:
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(bundle, copy)
    one = Deployment(command)
    try:
        one.up()
        one.manage("seed_demo")
        one.manage("build_images", "python")
        yield one
    finally:
        one.down()
        if made:
            copy.unlink()


def run_cell(deployment: Deployment, identifier: str, code: str) -> str:
    """What it prints, in a session of that identifier."""
    token = deployment.manage("create_token", "demo", "demo").strip().splitlines()[-1]
    wanted = {"pool": "python", "identifier": identifier}
    deadline = time.monotonic() + 90
    status, session = deployment.call("POST", "/api/v1/sessions", token, wanted)
    while status not in (200, 201) and time.monotonic() < deadline:
        time.sleep(0.5)
        status, session = deployment.call("POST", "/api/v1/sessions", token, wanted)
    assert status in (200, 201), f"{status} {session}\n{deployment.logs()}"

    path = f"/api/v1/sessions/{session['id']}/executions"
    status, execution = deployment.call("POST", path, token, {"code": code})
    assert status == 200, execution
    return str(execution["outputs"][0]["text"])


def test_a_cell_runs_through_it_by_rest(deployment: Deployment) -> None:
    assert run_cell(deployment, "compose", "print(6 * 7)") == "42\n"


ASK_METADATA = """
import urllib.request, urllib.error
try:
    urllib.request.urlopen("http://169.254.169.254/", timeout=20)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def test_a_pool_with_network_access_has_its_proxy_which_refuses_metadata(deployment: Deployment) -> None:
    change = "SessionPool.objects.filter(name='python').update(egress={!r})"
    shell = "from interpreters.models import SessionPool; "
    deployment.manage("shell", "-c", shell + change.format("open"))
    try:
        told = run_cell(deployment, "egress", ASK_METADATA)
        assert told.startswith("403 "), f"{told}\n{deployment.logs()}"
        assert "metadata" in told
    finally:
        deployment.manage("shell", "-c", shell + change.format("none"))


def test_only_the_worker_can_reach_the_engine(deployment: Deployment) -> None:
    look = "import os; print(os.path.exists('/var/run/docker.sock'))"
    seen = {
        service: deployment.compose("exec", "-T", service, "python", "-c", look).strip()
        for service in ("web", "beat", "egress", "worker")
    }
    assert seen == {"web": "False", "beat": "False", "egress": "False", "worker": "True"}


def test_no_process_of_ours_is_root(deployment: Deployment) -> None:
    for service in ("web", "beat", "egress", "worker", "redis", "postgres"):
        assert deployment.compose("exec", "-T", service, "id", "-u").strip() != "0", service


def test_pages_have_their_scripts_and_styles(deployment: Deployment) -> None:
    status, page = deployment.call("GET", "/login")
    assert status == 200
    asset = page.decode().split('src="/static/')[1].split('"')[0]
    assert deployment.call("GET", f"/static/{asset}")[0] == 200


def test_a_name_that_is_not_ours_is_refused(deployment: Deployment) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=10)
    connection.request("GET", "/api/v1/pools", headers={"Host": "evil.example.org"})
    assert connection.getresponse().status == 400
    connection.close()
