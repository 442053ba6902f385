"""Files as a dictionary."""

import io
import time
import zipfile
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from interpreters.client.base import AgentRefused, Download


class MemoryFiles:
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.folders: set[str] = set()

    @abstractmethod
    async def answering(self) -> None:
        """Raise what a test wants to be raised."""

    async def list_files(self, path: str = "") -> dict[str, Any]:
        await self.answering()
        path = path.strip("/")
        prefix = f"{path}/" if path else ""
        entries: dict[str, dict[str, Any]] = {}
        for name, kind, size in [
            *((name, "file", len(body)) for name, body in self.contents.items()),
            *((name, "directory", 0) for name in self.folders),
        ]:
            if name.startswith(prefix):
                first, _, rest = name[len(prefix) :].partition("/")
                entry = {"name": first, "path": prefix + first, "type": kind, "size": size, "modified": time.time()}
                entries[first] = {**entry, "type": "directory", "size": 0} if rest else entry
        if path and not entries and path not in self.folders:
            raise AgentRefused(404, "no_such_file", f"There is no folder {path!r}.")
        return {"path": path, "entries": sorted(entries.values(), key=lambda entry: str(entry["name"]))}

    @asynccontextmanager
    async def download(self, path: str, start: int = 0) -> AsyncIterator[Download]:
        await self.answering()
        if path not in self.contents:
            raise AgentRefused(404, "no_such_file", f"There is no file {path!r}.")
        body = self.contents[path]
        if start and start >= len(body):
            raise AgentRefused(416, "bad_range", f"The file has {len(body)} bytes.")
        yield Download(len(body), _chunks(body[start:]))

    @asynccontextmanager
    async def archive(self, path: str = "") -> AsyncIterator[Download]:
        await self.answering()
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, body in self.contents.items():
                if name.startswith(prefix):
                    archive.writestr(name[len(prefix) :], body)
        yield Download(None, _chunks(packed.getvalue()))

    async def upload(self, path: str, body: AsyncIterator[bytes]) -> None:
        await self.answering()
        self.contents[path] = b"".join([chunk async for chunk in body])

    async def unpack(self, path: str, body: AsyncIterator[bytes]) -> int:
        await self.answering()
        packed = io.BytesIO(b"".join([chunk async for chunk in body]))
        if not zipfile.is_zipfile(packed):
            raise AgentRefused(400, "bad_archive", "This is neither a zip nor a tar.")
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        with zipfile.ZipFile(packed) as archive:
            found = {prefix + info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
        self.contents.update(found)
        return len(found)

    async def make_folder(self, path: str) -> None:
        await self.answering()
        self.folders.add(path.strip("/"))

    async def delete_file(self, path: str) -> None:
        await self.answering()
        doomed = {name for name in (*self.contents, *self.folders) if name == path or name.startswith(f"{path}/")}
        if not doomed:
            raise AgentRefused(404, "no_such_file", f"There is no {path!r}.")
        self.contents = {name: body for name, body in self.contents.items() if name not in doomed}
        self.folders -= doomed


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 64 * 1024):
        yield body[start : start + 64 * 1024]
