"""Files as a dictionary."""

import io
import tarfile
import time
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from interpreters.client.base import AgentRefused, Download, Survey


class MemoryFiles:
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.folders: set[str] = set()

    @abstractmethod
    async def answering(self) -> None:
        """Raise what a test wants to be raised."""

    async def list_files(self, path: str = "", quiet: bool = False) -> dict[str, Any]:
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
        yield Download(len(body), _chunks(body[start:]), _tag(body))

    @asynccontextmanager
    async def archive(self, path: str = "", only: Sequence[str] = ()) -> AsyncIterator[Download]:
        await self.answering()
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, body in self.contents.items():
                inside = name.removeprefix(prefix)
                wanted = not only or any(f"{inside}/".startswith(f"{one}/") for one in only)
                if name.startswith(prefix) and wanted:
                    archive.writestr(name[len(prefix) :], body)
        yield Download(None, _chunks(packed.getvalue()))

    async def upload(self, path: str, body: AsyncIterator[bytes], given: str | None = None) -> str:
        await self.answering()
        content = b"".join([chunk async for chunk in body])
        there = self.contents.get(path)
        if given == "" and there is not None:
            raise AgentRefused(409, "exists", f"There is already something named {path!r}.")
        if given and (there is None or _tag(there) != given):
            raise AgentRefused(409, "changed", "The file was changed meanwhile.")
        self.contents[path] = content
        return _tag(content)

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

    async def move_file(self, path: str, to: str, replace: bool = False) -> None:
        await self.answering()
        moved = {name: name.replace(path, to, 1) for name in self.contents if f"{name}/".startswith(f"{path}/")}
        if not moved:
            raise AgentRefused(404, "no_such_file", f"There is no {path!r}.")
        if to in self.contents and not replace:
            raise AgentRefused(409, "exists", f"There is already something named {to!r}.")
        self.contents.update({new: self.contents.pop(old) for old, new in moved.items()})

    async def survey(self) -> Survey:
        await self.answering()
        found = sorted((name, len(body)) for name, body in self.contents.items())
        entries = [{"path": name, "type": "file", "size": size, "modified": 0.0} for name, size in found]
        largest = [{"path": name, "size": size} for name, size in sorted(found, key=lambda one: -one[1])[:10]]
        told = repr(sorted(self.contents.items())).encode()
        return Survey(sha256(told).hexdigest(), len(found), sum(size for _, size in found), entries, largest)

    @asynccontextmanager
    async def keep(self) -> AsyncIterator[Download]:
        await self.answering()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, body in self.contents.items():
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        yield Download(None, _chunks(packed.getvalue()))

    async def restore(self, body: AsyncIterator[bytes]) -> int:
        await self.answering()
        packed = io.BytesIO(b"".join([chunk async for chunk in body]))
        try:
            with tarfile.open(fileobj=packed, mode="r:gz") as tar:
                found = {info.name: file.read() for info in tar if (file := tar.extractfile(info))}
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise AgentRefused(400, "bad_archive", f"The kept files are damaged: {error}") from error
        self.contents.update(found)
        return len(found)

    async def delete_file(self, path: str) -> None:
        await self.answering()
        doomed = {name for name in (*self.contents, *self.folders) if name == path or name.startswith(f"{path}/")}
        if not doomed:
            raise AgentRefused(404, "no_such_file", f"There is no {path!r}.")
        self.contents = {name: body for name, body in self.contents.items() if name not in doomed}
        self.folders -= doomed


def _tag(body: bytes) -> str:
    return sha256(body).hexdigest()


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 64 * 1024):
        yield body[start : start + 64 * 1024]
