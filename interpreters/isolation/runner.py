"""A check of one pool: two of its sandboxes are made, hostile code runs in them, and what it met is judged."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from django.conf import settings

from interpreters.isolation.base import MIB, Act, Given, Observation, Probe, Result, Verdict
from interpreters.isolation.canaries import Canaries, own_process
from interpreters.isolation.judging import counts, judge
from interpreters.isolation.probes import TABLE
from interpreters.isolation.sandboxes import CannotProbe, Cell, Watch, remove_stale, spec_for_probing
from interpreters.isolation.walking import walks_out
from interpreters.models import SessionPool
from interpreters.runtime.base import LaunchFailed, Runtime, SandboxSpec
from interpreters.runtime.hardening import inode_limit, temporary_size
from interpreters.runtime.sockets import socket_folder

ENGINE_SOCKETS = (
    *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"),
    *("/run/crio/crio.sock", "/run/user/1000/docker.sock", "/run/dbus/system_bus_socket"),
)
ANSWERS_AGAIN = 5.0  # seconds for an agent that was in trouble


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of one pool has found."""

    pool: str
    runtime: str
    oci_runtime: str
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    verdicts: Sequence[Verdict] = ()

    @property
    def counts(self) -> dict[str, int]:
        return counts(self.verdicts)

    @property
    def failed(self) -> bool:
        return not self.verdicts or any(verdict.result.failed for verdict in self.verdicts)


def check_pool(pool: SessionPool, runtime: Runtime) -> Report:
    """Raises RuntimeUnavailable if the engine does not answer at all. Takes a quarter of a minute or so."""
    versions = runtime.versions()
    remove_stale(runtime)
    began = time.monotonic()
    try:
        spec = spec_for_probing(pool)
        # The word is the egress vertical's own; a pool without one has no network.
        verdicts = asyncio.run(check(runtime, spec, network=str(pool.egress) == "open"))
    except (CannotProbe, LaunchFailed) as why:
        verdicts = [Verdict("sandbox", "make one of this pool", "", Result.UNCHECKED, str(why)[:600])]
    return Report(pool.name, runtime.name, pool.oci_runtime, versions, time.monotonic() - began, verdicts)


async def check(
    runtime: Runtime, spec: SandboxSpec, *, network: bool = False, only: Collection[str] = ()
) -> list[Verdict]:
    """Try what is in the table, or `only` so many of it, against sandboxes of this spec. Raises LaunchFailed."""
    probes = [probe for probe in TABLE if not only or probe.name in only]
    other = replace(spec, session=uuid.uuid4(), pool=spec.pool + 1)
    with Canaries() as canaries:
        given = told(runtime, spec, other, canaries, network)
        unheard = await asyncio.to_thread(canaries.unheard)
        async with contextlib.AsyncExitStack() as stack:
            cells = [Cell(runtime, spec), Cell(runtime, other)]
            quiet, loud = await _both(stack, cells)
            seen = await Check(quiet, loud, probes, given).run()
    if unheard:
        words = f"our own canary is not to be heard on {', '.join(unheard)}: a firewall of this machine's?"
        seen |= {name: Observation("failed", words) for name in seen if name.startswith("services of the host")}
    return [judge(probe, seen.get(probe.name), given) for probe in probes]


async def _both(stack: contextlib.AsyncExitStack, cells: Sequence[Cell]) -> Sequence[Cell]:
    """Enter them side by side; if one cannot be made, the other is removed too."""
    entered = await asyncio.gather(*(cell.__aenter__() for cell in cells), return_exceptions=True)
    for cell, outcome in zip(cells, entered, strict=True):
        if not isinstance(outcome, BaseException):
            stack.push_async_exit(cell)
    for outcome in entered:
        if isinstance(outcome, BaseException):
            raise outcome
    return cells


def told(runtime: Runtime, spec: SandboxSpec, other: SandboxSpec, canaries: Canaries, network: bool) -> Given:
    """What the probes of this check are told."""
    neighbour = socket_folder(other.session)
    engine = settings.DOCKER_HOST.removeprefix("unix://")
    return Given(
        engine=runtime.name,
        oci_runtime=spec.oci_runtime,
        network=network,
        memory=spec.memory,
        disk=spec.disk,
        temporary=temporary_size(spec),
        pids=spec.pids,
        inodes=inode_limit(spec.disk),
        addresses=canaries.addresses,
        token=canaries.token,
        abstract=canaries.abstract,
        queue=canaries.queue,
        process=own_process(),
        neighbours=[str(neighbour / "agent.sock"), str(neighbour), str(settings.SOCKET_DIR)],
        engine_sockets=[*ENGINE_SOCKETS, *([engine] if engine.startswith("/") else [])],
    )


class Check:
    """The acts, in order: what is quiet in one sandbox, what is loud in the other, beside each other."""

    def __init__(self, quiet: Cell, loud: Cell, probes: Sequence[Probe], given: Given) -> None:
        self._quiet, self._loud, self._given = quiet, loud, given
        self._probes = probes
        self._seen: dict[str, Observation] = {}

    async def run(self) -> dict[str, Observation]:
        async with Watch(self._quiet) as neighbour, Watch(self._loud) as beside:
            await asyncio.gather(self._act(self._quiet, Act.QUIET), self._act(self._loud, Act.LOUD))
        # What is looked at from outside shows nothing unless what it looks at has happened.
        if "fork bomb" in self._seen:
            self._seen["the neighbour answers meanwhile"] = _heard(neighbour)
            self._seen["the agent answers meanwhile"] = _heard(beside)
        if self._wanted("escape by link"):
            self._seen["escape by link"] = await walks_out(self._quiet.agent)
        if "words of the log" in self._seen:
            self._seen["log flooding"] = await self._log()
        if self._of(Act.MEMORY):
            await self._memory()
        await self._last()
        return self._seen

    def _of(self, act: Act) -> list[Probe]:
        return [probe for probe in self._probes if probe.act is act and not probe.absent(self._given)]

    def _wanted(self, name: str) -> bool:
        return any(probe.name == name for probe in self._probes)

    async def _act(self, cell: Cell, act: Act) -> None:
        self._seen |= await cell.run(act, self._of(act), self._given)

    async def _log(self) -> Observation:
        """How large the log on the machine has become. bubblewrap's is a file that nothing bounds."""
        text = await asyncio.to_thread(self._loud.runtime.logs, self._loud.handle, 100_000)
        written = self._seen["words of the log"].figure or 0.0
        size = max(len(text) / MIB, written if self._given.engine == "bubblewrap" else 0.0)
        return Observation("bounded", f"{written:.3g} MiB were written to it", size)

    async def _memory(self) -> None:
        async with Free() as free:
            for probe in self._of(Act.MEMORY):
                self._seen |= await self._loud.run(Act.MEMORY, [probe], self._given)
                if probe.name not in self._seen and (ended := await self._ended()):
                    self._seen[probe.name] = Observation("sandbox ended", ended)
        if "memory bomb" not in self._seen:
            return
        self._seen["memory of the machine"] = Observation("kept", "MiB fewer are free", round(free.fallen))
        answered = await self._loud.answers(ANSWERS_AGAIN)
        self._seen["the agent outlives a memory bomb"] = Observation("answered" if answered else "silent")

    async def _ended(self) -> str:
        sandbox = await self._loud.sandbox()
        if sandbox is None or sandbox.running:
            return ""
        return f"exit code {sandbox.exit_code}{', out of memory' if sandbox.out_of_memory else ''}"

    async def _last(self) -> None:
        """Only where processes of the machine are out of reach: else it would be the end of them."""
        for probe in self._of(Act.LAST):
            seen = self._seen.get("processes of the host")
            if seen is None or seen.answer != "none":
                words = "not tried: processes of the machine may be in reach"
                self._seen[probe.name] = Observation("failed", words)
                continue
            await self._quiet.run(Act.LAST, [probe], self._given)
            if not await self._quiet.answers(ANSWERS_AGAIN):
                self._seen[probe.name] = Observation("agent ended")
            elif await self._quiet.lost_its_host():
                self._seen[probe.name] = Observation("agent lives")
            else:
                self._seen[probe.name] = Observation("failed", "nobody was killed")


def _heard(watch: Watch) -> Observation:
    return Observation("answered", "seconds", round(watch.silence, 2))


class Free:
    """How far the machine's free memory falls while it is entered, in MiB."""

    def __init__(self) -> None:
        self._before = self._least = _available()
        self._task: asyncio.Task[None] | None = None

    @property
    def fallen(self) -> float:
        return max(0.0, self._before - self._least)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            self._least = min(self._least, _available())
            await asyncio.sleep(0.05)


def _available() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) / 1024
    return 0.0
