"""The file by whose age a health check tells whether a worker and the egress proxy live."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from celery.signals import heartbeat_sent

from interpreters.egress.server import Server
from project.celery import be_seen


@pytest.fixture
def file(settings: Any, tmp_path: Path) -> Path:
    settings.ALIVE_FILE = str(tmp_path / "alive")
    settings.EGRESS_DIR = tmp_path / "egress"
    return tmp_path / "alive"


def test_a_workers_heartbeat_touches_it(file: Path) -> None:
    assert [receiver for receiver, _ in heartbeat_sent.send(sender=None)] == [be_seen]
    assert file.exists()


@pytest.mark.django_db(transaction=True)
async def test_the_proxys_heartbeat_touches_it(file: Path) -> None:
    await Server()._beat()
    assert file.exists()


@pytest.mark.parametrize(("age", "lives"), [(0, True), (20, True), (45, False), (None, False)])
def test_the_check_of_the_compose_file_believes_it_for_half_a_minute(
    file: Path, age: float | None, lives: bool
) -> None:
    composed = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    (check,) = re.findall(r"&alive \[CMD-SHELL, '(.+)'\]", composed)
    if age is not None:
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    asked = subprocess.run(
        ["sh", "-c", check.replace("$$", "$")], env={**os.environ, "THERMAE_ALIVE_FILE": str(file)}, check=False
    )
    assert (asked.returncode == 0) is lives


def test_without_a_name_there_is_none(file: Path, settings: Any) -> None:
    settings.ALIVE_FILE = ""
    be_seen()
    assert not file.exists()
