"""What a run does to the installation itself, by way of the applications' own verbs. Needs Django set up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import close_old_connections

from interpreters import tasks
from interpreters.lifecycle import State
from interpreters.models import InterpreterImage, SessionPool
from project.supervisor.children import ChildFailed
from tenants.egress import Mode
from tenants.models import ApiToken, Membership

# The pool of the first cell; its image is built before anything else.
FIRST = "python"


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)


def collect_static() -> None:
    call_command("collectstatic", verbosity=0, interactive=False)


def seed(password: str) -> None:
    """The demo's tenant, its person, and a pool for each language; pools that are there stay as they are."""
    with Path(os.devnull).open("w") as nowhere:
        call_command("seed_demo", password=password, stdout=nowhere)


def prepare(command: list[str], log: Path, tell: Callable[[str], None]) -> None:
    """Run a long management command, and tell each line that it prints. Raises ChildFailed.

    A process of its own, so that stopping ends at once what it has started.
    """
    with log.open("a") as record:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        lines: list[str] = []
        try:
            assert process.stdout
            for line in process.stdout:
                record.write(line)
                if line.strip():
                    lines = [*lines[-19:], line.rstrip()]
                    tell(line.strip())
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if status:
        words = "\n".join(f"      {line}" for line in lines)
        raise ChildFailed(f"manage.py {' '.join(command)} ended with status {status}. All of it is in {log}\n{words}")


def first_image_is_there() -> bool:
    """Whether it has been built before, perhaps from older sources."""
    return any(image.usable for image in InterpreterImage.objects.filter(tenant=None, name=FIRST))


def image_states() -> dict[str, str]:
    """Name → state, of the languages that all tenants share."""
    close_old_connections()
    ours = InterpreterImage.objects.filter(tenant=None, origin=InterpreterImage.Origin.SOURCE)
    return dict(ours.values_list("name", "state"))


def wants_egress() -> bool:
    """Whether any pool has network access."""
    close_old_connections()
    return SessionPool.objects.exclude(egress=Mode.NONE).exists()


def build_in_background(image: str) -> None:
    """Ask the worker."""
    tasks.build_image.delay(InterpreterImage.objects.get(tenant=None, name=image).pk)


def wait_for_ready(pool: str, tell: Callable[[str], None], alive: Callable[[], None], seconds: float = 120) -> None:
    """Return once the pool has an instance ready. `alive` is called meanwhile, to raise when a process died."""
    deadline = time.monotonic() + seconds
    while True:
        alive()
        close_old_connections()
        row = SessionPool.objects.get(name=pool, tenant=None)
        states = list(row.sessions.exclude(state=State.GONE).values_list("state", "phase"))
        if any(state == State.READY for state, _ in states) or row.ready_instances == 0:
            return
        phases = sorted({phase or state for state, phase in states})
        tell(", ".join(phases) or row.last_error or "waiting for the worker")
        if time.monotonic() > deadline:
            raise ChildFailed(f"The pool {pool} has no instance ready after {seconds:.0f} s. {row.last_error}".strip())
        time.sleep(0.1)


class TrialToken:
    """A token of the demo's owner for the first cell; it is deleted afterwards."""

    def __enter__(self) -> str:
        member = Membership.objects.order_by("pk").first()
        assert member, "seed_demo makes one"
        self._token, secret = ApiToken.issue(
            tenant=member.tenant, user=member.user, name="make run", lifetime=timedelta(minutes=10)
        )
        return secret

    def __exit__(self, *_: object) -> None:
        self._token.delete()


def stop_sandboxes() -> None:
    """Remove every sandbox of this installation."""
    close_old_connections()
    with Path(os.devnull).open("w") as nowhere:
        call_command("stop_sandboxes", stdout=nowhere)


def runtime_name() -> str:
    return str(settings.RUNTIME)
