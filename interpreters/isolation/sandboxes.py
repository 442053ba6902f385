"""The sandboxes of a check: made as in service, used through their agents, always removed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Self

from django.conf import settings

from interpreters import client
from interpreters.client import Agent, AgentError, AgentRefused
from interpreters.isolation import bundle
from interpreters.isolation.base import Act, Given, Observation, Probe
from interpreters.runtime.base import LaunchFailed, Runtime, RuntimeUnavailable, Sandbox, SandboxSpec

logger = logging.getLogger(__name__)

STARTS_WITHIN = 60.0  # seconds until its files can be written
LONGEST = 240.0  # seconds for an act
LOOK_EVERY = 0.1
STALE = 1800.0  # seconds after which a sandbox of a check belongs to one that was killed
FOLDER = "isolation"
# The shell has the uid of code, as all that the kernel host starts, and becomes the program. The program's input stays
# the terminal: when nobody has that open, the terminal is over, and its processes with it.
TYPED = """mkdir -p {folder}/links; for way in etc:/etc run:/run/thermae root:/ climb:../../..; do \
ln -sfn "${{way#*:}}" "{folder}/links/${{way%%:*}}"; done; \
python=/opt/agent/bin/python; [ -x $python ] || python=python3; \
exec $python -I -S {folder}/check.pyz {folder}/{act}.json {folder}/{act}.results >/dev/null 2>{folder}/{act}.errors
"""


def label() -> str:
    return f"{settings.INSTALLATION}-isolation"


def remove_stale(runtime: Runtime) -> None:
    """What a check that was killed has left."""
    for sandbox in runtime.list(label()):
        if sandbox.age > STALE:
            logger.warning("removing %s, which an earlier check has left", sandbox.handle)
            runtime.remove(sandbox.handle)


def patience(probes: Sequence[Probe]) -> float:
    """Seconds for an act of these."""
    return min(30 + sum(probe.deadline for probe in probes), LONGEST)


class Cell:
    """One sandbox, from birth to death: `async with Cell(runtime, spec) as cell`."""

    def __init__(self, runtime: Runtime, spec: SandboxSpec) -> None:
        self.runtime, self.spec = runtime, spec
        self.handle = ""

    async def __aenter__(self) -> Self:
        creating = asyncio.ensure_future(asyncio.to_thread(self.runtime.create, self.spec))
        try:
            self.handle = (await asyncio.shield(creating)).handle
            await self._until_it_takes_files()
        except BaseException:
            # Ctrl-C does not stop a thread: what it makes meanwhile is still ours to remove.
            with contextlib.suppress(LaunchFailed, RuntimeUnavailable):
                self.handle = (await creating).handle
                await self.remove()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.remove()

    async def remove(self) -> None:
        await client.forget_agent(self.spec.session)
        await asyncio.shield(asyncio.to_thread(self.runtime.remove, self.handle))

    @property
    def agent(self) -> Agent:
        return client.get_agent(self.spec.session)

    async def _until_it_takes_files(self) -> None:
        """Raises LaunchFailed. Whether its kernel starts does not matter."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                await self._put("check.pyz", bundle.program())
                return
            except AgentError as error:
                if time.monotonic() > deadline:
                    said = await asyncio.to_thread(self.runtime.logs, self.handle, 10)
                    raise LaunchFailed(f"Its agent does not take a file: {error} {said}".strip()) from error
            await asyncio.sleep(0.05)

    async def _put(self, name: str, content: bytes) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield content

        await self.agent.upload(f"{FOLDER}/{name}", body())

    async def run(self, act: Act, probes: Sequence[Probe], given: Given) -> Mapping[str, Observation]:
        """What the probes of an act have met. Those that are not told of did not come to it."""
        if not probes:
            return {}
        with contextlib.suppress(AgentError, TimeoutError):
            async with asyncio.timeout(patience(probes)):
                await self._put(f"{act}.json", bundle.orders(probes, given))
                async with self.agent.terminal(f"isolation-{act}", 24, 200) as terminal:
                    await terminal.send(TYPED.format(folder=FOLDER, act=act.value).encode())
                    async for _ in terminal:
                        pass  # until it ends: the shell has become the program
        if act is Act.LAST:
            return {}
        return bundle.observations(await self._results(act))

    async def _results(self, act: Act) -> bytes:
        text = b""
        with contextlib.suppress(AgentError, TimeoutError):
            async with asyncio.timeout(20), self.agent.download(f"{FOLDER}/{act}.results") as download:
                async for piece in download.body:
                    text += piece
                    if len(text) > bundle.MOST_RESULTS:
                        break
        return text

    async def answers(self, within: float) -> bool:
        """Whether its agent says anything at all."""
        with contextlib.suppress(AgentError, TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(AgentError):
                        await self.agent.health()
                        return True
                    await asyncio.sleep(LOOK_EVERY)
        return False

    async def lost_its_host(self) -> bool:
        """Whether all processes of code were ended, with the one that started them."""
        try:
            await self._put("last.json", b"")
        except AgentRefused as refused:
            return refused.code == "host_lost"
        except AgentError:
            return False
        return False

    async def sandbox(self) -> Sandbox | None:
        listed = await asyncio.to_thread(self.runtime.list, self.spec.installation)
        return next((one for one in listed if one.session == self.spec.session), None)


class Watch:
    """Asks an agent again and again while it is entered; `silence` is the longest that it took to answer."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.silence = 0.0
        self._heard = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._heard = time.monotonic()
        self._task = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._note()

    async def _ask(self) -> None:
        while True:
            with contextlib.suppress(AgentError):
                await self._cell.agent.health()
                self._note()
                self._heard = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)

    def _note(self) -> None:
        self.silence = max(self.silence, time.monotonic() - self._heard)
