"""The installation that is measured: what `make run` starts, in a folder and under a label of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import command, descendants
from tests.bench.waiting import free_port, until

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 1800  # seconds; the first start may have to build the image


@dataclass(frozen=True, slots=True)
class Installation:
    url: str
    token: str
    web: list[int]  # the processes of the web server
    folder: Path


@asynccontextmanager
async def running() -> AsyncIterator[Installation]:
    """Start Redis, worker with beat, and web by the supervisor of `make run`; stop all of it at the end."""
    with tempfile.TemporaryDirectory(prefix="thm-bench-") as folder:
        configure(Path(folder))
        port = free_port()
        log = Path(folder, "supervisor.log")
        with log.open("wb") as output:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "project.supervisor", "--port", str(port), "--only-first-image"],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            await until(lambda: is_ready(supervisor, log), "the installation to be ready", START_TIMEOUT, every=0.5)
            token = await asyncio.to_thread(take_over)
            web = [pid for pid in descendants(supervisor.pid) if "project.server" in command(pid)]
            yield Installation(f"http://127.0.0.1:{port}", token, web, Path(folder))
        finally:
            supervisor.send_signal(signal.SIGTERM)
            await asyncio.to_thread(supervisor.wait, 90)


def configure(folder: Path) -> None:
    """Set the environment of the installation and of this process, which looks into its database."""
    for name in [name for name in os.environ if name.startswith("THERMAE_") and name != "THERMAE_DOCKER_HOST"]:
        del os.environ[name]
    os.environ["THERMAE_STATE_DIR"] = str(folder)
    os.environ["THERMAE_INSTALLATION"] = f"bench-{uuid.uuid4().hex[:12]}"
    os.environ["THERMAE_ALLOWED_OCI_RUNTIMES"] = "runsc"
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"


async def is_ready(supervisor: subprocess.Popen[bytes], log: Path) -> bool:
    said = log.read_text(errors="replace")
    if supervisor.poll() is not None:
        raise RuntimeError(f"The installation did not come up:\n{said[-3000:]}")
    return "\nReady: " in said


def take_over() -> str:
    """Switch the demo's pools off, so that every sandbox is one of ours; returns a token of the demo's owner."""
    import django

    django.setup()
    from interpreters.models import SessionPool
    from tenants.models import ApiToken, Membership

    SessionPool.objects.update(enabled=False, ready_instances=0)
    member = Membership.objects.earliest("pk")
    return ApiToken.issue(tenant=member.tenant, user=member.user, name="make bench")[1]
