"""The peer: Jupyter Server from PyPI on this machine, with the same kernel, spoken to as JupyterLab speaks to it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.waiting import free_port, until

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = "v1.kernel.websocket.jupyter.org"
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
TOKEN = uuid.uuid4().hex


def install() -> Path:
    """The peers' own environment, from our lock file; returns its folder of programs."""
    folder = ROOT / "build" / "peers"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise SystemExit("`make bench` needs uv to install its peers: pip install uv.")
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder), "VIRTUAL_ENV": ""}
    words = [uv, "sync", "--quiet", "--frozen", "--only-group", "bench"]
    subprocess.run(words, cwd=ROOT, env=environment, check=True)
    return folder / "bin"


@asynccontextmanager
async def jupyter_server(folder: Path) -> AsyncIterator["JupyterServer"]:
    """A server with its rate limits lifted, as otherwise it drops what a flood prints."""
    programs = install()
    port = free_port()
    words = [
        str(programs / "jupyter-server"), f"--port={port}", "--port-retries=0", "--no-browser", "--allow-root",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}",
        "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=0",
        "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=0",
        # JupyterLab is there for its own row: without it the server is as small as it can be.
        *(f"--ServerApp.jpserver_extensions={name}=False" for name in ("jupyterlab", "jupyter_lsp", "notebook_shim")),
    ]  # fmt: skip
    home = {name: str(folder / name.lower()) for name in HOMES}
    environment = {**os.environ, **home, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    log = (folder / "jupyter.log").open("wb")
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers={"Authorization": f"token {TOKEN}"}
        ) as http:
            server = JupyterServer(http, process.pid)
            await until(server.answers, "Jupyter Server to answer", 30)
            yield server
    finally:
        process.terminate()
        await process.wait()
        log.close()


@dataclass(frozen=True, slots=True)
class JupyterLab:
    url: str
    address: str  # of one notebook, without what surrounded it last time


@asynccontextmanager
async def jupyter_lab(document: Mapping[str, Any]) -> AsyncIterator[JupyterLab]:
    """JupyterLab with one notebook, on this machine and open to it alone."""
    programs, port = install(), free_port()
    with tempfile.TemporaryDirectory(prefix="thermae-bench-lab-") as folder:
        Path(folder, "bench.ipynb").write_text(json.dumps(document))
        words = [
            str(programs / "jupyter-lab"), f"--port={port}", "--port-retries=0", "--no-browser", "--allow-root",
            "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}",
            "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip
        home = {name: f"{folder}/.{name.lower()}" for name in HOMES}
        environment = {**os.environ, **home, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        nowhere = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=nowhere, stderr=nowhere)
        try:
            url = f"http://127.0.0.1:{port}"
            async with aiohttp.ClientSession(url) as http:
                await until(JupyterServer(http, process.pid).answers, "JupyterLab to answer", 60)
            yield JupyterLab(url, "/doc/tree/bench.ipynb?reset")
        finally:
            process.terminate()
            await process.wait()


class JupyterServer:
    def __init__(self, http: aiohttp.ClientSession, pid: int) -> None:
        self.http, self.pid = http, pid

    async def answers(self) -> bool:
        try:
            async with self.http.get("/api/status") as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator["JupyterKernel"]:
        async with self.http.post("/api/kernels", json={"name": "python3"}) as response:
            response.raise_for_status()
            kernel_id = (await response.json())["id"]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._delete, f"/api/kernels/{kernel_id}")
            path = f"/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}"
            socket = await stack.enter_async_context(self.http.ws_connect(path, protocols=(PROTOCOL,), max_msg_size=0))
            kernel = JupyterKernel(self.http, kernel_id, socket)
            await kernel.execute("1")
            yield kernel

    async def _delete(self, path: str) -> None:
        async with self.http.delete(path):
            pass

    @asynccontextmanager
    async def terminal(self) -> AsyncIterator["JupyterTerminal"]:
        async with self.http.post("/api/terminals") as response:
            response.raise_for_status()
            name = (await response.json())["name"]
        try:
            async with self.http.ws_connect(f"/terminals/websocket/{name}") as socket:
                yield JupyterTerminal(socket)
        finally:
            await self._delete(f"/api/terminals/{name}")


class JupyterKernel:
    def __init__(self, http: aiohttp.ClientSession, kernel_id: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.http, self.kernel_id, self.socket = http, kernel_id, socket

    async def send(self, code: str) -> str:
        """Ask for an execution; returns its id."""
        msg_id = uuid.uuid4().hex
        header = {
            "msg_id": msg_id, "msg_type": "execute_request", "session": "bench", "username": "",
            "date": "2026-01-01T00:00:00Z", "version": "5.3",
        }  # fmt: skip
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        await self.socket.send_bytes(pack("shell", header, {}, {}, content))
        return msg_id

    async def finish(self, msg_id: str, timeout: float = 120) -> int:
        """Wait for the reply and for `idle`; returns the bytes of stream text seen on the way."""
        replied = idle = False
        printed = 0
        async with asyncio.timeout(timeout):
            while not (replied and idle):
                channel, header, parent, content = unpack(await self.socket.receive_bytes())
                if json.loads(parent).get("msg_id") != msg_id:
                    continue
                msg_type = json.loads(header)["msg_type"]
                if msg_type == "stream":
                    printed += len(json.loads(content)["text"])
                elif msg_type == "status":
                    idle = json.loads(content)["execution_state"] == "idle"
                elif channel == b"shell":
                    replied = True
        return printed

    async def execute(self, code: str) -> int:
        return await self.finish(await self.send(code))

    async def run(self, times: int, code: str = "1+1") -> list[float]:
        """Seconds of each of so many round trips."""
        samples = []
        for _ in range(times):
            began = time.perf_counter()
            await self.execute(code)
            samples.append(time.perf_counter() - began)
        return samples

    async def interrupt(self) -> None:
        async with self.http.post(f"/api/kernels/{self.kernel_id}/interrupt") as response:
            response.raise_for_status()


class JupyterTerminal:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes) -> None:
        await self.socket.send_str(json.dumps(["stdin", data.decode()]))

    async def receive(self) -> bytes:
        while True:
            kind, *rest = json.loads(await self.socket.receive_str())
            if kind == "stdout":
                return str(rest[0]).encode()


def pack(channel: str, *parts: dict[str, Any]) -> bytes:
    """One message of the v1 protocol: a count, the offsets, the channel, the parts."""
    chunks = [channel.encode(), *(json.dumps(part).encode() for part in parts)]
    offsets = [8 * (len(chunks) + 2)]
    for chunk in chunks:
        offsets.append(offsets[-1] + len(chunk))
    numbers = [len(offsets), *offsets]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *chunks])


def unpack(message: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Channel, header, parent header and content of a message of the v1 protocol; the JSON is left unparsed."""
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * n : 8 * n + 8], "little") for n in range(1, count + 1)]
    channel, header, parent, _, content = (message[offsets[n] : offsets[n + 1]] for n in range(5))
    return channel, header, parent, content
