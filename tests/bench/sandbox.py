"""Looking into a sandbox from outside: its processes, and the raw ZMQ peer run beside its kernel."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from interpreters.runtime.sockets import code_uid
from tests.bench.processes import command, descendants

SCRIPT = (Path(__file__).parent / "raw_zmq.py").read_text()


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def container_of(session: str, part: str = "") -> str:
    """The container of a session; of a custom one the part: relay or app. Raises LookupError when there is none."""
    which = [
        "--filter",
        f"label=thermae.session={session}",
        *(["--filter", f"label=thermae.part={part}"] if part else []),
    ]
    found = docker("ps", "--quiet", "--no-trunc", *which).split()
    if not found:
        raise LookupError(f"No container carries the label of session {session}.")
    return found[0]


def processes_of(container: str) -> dict[int, str]:
    """Every process of a container, by its id on this machine, with its command line."""
    first = int(docker("inspect", "--format", "{{.State.Pid}}", container))
    group = _pid_namespace(first)
    found = {pid: command(pid) for pid in descendants(first)}
    # What `docker exec` started is no child of the container's first process.
    for path in Path("/proc").glob("[0-9]*"):
        if int(path.name) not in found and _pid_namespace(int(path.name)) == group:
            found[int(path.name)] = command(int(path.name))
    return found


def _pid_namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def agent_processes(container: str) -> list[int]:
    """The agent and its kernel host: what runs from the agent's own environment."""
    found = [pid for pid, line in processes_of(container).items() if " -m agent" in line]
    if not found:
        raise LookupError("No agent runs in this sandbox.")
    return found


def kernel_python(container: str) -> str:
    """The interpreter that the sandbox's ipykernel runs on: it has pyzmq, and is what a peer must start too."""
    for line in processes_of(container).values():
        if "kernel -f " in line:
            return line.split()[0]
    raise LookupError("No ipykernel runs in this sandbox.")


@asynccontextmanager
async def raw_client(container: str) -> AsyncIterator["RawClient"]:
    """The raw ZMQ client beside the kernel of a running sandbox, under the uid of its code."""
    python = kernel_python(container)
    session = UUID(docker("inspect", "--format", '{{index .Config.Labels "thermae.session"}}', container))
    words = ["docker", "exec", "-i", "-u", str(code_uid(session)), container, python, "-c", SCRIPT]
    async with _raw_client(words) as client:
        yield client


@asynccontextmanager
async def bare_container(image: str, python: str) -> AsyncIterator["RawClient"]:
    """A container of the same image with nothing of ours in it but the raw client, as the floor of a launch."""
    words = [
        "docker", "run", "-i", "--rm", "--init", "--network=none", "--read-only", "--tmpfs=/tmp", "--user=10001",
        "--workdir=/tmp", "--env=HOME=/tmp", "--env=IPYTHONDIR=/tmp/ipython", "--log-driver=none",
        f"--entrypoint={python}", image, "-c", SCRIPT,
    ]  # fmt: skip
    async with _raw_client(words) as client:
        yield client


@asynccontextmanager
async def _raw_client(words: list[str]) -> AsyncIterator["RawClient"]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe, limit=2**24)
    try:
        yield RawClient(process)
    finally:
        if process.stdin:
            process.stdin.close()
        await process.wait()


class RawClient:
    """`raw_zmq.py`, which runs elsewhere and takes its own times there."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def order(self, **order: object) -> dict[str, Any]:
        """One command and its answer. Raises RuntimeError with what the script complained of."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        line = await asyncio.wait_for(self.process.stdout.readline(), 120)
        if not line:
            raise RuntimeError((await self.process.stderr.read()).decode(errors="replace"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def run(self, times: int, code: str = "1+1") -> list[float]:
        """Seconds of each of so many round trips."""
        seconds: list[float] = (await self.order(do="run", times=times, code=code))["seconds"]
        return seconds
