"""Files, mounts and devices."""

import ctypes
import errno
import glob
import os
import stat
from collections.abc import Callable, Sequence
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_RDONLY = 1  # of statvfs
_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"})
# Directories under /dev that hold none: terminals of our own, and two kinds of memory.
_DEVICE_FOLDERS = ("/dev/pts", "/dev/shm", "/dev/mqueue")  # noqa: S108
_MOUNTED = ("/", "/proc", "/dev", "/sys")
_MOUNTED_BELOW = ("/proc/", "/dev/", "/sys/")
_MOUNTED_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init", "/usr/sbin/docker-init")


def write(say: Say, paths: Sequence[str]) -> Answer:
    """Open for writing, and write nothing."""

    def opened(path: str) -> bool:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        return True

    return _first(paths, opened)


def create(say: Say, folders: Sequence[str]) -> Answer:
    """Make a file in each of these, and take it away again."""

    def make(folder: str) -> bool:
        path = os.path.join(folder, ".isolation")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
        os.unlink(path)
        return True

    return _first(folders, make)


def make_folder(say: Say, folders: Sequence[str]) -> Answer:
    def make(folder: str) -> bool:
        path = os.path.join(folder, "isolation-probe")
        os.mkdir(path)
        os.rmdir(path)
        return True

    return _first(folders, make)


def read(say: Say, paths: Sequence[str]) -> Answer:
    """Whether there is anything but zeros to be read."""

    def look(path: str) -> bool:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return bool(os.read(fd, 8192)[:64].strip(b"\0"))  # less is refused by those that give whole records
        finally:
            os.close(fd)

    return _first(paths, look)


def read_addresses(say: Say) -> Answer:
    """Addresses of the kernel's own functions; it shows zeros to who may not know them."""
    with open("/proc/kallsyms") as file:
        for line in file:
            if line.split()[0].strip("0"):
                return {"answer": "done", "detail": "they are not hidden"}
    return {"answer": "empty"}


def _first(patterns: Sequence[str], attempt: Callable[[str], bool]) -> Answer:
    answers = set()
    for pattern in patterns:
        for path in glob.glob(pattern):
            try:
                if attempt(path):
                    return {"answer": "done", "detail": path}
                answers.add("empty")
            except OSError as error:
                answers.add(errno.errorcode.get(error.errno or 0, str(error)))
    return {"answer": "refused" if answers else "absent", "detail": ", ".join(sorted(answers))}


def read_only(say: Say, paths: Sequence[str]) -> Answer:
    """Whether these are mounted so that nobody writes there, whoever it is. gVisor says so in one place only."""
    found = [path for pattern in paths for path in glob.glob(pattern)]
    with open("/proc/self/mountinfo") as file:
        told = {words[4] for words in map(str.split, file) if "ro" in words[5].split(",")}
    writable = [path for path in found if not os.statvfs(path).f_flag & _RDONLY and path not in told]
    return {"answer": "writable", "detail": ", ".join(writable)} if writable else {"answer": "read-only"}


def mounts(say: Say, allowed: Sequence[str], memories: Sequence[str]) -> Answer:
    """What is mounted beyond what a sandbox has; and what should be memory of its own, and is something else."""
    usual = (*_MOUNTED, *_MOUNTED_FILES, *allowed)
    more = []
    for point, root, kind in _mounted():
        if point in memories:
            if kind != "tmpfs" or root != "/":
                more.append(f"{point} ({kind})")
        elif point not in usual and not point.startswith(_MOUNTED_BELOW):
            more.append(point)
    more.sort()
    return {"answer": "found", "detail": ", ".join(more)[:500]} if more else {"answer": "none"}


def _mounted() -> list[tuple[str, str, str]]:
    """Where, what of the file system, and its kind."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            words = line.split()
            found.append((words[4], words[3], words[words.index("-") + 1]))
    return found


def devices(say: Say, own: Sequence[str]) -> Answer:
    """Nodes in /dev beyond the harmless; none is opened, for some act on being opened."""
    found = []
    for folder, folders, names in os.walk("/dev"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in _DEVICE_FOLDERS]
        for name in names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if (
                (stat.S_ISBLK(mode) or stat.S_ISCHR(mode))
                and not (folder == "/dev" and name in _DEVICES)
                and path not in own
            ):
                found.append(path)
    detail = ", ".join(sorted(found)[:20])
    return {"answer": "found", "detail": f"{len(found)}: {detail}"} if found else {"answer": "none"}


def open_disks(say: Say) -> Answer:
    """The machine's disks, by name, whether or not /dev has them."""
    names = [*glob.glob("/sys/class/block/*"), *glob.glob("/sys/block/*")]
    nodes = {f"/dev/{os.path.basename(name)}" for name in names} | {"/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/dm-0"}

    def look(path: str) -> bool:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        return True

    return _first(sorted(nodes), look)


def make_device(say: Say) -> Answer:
    path = ".isolation-device"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        return {"answer": "done", "detail": f"opening it: {errno.errorcode.get(error.errno or 0, str(error))}"}
    finally:
        os.unlink(path)
    return {"answer": "opened"}


def link(say: Say) -> Answer:
    """A second name in our own folder for a file outside it."""

    def make(path: str) -> bool:
        os.link(path, ".isolation-link")
        os.unlink(".isolation-link")
        return True

    return _first(["/etc/passwd", "/usr/bin/env", "/run/thermae/agent.sock", "/proc/version"], make)


def setuid_files(say: Say) -> Answer:
    """Programs that run as their owner, which no-new-privileges makes ordinary ones."""
    found = []
    device = os.lstat("/").st_dev
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if _device(os.path.join(folder, name)) == device]
        for name in names:
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & 0o6000:
                found.append(path)
    if not found:
        return {"answer": "none"}
    held = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1  # PR_GET_NO_NEW_PRIVS
    detail = f"{len(found)}, such as {found[0]}"
    return {"answer": "held" if held else "found", "detail": detail}


def _device(path: str) -> int:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return -1


def descriptors(say: Say) -> Answer:
    """Open files that came from outside: a folder of the host's among them would be a way there."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
            mode = os.fstat(int(name)).st_mode
        except OSError:
            continue  # the one that lists them
        inside = target.startswith(("/work/", "/dev/shm/", "/dev/pts/", "/dev/null", "pipe:", "/proc/"))  # noqa: S108
        if not inside or stat.S_ISDIR(mode):
            found.append(f"{name} is {target}")
    return {"answer": "found", "detail": ", ".join(found)[:500]} if found else {"answer": "none"}
