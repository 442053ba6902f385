"""A tenant's own image through a whole installation: uploaded, built by the worker, run, and rolled by a new upload."""

import asyncio
from typing import Any

import pytest

from tests.archives import tar_of
from tests.client import PATIENCE, Client
from tests.integration.conftest import Connect
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300)]

DOCKERFILE = b"FROM thermae/python\nCOPY greeting.py /opt/python/lib/python3.11/site-packages/greeting.py\n"
ABOUT = "kind=code&language=Python&kernel=python3"


async def upload(client: Client, word: str) -> dict[str, Any]:
    """The image, once it is made of this word."""
    context = tar_of({"Dockerfile": DOCKERFILE, "greeting.py": f"word = {word!r}\n".encode()})
    before = await client.call("GET", "/images/greetings")
    await client.want("PUT", f"/images/greetings/context?{ABOUT}", data=context)
    async with asyncio.timeout(PATIENCE):
        while True:
            image: dict[str, Any] = await client.want("GET", "/images/greetings")
            assert image["state"] != "failed", image
            if image["state"] == "ready" and (before.status == 404 or image["digest"] != before.body["digest"]):
                return image
            await asyncio.sleep(0.2)


async def greeting(client: Client, identifier: str) -> str:
    session = await client.open("greetings", identifier)
    execution = await client.run(session, "import greeting; print(greeting.word)")
    await client.want("DELETE", f"/sessions/{session}")
    return str(execution["outputs"][0]["text"])


async def test_an_upload_becomes_sessions_and_the_next_one_takes_their_place(stack: Stack, connect: Connect) -> None:
    secret = stack.console.token(name="alice", scopes=["pools:manage", "sessions:use"])
    async with connect(token=secret) as client:
        first = await upload(client, "salve")
        assert "COPY greeting.py" in first["log"]
        stack.console.pool(name="greetings", image="greetings", ready_instances=1, memory=512, disk=64, pids=64)
        try:
            assert await greeting(client, "one") == "salve\n"
            second = await upload(client, "ave")
            assert second["digest"] != first["digest"]
            async with asyncio.timeout(PATIENCE):
                while await greeting(client, f"two-{asyncio.get_running_loop().time()}") != "ave\n":
                    await asyncio.sleep(0.2)
            assert (await client.call("DELETE", "/images/greetings")).body["error"] == "in_use"
        finally:
            stack.console.pool(name="greetings", image="greetings", ready_instances=0)
