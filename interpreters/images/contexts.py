"""An uploaded build context, checked and handed to the engine as a tar that is made anew, a chunk at a time.

An upload is a Dockerfile alone, or a tar (plain or gzip) or zip with a Dockerfile at its root. None is unpacked.
Files and folders pass, and links that stay within; anything else is refused. Pure but for the upload's file.
"""

import gzip
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from interpreters.images import dockerfile, tarball
from interpreters.images.tarball import BadArchive, Tar, Whole

CHUNK = 256 * 1024
MOST_MEMBERS = 20_000
LONGEST_NAME = 1024
LARGEST_ZIP_LIST = 8 * 1024 * 1024  # bytes of the list at a zip's end, which is read whole
DOCKERFILE = "Dockerfile"
Check = Callable[[], None]
Body = Callable[[int], bytes]  # reads on, as a file does


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    kind: str
    size: int
    target: str = ""
    executable: bool = False


def read_dockerfile(path: Path, limit: int, check: Check) -> bytes:
    """Look through the whole upload and return its Dockerfile. Raises BadArchive if anything in it is refused."""
    found: bytes | None = None
    seen: set[str] = set()
    left = limit
    for entry, body in _entries(path):
        check()
        left -= entry.size
        if left < 0:
            raise BadArchive("The context unpacks to more than is allowed: leave out what the build does not need.")
        if entry.name in seen or len(seen) >= MOST_MEMBERS:
            raise BadArchive(f"The context names {entry.name[:100]!r} twice, or has more than {MOST_MEMBERS} files.")
        seen.add(entry.name)
        if entry.name == DOCKERFILE:
            found = _read_small(entry, body)
    if found is None:
        raise BadArchive("There is no Dockerfile at the root of the context.")
    return found


def _read_small(entry: Entry, body: Body) -> bytes:
    if entry.kind != tarball.FILE or entry.size > dockerfile.LONGEST:
        raise BadArchive(f"The Dockerfile must be a file of at most {dockerfile.LONGEST // 1024} KiB.")
    return _exactly(entry, body)


def rewritten(path: Path, files: Mapping[str, bytes], check: Check) -> Iterator[bytes]:
    """The context for the engine; `files` are ours and take the place of what bears their names."""
    for name, content in files.items():
        yield tarball.whole(name, content)
    for entry, body in _entries(path):
        check()
        if entry.name in files:
            continue
        yield tarball.header(entry.name, entry.size, executable=entry.executable, kind=entry.kind, target=entry.target)
        yield from _chunks(entry, body)
        yield tarball.padding(entry.size)
    yield tarball.END


def _chunks(entry: Entry, body: Body) -> Iterator[bytes]:
    left = entry.size
    while left:
        chunk = body(min(left, CHUNK))
        if not chunk:
            raise BadArchive(f"{entry.name[:100]!r} is shorter than it says.")
        left -= len(chunk)
        yield chunk


def _exactly(entry: Entry, body: Body) -> bytes:
    return b"".join(_chunks(entry, body))


# --- What an upload holds ---


def _entries(path: Path) -> Iterator[tuple[Entry, Body]]:
    try:
        with path.open("rb") as file:
            start = file.read(600)
            file.seek(0)
            if start.startswith(b"PK"):
                yield from _of_zip(file)
            elif start.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=file) as plain:
                    yield from _of_tar(plain)
            elif b"\0" in start:
                yield from _of_tar(file)
            else:
                yield Entry(DOCKERFILE, tarball.FILE, path.stat().st_size), file.read
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise BadArchive(f"The upload is damaged, or packed in a way that is not taken: {error}") from error


def _of_tar(source: Any) -> Iterator[tuple[Entry, Body]]:
    tar = Tar(Whole(source))
    for member in tar:
        if member.kind == tarball.OTHER or member.kind == tarball.LINK or member.sparse:
            raise BadArchive(f"{member.name[:100]!r} is a device, a hard link or a sparse file: leave it out.")
        entry = _checked(member.name, member.kind, member.size, member.target, member.executable)
        if entry:
            yield entry, tar.read


def _of_zip(file: IO[bytes]) -> Iterator[tuple[Entry, Body]]:
    _check_list(file)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadArchive(f"{info.filename[:100]!r} is no plain file or folder: pack the context as a tar.")
            kind = tarball.DIRECTORY if info.is_dir() else tarball.FILE
            entry = _checked(info.filename, kind, info.file_size, "", bool(mode & 0o111))
            if entry is None:
                continue
            with archive.open(info) as opened:
                yield entry, opened.read


def _check_list(file: IO[bytes]) -> None:
    """Refuse a zip whose list of files would fill memory: it is read whole, by whoever reads a zip."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 22 - 65535))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise BadArchive("The zip is damaged: send it again.")
    members, length = struct.unpack("<HL", tail[at + 10 : at + 16])
    if b"PK\x06\x07" in tail[max(0, at - 20) : at] or members > MOST_MEMBERS or length > LARGEST_ZIP_LIST:
        raise BadArchive(f"The zip holds more than {MOST_MEMBERS} files, or is too large: pack the context as a tar.")
    file.seek(0)


def _checked(name: str, kind: str, size: int, target: str, executable: bool) -> Entry | None:
    """None for the root itself. Raises BadArchive for a name, or a link, that leads out of the context."""
    clean = posixpath.normpath(name)
    if not name or name.startswith("/") or clean.split("/")[0] == ".." or len(name) > LONGEST_NAME or "\\" in name:
        raise BadArchive(f"{name[:100]!r} leads out of the context: names are relative, without “..”.")
    if clean == ".":
        return None
    if kind == tarball.SYMLINK:
        leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(clean), target))
        if not target or target.startswith("/") or leads_to.split("/")[0] == ".." or len(target) > LONGEST_NAME:
            raise BadArchive(f"The link {name[:100]!r} leads out of the context.")
    return Entry(clean, kind, 0 if kind != tarball.FILE else size, target, executable)
