"""Links out of the work folder, walked into through the agent's files, as a request of a user's would."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from interpreters.client import Agent, AgentRefused
from interpreters.isolation.base import Observation
from interpreters.isolation.sandboxes import FOLDER

LINKS = f"{FOLDER}/links"  # to /etc, /run/thermae, / and ../../.., made by the shell


async def walks_out(agent: Agent) -> Observation:
    """`refused`, or the first way out of the work folder that the agent's files take."""
    listed = await agent.list_files(LINKS)
    if [entry.get("type") for entry in listed["entries"]] != ["link"] * 4:
        return Observation("failed", "the links were not made")
    for name, way in _ways(agent).items():
        try:
            await way()
        except AgentRefused as refused:
            # Another reason means that the link was followed, and something else was in the way.
            if refused.code == "is_link":
                continue
            return Observation("done", f"{name}: {refused.code}")
        return Observation("done", name)
    return Observation("refused")


def _ways(agent: Agent) -> Mapping[str, Callable[[], Awaitable[object]]]:
    links = LINKS

    async def written() -> AsyncIterator[bytes]:
        yield b"x"

    async def read(path: str) -> None:
        async with agent.download(path) as download:
            async for _ in download.body:
                return

    async def pack(path: str) -> None:
        async with agent.archive(path) as download:
            async for _ in download.body:
                return

    return {
        "list by link": lambda: agent.list_files(f"{links}/etc"),
        "read by link": lambda: read(f"{links}/etc/passwd"),
        "read by the root": lambda: read(f"{links}/root/etc/passwd"),
        "read by climbing": lambda: read(f"{links}/climb/etc/passwd"),
        "read a link": lambda: read(f"{links}/run"),
        "write by link": lambda: agent.upload(f"{links}/run/isolation", written()),
        "write by the root": lambda: agent.upload(f"{links}/root/tmp/isolation", written()),
        "make a folder by link": lambda: agent.make_folder(f"{links}/root/tmp/isolation-folder"),
        "delete by link": lambda: agent.delete_file(f"{links}/root/tmp/isolation-none"),
        "pack by link": lambda: pack(f"{links}/etc"),
    }
