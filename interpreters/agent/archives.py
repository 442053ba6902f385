"""Archives, from the agent's side: a helper process at the kernel host does the work, bytes pass through here."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .errors import Refusal, bad_request, unavailable
from .files import Files
from .hostlink import STATUS, HostLink
from .http import Request, Response, answer
from .messages import Json

CHUNK = 256 << 10
MOST_WANTED = 500
MAX_ARCHIVE = 1 << 30  # bytes, packed
MAX_ANSWER = 1 << 20
# What goes wrong with a program that a hostile sandbox may hinder.
FAILURES = (ValueError, RecursionError, ConnectionAbortedError, TimeoutError)


class Job:
    """One run of `agent.archive` or `agent.keeping`, and what it prints."""

    def __init__(self, link: HostLink) -> None:
        self._link = link
        self._pid, self._fd = 0, -1
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self, cwd: str, *arguments: str, module: str = "archive", fed: bool = False) -> None:
        """Raises Refusal."""
        package = __package__ or "agent"
        root = str(Path(__file__).parents[package.count(".") + 1])
        self._pid, self._fd = await self._link.spawn(
            self._code.set_result,
            argv=["python3", "-S", "-s", "-m", f"{package}.{module}", *arguments],
            env={"PYTHONPATH": root, "PYTHONSAFEPATH": "1", "PATH": "/opt/agent/bin:/usr/local/bin:/usr/bin:/bin"},
            cwd=cwd,
            **({"fed": True} if fed else {}),
        )

    async def feed(self, pieces: AsyncIterator[bytes]) -> None:
        """All of `pieces` to its stdin, which ends then. A program that reads no more is left to say why."""
        loop = asyncio.get_running_loop()
        with suppress(BrokenPipeError, ConnectionResetError):
            async for piece in pieces:
                view = memoryview(piece)
                while view:
                    try:
                        view = view[os.write(self._fd, view) :]
                    except BlockingIOError:
                        writable = loop.create_future()
                        loop.add_writer(self._fd, _wake, writable)
                        try:
                            await writable
                        finally:
                            loop.remove_writer(self._fd)
        with suppress(OSError), socket.socket(fileno=os.dup(self._fd)) as end:
            end.shutdown(socket.SHUT_WR)

    async def result(self) -> Json:
        """What it prints, as the one JSON object that it is. Raises Refusal for the error that it tells."""
        printed = b""
        async for piece in self.output():
            printed = (printed + piece)[: MAX_ANSWER + 1]
        found = json.loads(printed)
        if not isinstance(found, dict) or len(printed) > MAX_ANSWER:
            raise ValueError("no object")
        if "error" in found:
            code = str(found["error"])[:40]
            raise Refusal(STATUS.get(code, 400), code, str(found.get("message", ""))[:500])
        return found

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


def _wanted(only: str) -> list[str]:
    try:
        wanted = json.loads(only or "[]")
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, list) or len(wanted) > MOST_WANTED or not all(isinstance(one, str) for one in wanted):
        raise bad_request(f"`only` must be a JSON list of at most {MOST_WANTED} paths")
    if any("\0" in path for path in wanted):
        raise bad_request("A path has no NUL")
    return wanted


class Archives:
    def __init__(self, link: HostLink, files: Files) -> None:
        self._link, self._files = link, files

    async def download(self, path: str, only: str = "") -> Response:
        """A zip of a folder, while it is being made; `only`: a JSON list of what is wanted of it."""
        job = Job(self._link)
        await job.start(path, "pack", *_wanted(only))
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
            result = await job.result()
        except FAILURES:
            with suppress(Refusal):
                await self._files.delete(where)
            raise bad_request("The archive could not be unpacked: is it a zip or a tar, and not too large?") from None
        return answer({"files": result.get("files")}, 201)

    # --- The whole work folder, kept outside ---

    async def survey(self) -> Response:
        job = Job(self._link)
        await job.start("", "survey", module="keeping")
        try:
            return answer(await job.result())
        except FAILURES:
            raise unavailable("no_survey", "The files of this session cannot be looked through: try again.") from None

    async def keep(self) -> Response:
        """A packed tar of all that is worth keeping, while it is being made."""
        job = Job(self._link)
        await job.start("", "keep", module="keeping")
        return Response(200, job.output(), "application/gzip")

    async def restore(self, request: Request) -> Response:
        """Put back what `keep` gave. Raises Refusal."""
        job = Job(self._link)
        await job.start("", "restore", module="keeping", fed=True)
        try:
            await job.feed(request.body())
            return answer(await job.result())
        except FAILURES:
            raise bad_request("The kept files could not be put back.") from None
