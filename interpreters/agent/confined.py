"""Files below one folder, reached so that no name and no link leads out of it.

A path is walked one name at a time from an open folder, each step with O_NOFOLLOW: a link that is swapped in between
check and use is met as a link, and refused. Everything here runs as the user's uid, so this is not what keeps user
code in: it keeps a request for the work folder inside the work folder.
"""

import errno
import json
import os
import re
import stat
from contextlib import suppress
from typing import Any

from .naming import meant, shown

MAX_ENTRIES = 10_000
MAX_DEPTH = 64
MAX_UPLOADS = 64  # open at a time
OURS = ".thermae-"  # names of half-written and half-deleted things, not shown

# Control characters, and those that turn the direction of text: a name with them looks like another one.
MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_found",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.EISDIR: "is_folder",
    errno.EEXIST: "exists",
    errno.ELOOP: "is_link",
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.ENAMETOOLONG: "bad_path",
}

Answer = tuple[dict[str, Any], list[int]]


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def names(path: str) -> list[str]:
    """The names of a relative path from the wire. Raises Refused for one that climbs, is absolute or has no meaning."""
    try:
        path = meant(path)
    except UnicodeEncodeError:
        raise Refused("bad_path", "A path must be whole Unicode text: it holds half of a character.") from None
    if path.startswith("/") or "\0" in path or len(path) > 4096:
        raise Refused("bad_path", "A path is relative to the work folder and at most 4096 characters long.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or len(parts) > MAX_DEPTH:
        raise Refused("bad_path", f"A path has no '..' and at most {MAX_DEPTH} folders.")
    return parts


def new_names(path: str) -> list[str]:
    """The same for what is to be made. Code may name its files as it likes; an upload may not mislead who looks on."""
    parts = names(path)
    if any(MISLEADING.search(name) for name in parts):
        raise Refused("bad_path", "A new path has no control characters, and none that turn the direction of text.")
    return parts


class Folder:
    """The work folder. Methods answer with what to tell the agent and the files to hand over."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._uploads: dict[str, tuple[int, str, str]] = {}  # token -> open parent, temporary name, name

    def enter(self, path: str, make: bool = False) -> int:
        """An open folder; with `make`, those that are missing are made."""
        folder = os.dup(self._root)
        try:
            for name in names(path):
                step = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                try:
                    inner = os.open(name, step, dir_fd=folder)
                except FileNotFoundError:
                    if not make:
                        raise
                    os.mkdir(name, dir_fd=folder)
                    inner = os.open(name, step, dir_fd=folder)
                except NotADirectoryError:
                    if _is_link(name, folder):
                        raise Refused("is_link", f"{path}: {name} is a link, and links are not followed.") from None
                    raise
                os.close(folder)
                folder = inner
        except BaseException:
            os.close(folder)
            raise
        return folder

    def _parent(self, path: str, make: bool = False) -> tuple[int, str]:
        parts = names(path)
        if not parts:
            raise Refused("bad_path", "A file needs a name; this is the work folder itself.")
        return self.enter("/".join(parts[:-1]), make), parts[-1]

    def list(self, path: str) -> Answer:
        """A memory file: JSON of the entries, sorted by name, at most MAX_ENTRIES of them."""
        folder = self.enter(path)
        try:
            readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
            try:
                found = sorted(name for name in os.listdir(readable) if not name.startswith(OURS))
            finally:
                os.close(readable)
            prefix = "/".join(names(path))
            entries = [_describe(name, shown(prefix), folder) for name in found[:MAX_ENTRIES]]
        finally:
            os.close(folder)
        file = os.memfd_create("list", os.MFD_CLOEXEC)
        with open(os.dup(file), "w") as text:
            json.dump({"path": shown(prefix), "entries": entries, "more": max(0, len(found) - MAX_ENTRIES)}, text)
        return {}, [file]

    def open(self, path: str) -> Answer:
        """A regular file, to be read."""
        parent, name = self._parent(path)
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for a writer.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            if stat.S_ISDIR(found.st_mode):
                raise Refused("is_folder", f"{path} is a folder: list it, or download it as an archive.")
            raise Refused("not_a_file", f"{path} is neither a file nor a folder.")
        return {"size": found.st_size, "tag": tag(found)}, [file]

    def create(self, path: str) -> Answer:
        """A new file to be written, which takes its name at `commit`. Folders on the way are made."""
        if len(self._uploads) >= MAX_UPLOADS:
            raise Refused("busy", f"{MAX_UPLOADS} uploads are open: wait for one to end.")
        new_names(path)
        parent, name = self._parent(path, make=True)
        try:
            if _is_folder(name, parent):
                raise Refused("is_folder", f"{path} is a folder: choose another name, or delete it first.")
            token = os.urandom(8).hex()
            temporary = f"{OURS}{token}.part"
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
        except BaseException:
            os.close(parent)
            raise
        self._uploads[token] = parent, temporary, name
        return {"token": token}, [file]

    def commit(self, token: str, given: str | None = None) -> Answer:
        """Give it its name. `given`: the tag that what is there now must have; empty: nothing may be there."""
        parent, temporary, name = self._uploads.pop(token)
        try:
            _check_tag(name, parent, given)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            return {"tag": tag(os.stat(name, dir_fd=parent, follow_symlinks=False))}, []
        except (OSError, Refused):
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
            raise
        finally:
            os.close(parent)

    def discard(self, token: str) -> Answer:
        """Nothing happens to what a commit has taken: one that is refused has discarded it."""
        upload = self._uploads.pop(token, None)
        if upload is not None:
            parent, temporary, _ = upload
            try:
                os.unlink(temporary, dir_fd=parent)
            finally:
                os.close(parent)
        return {}, []

    def make(self, path: str) -> Answer:
        new_names(path)
        os.close(self.enter(path, make=True))
        return {}, []

    def move(self, path: str, to: str, replace: bool = False) -> Answer:
        """Give a file or folder another name, in another folder too. Folders on the way are made."""
        new_names(to)
        parent, name = self._parent(path)
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)  # before folders are made for nothing
            if names(to)[: len(names(path))] == names(path):
                raise Refused("bad_path", "A folder cannot be moved into itself: choose another place.")
            target, new = self._parent(to, make=True)
            try:
                if not replace or _is_folder(new, target):
                    _check_tag(new, target, "")
                os.rename(name, new, src_dir_fd=parent, dst_dir_fd=target)
            finally:
                os.close(target)
        finally:
            os.close(parent)
        return {}, []

    def delete(self, path: str) -> Answer:
        """A file or a link is removed; a folder is gone at once, and its content is removed behind the scenes."""
        parent, name = self._parent(path)
        try:
            if not _is_folder(name, parent):
                os.unlink(name, dir_fd=parent)
                return {}, []
            gone = f"{OURS}{os.urandom(8).hex()}.gone"
            os.rename(name, gone, src_dir_fd=parent, dst_dir_fd=parent)
            if not os.fork():
                try:
                    os.fchdir(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent))
                    os.execvp("rm", ["rm", "-rf", "--", gone])  # noqa: S606 -- rm goes through any depth
                finally:
                    os._exit(127)
        finally:
            os.close(parent)
        return {}, []


def tag(found: os.stat_result) -> str:
    """Another one whenever a file may have other content."""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"


def _check_tag(name: str, folder: int, given: str | None) -> None:
    if given is None:
        return
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if given:
            raise Refused("changed", "The file was deleted meanwhile: save it under a name as a new one.") from None
        return
    if not given:
        raise Refused("exists", f"There is already something named {shown(name)}: choose another name, or replace it.")
    if tag(found) != given:
        raise Refused("changed", "The file was changed meanwhile: load it again, or replace it knowingly.")


def _mode(name: str, folder: int) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _is_folder(name: str, folder: int) -> bool:
    return stat.S_ISDIR(_mode(name, folder))


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(_mode(name, folder))


def _describe(name: str, prefix: str, folder: int) -> dict[str, Any]:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # deleted meanwhile
        return {"name": shown(name), "path": shown(name), "type": "other", "size": 0, "modified": 0}
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return {
        "name": shown(name),
        "path": f"{prefix}/{shown(name)}" if prefix else shown(name),
        "type": kinds.get(stat.S_IFMT(found.st_mode), "other"),
        "size": found.st_size,
        "modified": found.st_mtime,
    }
