"""A real worker makes an archive and erases a tenant that has a running session, by its clock."""

import os
import signal
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.supervisor.children import Child
from tests.console import Console
from tests.services import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240, func_only=True)]


@pytest.fixture
def environment(short_dir: Path, redis_url: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "THERMAE_STATE_DIR": str(short_dir),
        "THERMAE_DATABASE_URL": f"sqlite:///{short_dir}/db.sqlite3",
        "THERMAE_REDIS_URL": redis_url,
        "THERMAE_RUNTIME": "memory",
        "THERMAE_MAINTAIN_INTERVAL": "0.5",
    }


@pytest.fixture
def console(environment: dict[str, str], short_dir: Path) -> Iterator[Console]:
    console = Console(environment, short_dir / "console.log")
    console.prepare()
    console.person(name="alice", tenant="acme")
    console.person(name="charlie", tenant="other")
    yield console
    console.stop()


@pytest.fixture
def worker(environment: dict[str, str], short_dir: Path, console: Console) -> Iterator[Child]:
    command = [sys.executable, "-m", "celery", "-A", "project", "worker", "--pool", "threads", "--concurrency", "2"]
    command += ["--without-mingle", "--without-gossip", "--beat", "--schedule", str(short_dir / "beat")]
    child = Child("worker", command, short_dir / "worker.log", environment)
    child.start()
    yield child
    child.stop()


def test_an_archive_is_made_and_a_tenant_erased_also_across_the_death_of_the_worker(
    console: Console, worker: Child, short_dir: Path
) -> None:
    console.leased(session=str(uuid.uuid4()), owner="alice", target_port=None)
    console.ask_for_archive(tenant="acme", name="alice")
    wait_until(lambda: console.archives()[0]["state"] == "ready", "the archive", 60)
    [archive] = console.archives()
    path = short_dir / "archives" / archive["file"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert b'"identifier"' in file.read("sessions.jsonl")
    assert worker.process
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait(10)
    console.erase(tenant="acme")
    worker.start()
    wait_until(lambda: bool(console.erasures()[0]["finished_at"]), "the erasure", 90)
    [erasure] = console.erasures()
    assert (erasure["tenants"], erasure["sessions"]) == (["other"], 0)
    assert erasure["counts"].pop("usage_by_day") in (1, 2), "a day, or two at midnight"
    assert erasure["counts"] == {"members": 1, "sessions": 1, "usage": 1, "archives": 1, "accounts": 1}
    assert not path.exists()
