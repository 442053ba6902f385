"""Folders as archives: `python -m agent.archive pack` and `… unpack FILE`, in the folder that it is started in.

It is a program of its own, started by the kernel host under the user's uid for one archive: a hostile one can exhaust
or crash only this process, and neither its memory nor its time is the agent's.
"""

import json
import os
import resource
import stat
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from .confined import OURS, Folder, Refused, names, new_names
from .naming import readable, shown

CHUNK = 64 << 10
MAX_MEMBERS = 20_000
MAX_BYTES = 2 << 30  # unpacked
MAX_RATIO = 200  # unpacked to packed, from MIN_RATIO bytes on
MIN_RATIO = 16 << 20
MAX_ADDRESS_SPACE = 768 << 20


def pack(output: IO[bytes], only: Sequence[str] = ()) -> None:
    """A zip of the current folder, or of `only` some paths in it, written as it goes.

    Links and what is neither file nor folder are left out.
    """
    target = Folder(".")
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for path in map(names, only or [""]):
            if not path:
                _pack_folder(archive, "", os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                continue
            *above, name = path
            parent = target.enter(shown("/".join(above)))
            _pack_file(archive, "/".join(path), name, parent)
            with suppress(OSError):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                _pack_folder(archive, "/".join(path) + "/", inner)
            os.close(parent)


def _pack_folder(archive: zipfile.ZipFile, place: str, folder: int) -> None:
    """All below an open folder, which is closed, under `place`."""
    for parent, folders, files, fd in os.fwalk(".", dir_fd=folder):
        folders[:] = sorted(name for name in folders if not name.startswith(OURS))
        prefix = place + ("" if parent == "." else parent.removeprefix("./") + "/")
        if prefix:
            archive.writestr(_info(prefix, os.fstat(fd)), b"")
        for name in sorted(files):
            if not name.startswith(OURS):
                _pack_file(archive, prefix + name, name, fd)
    os.close(folder)


def _pack_file(archive: zipfile.ZipFile, path: str, name: str, folder: int) -> None:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return  # a link, gone meanwhile, or not to be read
    with open(file, "rb") as source:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return
        left = found.st_size  # what is added from now on is not in this archive
        with archive.open(_info(path, found), "w", force_zip64=left > 1 << 30) as target:
            while left and (piece := source.read(min(CHUNK, left))):
                target.write(piece)
                left -= len(piece)


def _info(path: str, found: os.stat_result) -> zipfile.ZipInfo:
    when = max(time.localtime(found.st_mtime)[:6], (1980, 1, 1, 0, 0, 0))
    info = zipfile.ZipInfo(readable(shown(path)), when)
    info.external_attr = (found.st_mode & 0xFFFF) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    folder: bool
    open: Callable[[], IO[bytes]]


def unpack(path: str) -> int:
    """Unpack a zip or tar here; the number of files. Nothing is written if any member is refused. Raises Refused."""
    with open(path, "rb") as file:
        packed = os.fstat(file.fileno()).st_size
        os.unlink(path)
        target = Folder(".")
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return _extract(lambda: _zip_members(archive), packed, target)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            return _extract(lambda: _tar_members(tar), packed, target)


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused("bad_archive", f"{info.filename}: only files and folders are unpacked, no links.")
        if info.flag_bits & 1:
            raise Refused("bad_archive", f"{info.filename} is encrypted: unpack it in your code, with its password.")
        yield Member(info.filename, info.file_size, info.is_dir(), lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        if not (info.isreg() or info.isdir()):
            raise Refused("bad_archive", f"{info.name}: only files and folders are unpacked, no links or devices.")
        yield Member(info.name, info.size, info.isdir(), lambda info=info: tar.extractfile(info))  # type: ignore[arg-type, misc]


def _extract(members: Callable[[], Iterator[Member]], packed: int, target: Folder) -> int:
    """Look at every member first, then write."""
    count = total = 0
    places = _Places()
    for member in members():
        places.take(member)
        count, total = count + 1, total + member.size
        if count > MAX_MEMBERS:
            raise Refused("bad_archive", f"The archive has over {MAX_MEMBERS} members: upload it in parts.")
        if total > MAX_BYTES or (total > MIN_RATIO and total > packed * MAX_RATIO):
            raise Refused("bad_archive", "The archive unpacks to far more than it should: upload its files instead.")
    places.check()
    files = 0
    for member in members():
        if member.folder:
            target.make(member.name)
        elif names(member.name):
            _write(member, target)
            files += 1
    return files


class _Places:
    """Where the members go: each to a place of its own, so that what was looked at is what is written."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, member: Member) -> None:
        parts = new_names(member.name)
        if any(part.startswith(OURS) for part in parts):
            raise Refused("bad_archive", f"{shown(member.name)}: names that begin with {OURS} are ours.")
        path = "/".join(parts)
        if path in self._files:
            raise Refused("bad_archive", f"{shown(member.name)} is in the archive twice.")
        (self._folders if member.folder else self._files).add(path)
        self._folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))

    def check(self) -> None:
        both = self._files & self._folders - {""}
        if both:
            raise Refused("bad_archive", f"{shown(min(both))} is a file and a folder in the archive.")


def _write(member: Member, target: Folder) -> None:
    answer, (fd,) = target.create(member.name)
    try:
        with open(fd, "wb") as file, member.open() as source:
            left = member.size
            while left and (piece := source.read(min(CHUNK, left))):
                file.write(piece)
                left -= len(piece)
    except BaseException:
        target.discard(answer["token"])
        raise
    target.commit(answer["token"])


def main() -> int:
    """Exit code 0: done; what `unpack` prints is one JSON object. `pack` cut short has another exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    if sys.argv[1] == "pack":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the agent reads both into one: no word may mix with the bytes
        with open(1, "wb", closefd=False) as output:
            pack(output, sys.argv[2:])
        return 0
    try:
        answer: dict[str, object] = {"files": unpack(sys.argv[2])}
    except Refused as refused:
        answer = {"error": refused.code, "message": shown(str(refused))}
    except OSError as error:
        full = error.errno in (28, 122)  # ENOSPC, EDQUOT
        answer = {"error": "disk_full" if full else "bad_archive", "message": error.strerror or str(error)}
    except Exception as error:
        words = f"This is no zip or tar that can be read: {error}"
        answer = {"error": "bad_archive", "message": words[:300]}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
