"""The agent as a process of this machine, with kernels of the tests' own environment; and somebody who talks to it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.capabilities import UnixConnection

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0  # seconds, for machines that are busy
FINAL = ("ok", "error", "aborted", "cancelled", "lost")
Entry = dict[str, Any]


class AgentProcess:
    """Started when made; `stop()` ends it and checks that nothing is left."""

    def __init__(self, kernel: str = "python3", environment: dict[str, str] | None = None, **variables: str) -> None:
        self.language = kernel
        self.folder = Path(tempfile.mkdtemp(prefix="thm-"))
        self.work = self.folder / "work"
        self.work.mkdir()
        self.socket = f"{self.folder}/agent.sock"
        variables = {"LOG_BYTES": str(16 << 20)} | variables
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-s", "-m", "interpreters.agent"],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.work),
                "LANG": "C.UTF-8",
                "IPYTHONDIR": f"{self.folder}/ipython",
                "PYTHONPATH": str(ROOT),
                "PYTHONSAFEPATH": "1",
                "TMPDIR": str(self.folder),
                "THERMAE_SPAWN_HOST": "1",
                "THERMAE_SOCKET_DIR": str(self.folder),
                "THERMAE_WORK_DIR": str(self.work),
                "THERMAE_KERNEL": kernel,
                "THERMAE_KERNEL_PATH": f"{kernels(self.folder)}:{os.environ.get('AGENT_TEST_KERNELS', '')}",
                "THERMAE_ENVIRONMENT": json.dumps(environment or {}),
                **{f"THERMAE_{name}": value for name, value in variables.items()},
            },
        )

    def wait(self) -> "AgentProcess":
        """Until it is ready or has failed."""
        deadline = time.monotonic() + DEADLINE
        while self.health()["state"] == "starting":
            assert time.monotonic() < deadline, self.health()
            time.sleep(0.01)
        return self

    def health(self) -> dict[str, Any]:
        assert self.process.poll() is None, "the agent has ended"
        connection = UnixConnection(self.socket)
        try:
            connection.request("GET", "/health")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        except OSError:
            return {"state": "starting"}
        finally:
            connection.close()

    @property
    def host(self) -> int:
        """The kernel host's pid."""
        return children(self.process.pid)[0]

    @property
    def memory(self) -> int:
        """Resident bytes of the agent."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) << 10

    def stop(self) -> None:
        everyone = children(self.process.pid, deep=True)
        self.process.terminate()
        try:
            assert self.process.wait(15) == 0
            deadline = time.monotonic() + 10
            while left := [pid for pid in everyone if alive(pid)]:
                assert time.monotonic() < deadline, f"left behind: {[command(pid) for pid in left]}"
                time.sleep(0.01)
        finally:
            self.process.kill()
            for pid in everyone:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)


def kernels(folder: Path) -> Path:
    """Python's kernel as this environment has it, whatever kernelspecs are installed on this machine; plain, and with
    what our image adds to it."""
    made = folder / "kernels/python3"
    made.mkdir(parents=True)
    argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv += ["--HistoryManager.enabled=False", "--IPCompleter.use_jedi=False"]  # jedi takes seconds to wake up
    (made / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python", "language": "python"}))
    ours = folder / "kernels/thermae"
    ours.mkdir()
    images = ROOT / "interpreters/images"
    spec = {
        "argv": ["thermae_kernel" if word == "ipykernel_launcher" else word for word in argv],
        "display_name": "Python as in our image",
        "language": "python",
        "env": {"PYTHONPATH": f"{images}/python:{images}/base"},
    }
    (ours / "kernel.json").write_text(json.dumps(spec))
    return folder


def children(pid: int, deep: bool = False) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [inner for one in found for inner in children(one, True)] if deep else found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Talk:
    """HTTP and channels with one agent."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        if body is not None:
            options["json"] = body
        async with self.http.request(method, path, **options) as response:
            data = await response.read()
            assert response.status == status, (response.status, data[:500])
            return json.loads(data) if data and response.content_type == "application/json" else data

    async def start(self, code: str, context: str = "default", **options: Any) -> str:
        name = str(uuid.uuid4())
        await self.ask("POST", f"/contexts/{context}/executions", {"id": name, "code": code, **options}, 202)
        return name

    async def record(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask("GET", f"/executions/{name}")
        return found

    async def until(self, question: Callable[[], Any]) -> Any:
        """The first true answer."""
        async with asyncio.timeout(DEADLINE):
            while not (answer := await question()):
                await asyncio.sleep(0.01)
        return answer

    async def in_state(self, name: str, *states: str) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            record = await self.record(name)
            return record if record["state"] in states else None

        found: dict[str, Any] = await self.until(there)
        return found

    async def run(self, code: str, context: str = "default", **options: Any) -> dict[str, Any]:
        return await self.in_state(await self.start(code, context, **options), *FINAL)

    async def output(self, code: str, context: str = "default") -> str:
        """What a run of code prints, its result and its error."""
        record = await self.run(code, context)
        outputs = await self.ask("GET", f"/executions/{record['id']}/outputs")
        return "".join(said(message) for message in outputs["messages"])

    async def seq(self) -> int:
        seq: int = (await self.ask("GET", "/health"))["seq"]
        return seq

    @contextlib.asynccontextmanager
    async def channel(self, after: int | None = None) -> AsyncIterator["Channel"]:
        after = await self.seq() if after is None else after
        async with self.http.ws_connect("/channels", params={"after": str(after)}, max_msg_size=0) as socket:
            yield Channel(socket, after)


class Channel:
    """Reads entries, and checks their numbers."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, after: int) -> None:
        self.socket, self.seq = socket, after
        self.cut = 0

    async def op(self, op: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"op": op, **fields}))

    async def next(self) -> Entry:
        message = await self.socket.receive(DEADLINE)
        assert message.type == aiohttp.WSMsgType.TEXT, message
        entry: Entry = json.loads(message.data)
        if "seq" in entry:
            cut = kind(entry) == "cut"
            assert (entry["content"]["first"] <= self.seq + 1 <= entry["seq"]) if cut else entry["seq"] == self.seq + 1
            self.seq = entry["seq"]
            self.cut += cut
        return entry

    async def take(self, until: Callable[[Entry], bool]) -> list[Entry]:
        taken = [await self.next()]
        while not until(taken[-1]):
            taken.append(await self.next())
        return taken

    async def to_end(self, execution: str) -> list[Entry]:
        return await self.take(ends(execution))


def kind(entry: Entry) -> str:
    return str(entry.get("header", {}).get("msg_type", ""))


def ends(execution: str) -> Callable[[Entry], bool]:
    def ended(entry: Entry) -> bool:
        mine = entry.get("parent_header", {}).get("msg_id") == execution
        return mine and kind(entry) == "execution_state" and entry["content"]["state"] in FINAL

    return ended


def said(entry: Entry) -> str:
    content = entry["content"]
    match kind(entry):
        case "stream":
            return str(content["text"])
        case "execute_result" | "display_data":
            return str(content["data"].get("text/plain", ""))
        case "error":
            return f"{content['ename']}: {content['evalue']}"
    return ""


def text(entries: list[Entry]) -> str:
    return "".join(entry["content"]["text"] for entry in entries if kind(entry) == "stream")


@contextlib.asynccontextmanager
async def talk(agent: AgentProcess) -> AsyncIterator[Talk]:
    connector = aiohttp.UnixConnector(agent.socket)
    timeout = aiohttp.ClientTimeout(DEADLINE)
    async with aiohttp.ClientSession("http://agent", connector=connector, timeout=timeout) as http:
        yield Talk(http)
