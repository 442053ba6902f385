"""Archives, from the agent's side: a helper process at the kernel host does the work, bytes pass through here."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .errors import Refusal, bad_request
from .files import Files
from .hostlink import STATUS, HostLink
from .http import Request, Response, answer

CHUNK = 256 << 10
MAX_ARCHIVE = 1 << 30  # bytes, packed
MAX_ANSWER = 64 << 10


class Job:
    """One run of `agent.archive`, and what it prints."""

    def __init__(self, link: HostLink) -> None:
        self._link = link
        self._pid, self._fd = 0, -1
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self, cwd: str, *arguments: str) -> None:
        """Raises Refusal."""
        package = __package__ or "agent"
        root = str(Path(__file__).parents[package.count(".") + 1])
        self._pid, self._fd = await self._link.spawn(
            self._code.set_result,
            argv=["python3", "-S", "-s", "-m", f"{package}.archive", *arguments],
            env={"PYTHONPATH": root, "PYTHONSAFEPATH": "1", "PATH": "/opt/agent/bin:/usr/local/bin:/usr/bin:/bin"},
            cwd=cwd,
        )

    async def output(self) -> AsyncGenerator[bytes, None]:
        """All that it prints. Raises ConnectionAbortedError if it did not end well. Left early, it is killed."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    piece = os.read(self._fd, CHUNK)
                except BlockingIOError:
                    readable = loop.create_future()
                    loop.add_reader(self._fd, _wake, readable)
                    try:
                        await readable
                    finally:
                        loop.remove_reader(self._fd)
                    continue
                if not piece:
                    break
                yield piece
            async with asyncio.timeout(10):
                code = await self._code
            if code != 0:
                raise ConnectionAbortedError("the archive is not whole")
        finally:
            os.close(self._fd)
            if not self._code.done():
                self._link.signal(self._pid, signal.SIGKILL)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Archives:
    def __init__(self, link: HostLink, files: Files) -> None:
        self._link, self._files = link, files

    async def download(self, path: str) -> Response:
        """A zip of a folder, while it is being made."""
        job = Job(self._link)
        await job.start(path, "pack")
        name = quote(path.strip("/").rpartition("/")[2] or "files", safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}.zip"}
        return Response(200, job.output(), "application/zip", headers)

    async def upload(self, request: Request, path: str) -> Response:
        """Unpack the body in a folder. Raises Refusal."""
        spool = f".thermae-{os.urandom(8).hex()}.archive"
        where = f"{path.strip('/')}/{spool}" if path.strip("/") else spool
        await self._files.upload(request, where, MAX_ARCHIVE)
        job = Job(self._link)
        try:
            await job.start(path, "unpack", spool)
            printed = b""
            async for piece in job.output():
                printed = (printed + piece)[:MAX_ANSWER]
            result = json.loads(printed)
            if not isinstance(result, dict):
                raise ValueError
        except (ValueError, RecursionError, ConnectionAbortedError, TimeoutError):
            with suppress(Refusal):
                await self._files.delete(where)
            raise bad_request("The archive could not be unpacked: is it a zip or a tar, and not too large?") from None
        if "error" in result:
            code = str(result["error"])[:40]
            raise Refusal(STATUS.get(code, 400), code, str(result.get("message", ""))[:500])
        return answer({"files": result.get("files")}, 201)
