"""Files outlive their session in real sandboxes: a cooldown, a sandbox that is killed, names of any bytes."""

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client import PATIENCE, Client
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True)]

WRITE = r"""
import os
for name in (b'not \xff text', b'new\nline', b'plain'):
    open(name, 'wb').write(name)
os.symlink("plain", "link"); os.mkfifo("pipe"); os.makedirs("deep/er")
open("deep/er/run", "w").write("x"); os.chmod("deep/er/run", 0o755)
"""
READ = r"""
import os
assert all(open(name, 'rb').read() == name for name in (b'not \xff text', b'new\nline', b'plain'))
print(os.readlink('link'), oct(os.stat('deep/er/run').st_mode & 0o777), os.path.exists('pipe'))
"""


@pytest.fixture(scope="module", autouse=True)
def all_is_well_afterwards(stack: Stack) -> Iterator[None]:
    yield
    stack.check()


async def saved(client: Client, identifier: str, files: int) -> dict[str, Any]:
    """The workspace, once so many files are in it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            [workspace] = await client.want("GET", f"/workspaces?identifier={identifier}")
            if workspace["files"] == files:
                return dict(workspace)
            await asyncio.sleep(0.3)


async def test_files_outlive_a_session_and_a_sandbox_that_is_killed(client: Client, stack: Stack) -> None:
    identifier = uuid.uuid4().hex
    await client.want("PUT", "/workspaces", {"identifier": identifier})
    first = await client.open("python", identifier)
    assert (await client.run(first, WRITE))["state"] == "ok"
    await client.close(first)
    second = await client.open("python", identifier)
    assert second != first
    execution = await client.run(second, READ)
    assert execution["state"] == "ok", execution["outputs"]
    assert execution["outputs"][0]["text"] == "plain 0o755 False\n"
    [workspace] = await client.want("GET", f"/workspaces?identifier={identifier}")
    assert [left["path"] for left in workspace["left_out"]] == ["pipe"]
    # What was saved a moment after a run survives the death of everything in the sandbox.
    files = workspace["files"]
    await client.run(second, "open('later', 'w').write('1')")
    await saved(client, identifier, files + 1)
    subprocess.run(["docker", "kill", f"thermae-{second}"], check=True, capture_output=True)
    async with asyncio.timeout(PATIENCE):
        while (await client.want("GET", f"/sessions/{second}"))["state"] not in ("stopping", "gone"):
            await asyncio.sleep(0.3)
    third = await client.open("python", identifier)
    execution = await client.run(third, "print(open('later').read())")
    assert execution["outputs"][0]["text"] == "1\n"
    await client.close(third)
