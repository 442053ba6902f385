"""A check of one pool: two of its sandboxes are made, hostile code runs in them, and what it met is judged."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from interpreters.isolation.application import ApplicationCell
from interpreters.isolation.base import Act, Given, Observation, Probe, Result, Verdict
from interpreters.isolation.canaries import Canaries
from interpreters.isolation.judging import counts, judge, why_not
from interpreters.isolation.probes import TABLE
from interpreters.isolation.sandboxes import LOOK_EVERY, Cell, Watch, remove_stale
from interpreters.isolation.specs import CannotProbe, spec_for_probing
from interpreters.isolation.telling import log_size, told
from interpreters.isolation.walking import walks_out
from interpreters.models import SessionPool
from interpreters.runtime.base import LaunchFailed, Runtime, SandboxSpec

ANSWERS_AGAIN = 5.0  # seconds for an agent that was in trouble
ENDS_WITHIN = 3.0  # seconds until an engine tells that a sandbox has ended


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
        verdicts = asyncio.run(check(runtime, spec_for_probing(pool)))
    except (CannotProbe, LaunchFailed) as why:
        verdicts = [Verdict("sandbox", "make one of this pool", "", Result.UNCHECKED, str(why)[:600])]
    return Report(pool.name, runtime.name, pool.oci_runtime, versions, time.monotonic() - began, verdicts)


async def check(runtime: Runtime, spec: SandboxSpec, *, only: Collection[str] = ()) -> list[Verdict]:
    """Try what is in the table, or `only` so many of it, against sandboxes of this spec. Raises LaunchFailed."""
    probes = [probe for probe in TABLE if not only or probe.name in only]
    other = replace(spec, session=uuid.uuid4(), pool=spec.pool + 1)
    with Canaries() as canaries:
        given = told(runtime.name, spec, other, canaries)
        unheard = await asyncio.to_thread(canaries.unheard)
        async with contextlib.AsyncExitStack() as stack:
            kind = ApplicationCell if spec.custom else Cell
            quiet, loud = await _both(stack, [kind(runtime, spec), kind(runtime, other)])
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
        return [probe for probe in self._probes if probe.act is act and not why_not(probe, self._given)]

    def _wanted(self, name: str) -> bool:
        return any(probe.name == name and not why_not(probe, self._given) for probe in self._probes)

    async def _act(self, cell: Cell, act: Act) -> None:
        self._seen |= await cell.run(act, self._of(act), self._given)
        missing = [probe.name for probe in self._of(act) if probe.name not in self._seen]
        if missing and (ended := await _ended(cell)):
            self._seen |= {name: Observation("failed", f"the sandbox ended, {ended}") for name in missing}

    async def _log(self) -> Observation:
        """How large the log on the machine has become. bubblewrap's is a file that nothing bounds."""
        written = self._seen["words of the log"].figure or 0.0
        described = await asyncio.to_thread(self._loud.runtime.inspect, self._loud.handle)
        return log_size(described, written)

    async def _memory(self) -> None:
        async with Free() as free:
            for probe in self._of(Act.MEMORY):
                self._seen |= await self._loud.run(Act.MEMORY, [probe], self._given)
                if probe.name not in self._seen and (ended := await _ended(self._loud)):
                    self._seen[probe.name] = Observation("sandbox ended", ended)
        if "memory bomb" not in self._seen:
            return
        self._seen["memory of the machine"] = Observation("kept", "MiB fewer are free", round(free.fallen))
        answered = await self._loud.answers(ANSWERS_AGAIN)
        self._seen["the agent outlives a memory bomb"] = Observation("answered" if answered else "silent")

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
            elif not await self._loud.answers(ANSWERS_AGAIN) and self._given.custom:
                self._seen[probe.name] = Observation("neighbour ended")
            elif await self._quiet.lost_its_host():
                self._seen[probe.name] = Observation("agent lives")
            else:
                self._seen[probe.name] = Observation("failed", "nobody was killed")


async def _ended(cell: Cell) -> str:
    """How it has; "" if it runs. The engine hears of an end a little later than we do."""
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        sandbox = await cell.sandbox()
        if sandbox is not None and not sandbox.running:
            return f"exit code {sandbox.exit_code}{', out of memory' if sandbox.out_of_memory else ''}"
        await asyncio.sleep(LOOK_EVERY)
    return ""


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
