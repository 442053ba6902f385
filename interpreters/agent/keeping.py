"""The work folder as a whole, to be kept outside and put back: `python -m agent.keeping survey|keep|restore`.

A program of its own, as `archive` is, and for the same reasons. What it writes is a tar, compressed, with names of any
bytes; who keeps it never looks into it. What comes back is what went, so links are made again; but nothing is written
through one, and no name leads out of the folder.
"""

import gzip
import hashlib
import heapq
import json
import os
import resource
import stat
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

from .archive import CHUNK, MAX_ADDRESS_SPACE
from .confined import MAX_DEPTH, OURS, Folder, Refused
from .naming import shown

MAX_MEMBERS = 100_000
LISTED, LARGEST, TOLD = 1000, 10, 50
# What programs may make again at any time, by convention in the home folder, which is this one.
CACHE = ".cache"
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
FULL = (28, 122)  # ENOSPC, EDQUOT


class Walk:
    """All below the current folder, in order: path, its name, the open folder that it is in, and what it is."""

    def __init__(self) -> None:
        self.left_out: list[dict[str, str]] = []
        self.omitted = 0

    def leave_out(self, path: str, why: str) -> None:
        self.omitted += 1
        if len(self.left_out) < TOLD:
            self.left_out.append({"path": shown(path), "why": why})

    def __iter__(self) -> Iterator[tuple[str, str, int, os.stat_result]]:
        seen = 0
        for parent, folders, files, fd in os.fwalk(".", onerror=self._unreadable):
            prefix = "" if parent == "." else parent.removeprefix("./") + "/"
            deep = prefix.count("/") >= MAX_DEPTH - 1
            for name in sorted([*folders, *files]):
                path = prefix + name
                if name.startswith(OURS) or path == CACHE:
                    continue
                try:
                    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                seen += 1
                if seen > MAX_MEMBERS:
                    self.leave_out(path, f"more than {MAX_MEMBERS} files")
                elif stat.S_IFMT(found.st_mode) not in KINDS:
                    self.leave_out(path, "neither a file, a folder nor a link")
                elif deep and stat.S_ISDIR(found.st_mode):
                    self.leave_out(path, f"more than {MAX_DEPTH} folders deep")
                elif len(path.encode("utf-8", "surrogateescape")) > 4096:
                    self.leave_out(path, "a path of more than 4096 bytes")
                else:
                    yield path, name, fd, found
            folders[:] = [] if deep else sorted(n for n in folders if not n.startswith(OURS) and prefix + n != CACHE)

    def _unreadable(self, error: OSError) -> None:
        self.leave_out(str(error.filename).removeprefix("./"), "not to be read")


def survey() -> dict[str, Any]:
    """What there is: a fingerprint that changes with it, sums, the largest files, the first few, what is left out."""
    walk, fingerprint = Walk(), hashlib.sha256()
    entries: list[dict[str, Any]] = []
    largest: list[tuple[int, str]] = []
    files = total = 0
    for path, name, fd, found in walk:
        kind = KINDS[stat.S_IFMT(found.st_mode)]
        told = f"{kind} {stat.S_IMODE(found.st_mode)} "
        if kind == "file":
            told += f"{found.st_size} {found.st_mtime_ns}"
            files, total = files + 1, total + found.st_size
            (heapq.heappush if len(largest) < LARGEST else heapq.heappushpop)(largest, (found.st_size, shown(path)))
        elif kind == "link":
            with suppress(OSError):
                told += os.readlink(name, dir_fd=fd)
        fingerprint.update(f"{path}\0{told}\0".encode("utf-8", "surrogateescape"))
        if len(entries) < LISTED:
            size = found.st_size if kind == "file" else 0
            entries.append({"path": shown(path), "type": kind, "size": size, "modified": found.st_mtime})
    return {
        "fingerprint": fingerprint.hexdigest(),
        "files": files,
        "bytes": total,
        "entries": entries,
        "largest": [{"path": path, "size": size} for size, path in sorted(largest, reverse=True)],
        "left_out": walk.left_out,
        "omitted": walk.omitted,
    }


# --- Out ---


def keep(output: IO[bytes]) -> None:
    """The tar, while it is made. What is added to a file from now on is not in it."""
    with (
        gzip.GzipFile(fileobj=output, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(
            fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as tar,
    ):
        for path, name, fd, found in Walk():
            info = tarfile.TarInfo(path)
            info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
            if stat.S_ISDIR(found.st_mode):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif stat.S_ISLNK(found.st_mode):
                with suppress(OSError):
                    info.type, info.linkname = tarfile.SYMTYPE, os.readlink(name, dir_fd=fd)
                    tar.addfile(info)
            else:
                _keep_file(tar, info, name, fd)


def _keep_file(tar: tarfile.TarFile, info: tarfile.TarInfo, name: str, folder: int) -> None:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return  # gone meanwhile, or not to be read
    with open(file, "rb") as source:
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode):
            info.size = found.st_size
            tar.addfile(info, _Padded(source))  # type: ignore[arg-type]


class _Padded:
    """A file that never ends early: one that is cut short while it is read goes on with zeros."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        return self._source.read(size).ljust(size, b"\0")


# --- Back ---


class Broken(Exception):
    """What came back is not what went."""


def restore(source: IO[bytes], target: Folder) -> dict[str, Any]:
    """Put all back. Raises Broken, and OSError where the disk is full; what is there already stays."""
    files = skipped = 0
    folders: list[tuple[str, tarfile.TarInfo]] = []
    try:
        with (
            gzip.GzipFile(fileobj=source, mode="rb") as packed,
            tarfile.open(fileobj=packed, mode="r|", encoding="utf-8", errors="surrogateescape") as tar,
        ):
            for info in tar:
                try:
                    _put_back(tar, info, target)
                    files += info.isreg()
                    if info.isdir():
                        folders.append((info.name, info))
                except Refused:
                    skipped += 1
                except OSError as error:
                    if error.errno in FULL:
                        raise
                    skipped += 1
            while packed.read(CHUNK):
                pass  # to its end, where the checksum is
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError, zlib.error) as error:
        raise Broken(str(error)) from error
    for path, info in reversed(folders):
        with suppress(OSError, Refused):
            folder = target.enter(shown(path))
            try:
                os.chmod(f"/proc/self/fd/{folder}", info.mode & 0o7777)
                os.utime(f"/proc/self/fd/{folder}", (info.mtime, info.mtime))
            finally:
                os.close(folder)
    return {"files": files, "skipped": skipped}


def _put_back(tar: tarfile.TarFile, info: tarfile.TarInfo, target: Folder) -> None:
    if info.isdir():
        os.close(target.enter(shown(info.name), make=True))
        return
    above, _, name = info.name.rstrip("/").rpartition("/")
    if (
        info.name.startswith("/")
        or name in ("", ".", "..")
        or name.startswith(OURS)
        or not (info.isreg() or info.issym())
    ):
        raise Refused("bad_archive", "not one of ours")
    parent = target.enter(shown(above), make=True)
    try:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        if info.issym():
            os.symlink(info.linkname, name, dir_fd=parent)
            return
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
    finally:
        os.close(parent)
    with open(file, "wb") as written:
        content = tar.extractfile(info)
        assert content is not None
        left = info.size
        while left:
            try:
                piece = content.read(min(CHUNK, left))
            except OSError as error:  # its errno, if any, is of no file of ours
                raise Broken(str(error)) from error
            if not piece:
                raise Broken("it ends in the middle of a file")
            left -= len(piece)
            if piece.count(0) == len(piece):
                written.seek(len(piece), os.SEEK_CUR)  # what was a hole stays one
            else:
                written.write(piece)
        written.truncate(info.size)
        os.fchmod(file, info.mode & 0o7777)
        written.flush()
        os.utime(file, (info.mtime, info.mtime))


def main() -> int:
    """Exit code 0: done; what `survey` and `restore` print is one JSON object. `keep` cut short has another code."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the agent reads both into one: no word may mix with the bytes
    match sys.argv[1]:
        case "survey":
            answer = survey()
        case "keep":
            with open(1, "wb", closefd=False) as output:
                keep(output)
            return 0
        case _:
            try:
                with open(0, "rb", closefd=False) as source:
                    answer = restore(source, Folder("."))
            except Broken as error:
                answer = {"error": "bad_archive", "message": f"The kept files are damaged: {error}"[:300]}
            except OSError as error:
                code = "disk_full" if error.errno in FULL else "bad_archive"
                answer = {"error": code, "message": "The kept files do not fit on the disk of this session."}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
