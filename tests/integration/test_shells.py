"""A terminal in a container of the tenant's own, by the engine's exec: what a person types, sees and leaves."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from interpreters.client import AgentRefused, AgentUnavailable, shells_of
from interpreters.client.base import Terminal
from interpreters.runtime import shells
from interpreters.runtime.base import LaunchFailed
from interpreters.runtime.docker import DockerRuntime

pytestmark = pytest.mark.docker
IMAGE = "debian:bookworm-slim"


@pytest.fixture
def installed(settings: Any, short_dir: Path) -> None:
    settings.RUNTIME = "docker"
    settings.SHELL_DIR = short_dir


@pytest.fixture
def session(installed: None) -> Iterator[uuid.UUID]:
    """The application of a session that runs; its relay has no part in this."""
    with container() as one:
        yield one


class container:
    def __init__(self, *command: str) -> None:
        self.session, self.command = uuid.uuid4(), command or ("sleep", "600")

    @property
    def name(self) -> str:
        return f"thermae-{self.session}-app"

    def __enter__(self) -> uuid.UUID:
        label = f"thermae.installation={os.environ['THERMAE_INSTALLATION']}"
        run = ["docker", "run", "--detach", "--init", "--network", "none", "--user", "10001:10001", "--cap-drop", "ALL"]
        options = [
            "--security-opt",
            "no-new-privileges",
            "--label",
            label,
            "--env",
            "SECRET=s3cret",
            "--name",
            self.name,
        ]
        subprocess.run([*run, *options, "--name", self.name, IMAGE, *self.command], check=True, capture_output=True)
        return self.session

    def __exit__(self, *_: object) -> None:
        subprocess.run(["docker", "rm", "-f", self.name], check=True, capture_output=True)


def offer(session: uuid.UUID) -> None:
    shells.host.offer(session, partial(DockerRuntime().open_shell, f"thermae-{session}"))


class Screen:
    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.seen, self.notices = terminal, "", [""]

    async def read(self) -> None:
        async for data in self.terminal:
            if isinstance(data, bytes):
                self.seen += data.decode(errors="replace")
            else:
                self.notices.append(data)

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(20):
            while text not in self.seen:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def attached(session: uuid.UUID, name: str = "main") -> AsyncIterator[Screen]:
    async with shells_of(session) as worker, worker.terminal(name, 30, 100) as terminal:
        screen = Screen(terminal)
        reading = asyncio.create_task(screen.read())
        try:
            yield screen
        finally:
            reading.cancel()


async def test_a_shell_is_typed_into_resized_left_and_come_back_to(session: uuid.UUID) -> None:
    await asyncio.to_thread(offer, session)
    async with attached(session) as screen:
        await screen.terminal.send(b"kept=$((6*7)); id -u; echo $SECRET; stty size\n")
        await screen.shows("10001\r\ns3cret\r\n30 100")
        await screen.terminal.resize(50, 120)
        await asyncio.sleep(0.3)
        await screen.terminal.send(b"stty size\n")
        await screen.shows("50 120")
    async with attached(session) as again:
        await again.shows("30 100")  # the end of what was there is shown again
        await again.terminal.send(b"echo it is $kept\n")
        await again.shows("it is 42")
        await again.terminal.send(b"exit 3\n")
        async with asyncio.timeout(10):
            while '{"exit":3}' not in again.notices[-1].replace(" ", ""):
                await asyncio.sleep(0.02)


async def test_two_who_come_at_once_share_a_terminal(session: uuid.UUID) -> None:
    await asyncio.gather(*(asyncio.to_thread(offer, session) for _ in range(6)))
    async with attached(session) as one, attached(session) as other:
        await one.terminal.send(b"echo both-$((40+2))\n")
        await one.shows("both-42")
        await other.shows("both-42")


async def test_a_flood_waits_for_its_reader_and_keeps_its_end(session: uuid.UUID) -> None:
    await asyncio.to_thread(offer, session)
    async with attached(session) as screen:
        await screen.terminal.send(b"head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the-$((40+2))-end\n")
        await screen.shows("the-42-end")


async def test_a_container_that_ends_ends_its_terminals(installed: None) -> None:
    with container() as session:
        await asyncio.to_thread(offer, session)
        async with attached(session) as screen:
            await screen.shows("$")
            await asyncio.to_thread(subprocess.run, ["docker", "kill", f"thermae-{session}-app"], capture_output=True)
            async with asyncio.timeout(20):
                while "exit" not in screen.notices[-1]:
                    await asyncio.sleep(0.02)


async def test_a_sandbox_that_is_removed_takes_its_terminals_along(installed: None, settings: Any) -> None:
    """At once: a worker listens for so many sessions only, and those that came and went must not be among them."""
    with container() as session:
        await asyncio.to_thread(offer, session)
        async with attached(session) as screen:
            await screen.shows("$")
        await asyncio.to_thread(DockerRuntime().remove, f"thermae-{session}")
        assert not (settings.SHELL_DIR / str(session)).exists()
        async with asyncio.timeout(5):
            while session in shells.host._servers:
                await asyncio.sleep(0.05)


async def test_a_container_that_is_gone_has_no_shell(session: uuid.UUID) -> None:
    with pytest.raises(LaunchFailed, match="No shell"):
        await asyncio.to_thread(DockerRuntime().open_shell, f"thermae-{uuid.uuid4()}")
    gone = uuid.uuid4()
    await asyncio.to_thread(offer, gone)
    with pytest.raises(AgentRefused, match="No shell"):
        async with attached(gone) as screen:
            await screen.shows("$")


async def test_nothing_but_terminals_is_served(session: uuid.UUID) -> None:
    await asyncio.to_thread(offer, session)
    async with shells_of(session) as worker:
        with pytest.raises(AgentRefused) as refused:
            await worker.health()
        assert refused.value.status == 404


async def test_where_no_worker_listens_nobody_answers(installed: None) -> None:
    async with shells_of(uuid.uuid4()) as worker:
        with pytest.raises(AgentUnavailable):
            await worker.terminals()
