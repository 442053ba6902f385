"""`manage.py doctor` says, for each thing that an installation needs, that it is well or what to do.

That all is well, with a real sandbox, is in test_run.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import migrated
from tests.console import Console
from tests.services import RedisServer

ROOT = Path(__file__).resolve().parents[2]


def doctor(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    defaults = {"THERMAE_RUNTIME": "memory", "THERMAE_REDIS_URL": "redis://127.0.0.1:1/0"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("THERMAE_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT, env={**clean, "THERMAE_STATE_DIR": str(folder), **defaults, **environment},
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip


def line_of(report: str, subject: str) -> str:
    return "\n".join(line for line in report.splitlines() if f" {subject} " in line)


def test_a_fresh_checkout_is_told_what_to_do_next(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "run: manage.py migrate" in done.stdout
    assert "make run" in line_of(done.stdout, "redis")
    assert "Traceback" not in done.stdout + done.stderr


def test_an_engine_that_does_not_answer_is_named_with_its_address(tmp_path: Path) -> None:
    migrated.copy_to(tmp_path / "db.sqlite3")
    done = doctor(tmp_path, THERMAE_RUNTIME="docker", THERMAE_DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert f"{tmp_path}/none.sock" in line_of(done.stdout, "docker")
    assert "THERMAE_DOCKER_HOST" in done.stdout


def test_a_database_that_does_not_answer_is_said_once_for_each_check_and_nothing_breaks(tmp_path: Path) -> None:
    done = doctor(tmp_path, THERMAE_DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "check THERMAE_DATABASE_URL" in done.stdout
    assert "ok   disk" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.redis
def test_redis_without_a_worker_is_half_of_it(tmp_path: Path, redis_server: RedisServer) -> None:
    migrated.copy_to(tmp_path / "db.sqlite3")
    done = doctor(tmp_path, THERMAE_REDIS_URL=redis_server.url)
    assert line_of(done.stdout, "redis").startswith("ok")
    assert "no Celery worker answers" in line_of(done.stdout, "worker")
    assert done.returncode == 1


@pytest.mark.docker
@pytest.mark.runsc
@pytest.mark.timeout(900)  # the image is built where it is missing
def test_a_cell_is_run_under_each_oci_runtime_that_a_pool_names(short_dir: Path) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "THERMAE_STATE_DIR": str(short_dir),
        "THERMAE_INSTALLATION": os.environ["THERMAE_INSTALLATION"],
        "THERMAE_DATABASE_URL": f"sqlite:///{short_dir}/db.sqlite3",
        "THERMAE_RUNTIME": "docker",
        "THERMAE_ALLOWED_OCI_RUNTIMES": "runsc,kata",
    }
    for name in ("THERMAE_BUILD_CA_BUNDLE", "THERMAE_DOCKER_HOST"):
        environment |= {name: os.environ[name]} if name in os.environ else {}
    console = Console(environment, short_dir / "console.log")
    try:
        console.prepare()
        console.image(name="python")
        for name, oci_runtime in (("plain", ""), ("strong", "runsc"), ("absent", "kata"), ("stronger", "sysbox")):
            console.pool(name=name, oci_runtime=oci_runtime, memory=512, disk=64)
    finally:
        console.stop()
    report = doctor(short_dir, **environment).stdout
    for what in ("a new one ran 6 * 7 = 42", "a new one by runsc ran 6 * 7 = 42"):
        assert f"ok   sandbox    {what}" in report, report
    assert "BAD  sandbox    a new one by kata: " in report
    assert "BAD  sandbox    a new one by sysbox: The OCI runtime 'sysbox' is not allowed here" in report
    assert "'kata', which the engine does not have" in report
    assert "'sysbox', which is not allowed" in report
