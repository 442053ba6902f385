"""A session ends, and a receiver on this machine is told of it by a real worker: signed, again and again if need be."""

import os
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from project.supervisor.children import Child
from tests.console import Console
from tests.services import wait_until
from tests.webhooks import receiver

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
        "THERMAE_WEBHOOK_HTTP": "true",
        "THERMAE_WEBHOOK_NETWORKS": "127.0.0.1",
    }


@pytest.fixture
def console(environment: dict[str, str], short_dir: Path) -> Iterator[Console]:
    console = Console(environment, short_dir / "console.log")
    console.prepare()
    console.person(name="alice", tenant="acme")
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


def ended(console: Console) -> str:
    session = str(uuid.uuid4())
    console.leased(session=session, owner="alice", target_port=None)
    assert console.end(session=session)
    return session


def test_what_fails_twice_is_taken_at_the_third_time(console: Console, worker: Child) -> None:
    with receiver(500, (503, {"Retry-After": "7"})) as there:
        secret = console.webhook(tenant="acme", url=there.url, events=["session.ended"])
        session = ended(console)
        for number in (1, 2, 3):
            wait_until(lambda number=number: len(there.got) >= number, f"attempt {number}", 60)  # type: ignore[misc]
            wait_until(lambda number=number: console.deliveries()[0]["log"][number - 1 :] != [], "its note")  # type: ignore[misc]
            console.time_passes()
        [delivery] = console.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 3)
    assert [attempt["status"] for attempt in delivery["log"]] == [500, 503, 204]
    assert len(there.got) == 3
    assert {headers["webhook-id"] for _, headers, _ in there.got} == {there.got[0][1]["webhook-id"]}
    for path, headers, body in there.got:
        assert path == "/hook?from=thermae"
        told: Any = Webhook(secret).verify(body, headers)
        assert (told["type"], told["tenant"], told["data"]["session"]) == ("session.ended", "acme", session)


def test_a_worker_that_is_killed_while_it_sends_leaves_it_to_the_next(console: Console, worker: Child) -> None:
    with receiver() as there:
        there.hold = threading.Event()
        console.webhook(tenant="acme", url=there.url, events=["session.ended"])
        ended(console)
        assert there.reached.wait(60)
        assert worker.process
        os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait(10)
        assert console.deliveries()[0]["state"] == "pending"
        there.hold.set()
        console.time_passes()
        worker.start()
        wait_until(lambda: console.deliveries()[0]["state"] == "delivered", "the next worker's attempt", 60)
    assert console.deliveries()[0]["attempts"] == 2
    assert len({headers["webhook-id"] for _, headers, _ in there.got}) == 1


def test_without_the_operators_word_nothing_of_this_machine_is_reached(
    console: Console, environment: dict[str, str], worker: Child
) -> None:
    """The worker's networks name 127.0.0.1 and no other address of this machine."""
    with receiver() as there:
        console.webhook(tenant="acme", url=there.url.replace("127.0.0.1", "127.0.0.2"), events=["session.ended"])
        ended(console)
        wait_until(lambda: bool(console.deliveries()[0]["log"]), "an attempt", 60)
    assert there.got == []
    assert "no address" in console.deliveries()[0]["log"][0]["error"]
