"""Many custom sessions in a row, used by one request each: nothing of them is left anywhere.

CHURN=200x20 asks for 200 with 20 at a time; the usual run is shorter.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from statistics import median

import pytest

from tests.client import PATIENCE, Client
from tests.integration.conftest import Connect
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(900)]

SESSIONS, PARALLEL = (int(number) for number in os.environ.get("CHURN", "40x8").split("x"))
POOL = {
    "name": "churn", "image": "plain", "command": ["python3", "-m", "http.server", "8000"], "target_port": 8000,
    "ready_instances": PARALLEL // 2, "max_concurrent": PARALLEL + PARALLEL // 2, "memory": 128, "disk": 16, "pids": 32,
    "shell": True,
}  # fmt: skip
# Connections that are kept open (to the database, the engine, Redis) come and go by this much.
SLACK = 10


@pytest.fixture
async def owner(stack: Stack, connect: Connect) -> AsyncIterator[Client]:
    stack.console.image(name="relay")
    async with connect(token=stack.console.token(name="alice", scopes=["pools:manage", "sessions:use"])) as client:
        await client.want("PUT", "/images/plain/context?kind=custom", data=b"FROM thermae/base\n")
        async with asyncio.timeout(PATIENCE):
            while (image := await client.want("GET", "/images/plain"))["state"] != "ready":
                assert image["state"] != "failed", image
                await asyncio.sleep(0.1)
        await client.want("POST", "/pools", POOL)
        yield client
        await client.call("DELETE", "/pools/churn")


async def use_one(client: Client, number: int) -> float:
    """Lease, ask once, end; the seconds until the answer. Every fourth opens a terminal too."""
    began = time.monotonic()
    session = await client.open("churn", f"churn-{number}", patience=300)
    async with client.http.get(f"/azure/acme/churn/?identifier=churn-{number}") as answer:
        assert (answer.status, b"Directory listing" in await answer.read()) == (200, True)
    took = time.monotonic() - began
    if number % 4 == 0:
        async with client.terminal(session) as terminal:
            await terminal.shows("$")
    await client.want("DELETE", f"/sessions/{session}")
    client.opened.discard(session)
    return took


async def use_many(client: Client, numbers: range) -> list[float]:
    async def worker(mine: Iterator[int]) -> list[float]:
        return [await use_one(client, number) for number in mine]

    todo = iter(numbers)
    return [took for each in await asyncio.gather(*(worker(todo) for _ in range(PARALLEL))) for took in each]


def descriptors(stack: Stack) -> dict[str, int]:
    """Open files of the web server and of the worker."""
    children = (stack.web, stack.worker)
    return {each.name: len(os.listdir(f"/proc/{each.process.pid}/fd")) for each in children if each.process}


def left(stack: Stack) -> dict[str, list[str]]:
    """What there is of sessions of the pool, on the engine, in the file system and in the database."""
    label = f"label=thermae.installation={stack.installation}"
    words = ["docker", "ps", "--all", "--filter", label, "--format", '{{.Names}} {{.Label "thermae.session"}}']
    listed = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = stack.console.sessions(pool__name="churn")
    ids = {row["id"] for row in rows}
    folders = ("sockets", "sockets/.shells", "egress")
    return {
        "containers": [line for line in listed.stdout.splitlines() if line.split()[-1] in ids],
        "rows": [row["id"] for row in rows if row["state"] != "gone"],
        **{name: sorted(ids & {path.name for path in (stack.folder / name).glob("*")}) for name in folders},
    }


async def settled(stack: Stack, patience: float) -> dict[str, list[str]]:
    """What is left once nothing more goes away."""
    deadline = time.monotonic() + patience
    while any((found := left(stack)).values()) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    return found


async def test_sessions_that_came_and_went_leave_nothing(
    stack: Stack, owner: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    await use_many(owner, range(PARALLEL))  # what a first use opens for good
    before = descriptors(stack)
    began = time.monotonic()
    took = await use_many(owner, range(PARALLEL, PARALLEL + SESSIONS))
    seconds = time.monotonic() - began
    await owner.want("PATCH", "/pools/churn", {"ready_instances": 0})
    # A terminal's socket is kept for a minute after its last use.
    found = await settled(stack, patience=90)
    assert not any(found.values()), found
    after = descriptors(stack)
    reasons = {row["reason"] for row in stack.console.sessions(pool__name="churn")}
    with capsys.disabled():
        print(
            f"\n{SESSIONS} sessions, {PARALLEL} at a time: {seconds:.0f} s, {SESSIONS / seconds:.1f}/s; first answer: "
            f"{median(took):.2f} s (p50), {max(took):.2f} s at most; open files {before} → {after}",
            file=sys.stderr,
        )
    assert reasons <= {"closed", "surplus"}, reasons
    assert {name for name, count in after.items() if count > before[name] + SLACK} == set()
    stack.check()
