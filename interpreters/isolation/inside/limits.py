"""What is used up. Each stops by itself somewhat beyond the limit, and sets free what it took."""

import errno
import mmap
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_MIB = 1024 * 1024
_CHUNK = 8 * _MIB
_HELD = 1.0  # seconds for which a full table of processes is held, to see who still answers


def fork(say: Say, most: int) -> Answer:
    """As many processes as there may be. They sleep: it is their number that is looked at."""
    made = 0
    try:
        while made < most:
            if not os.fork():
                time.sleep(20)
                os._exit(0)
            made += 1
    except OSError as error:
        time.sleep(_HELD)
        return {"answer": errno.errorcode.get(error.errno or 0, str(error)), "figure": made}
    return {"answer": "no end", "figure": made}


def memory(say: Say, most: int) -> Answer:
    """Take and touch memory until there is no more."""
    _go_first()
    return _take(say, most)


def locked_memory(say: Say, most: int) -> Answer:
    """The same with pages that are not to be swapped out."""
    import ctypes

    _go_first()
    if ctypes.CDLL(None, use_errno=True).mlockall(2) != 0:  # MCL_FUTURE
        return {"answer": "EPERM", "detail": "nothing may be locked", "figure": 0}
    return _take(say, most)


def _take(say: Say, most: int) -> Answer:
    kept: list[mmap.mmap] = []
    page = mmap.PAGESIZE
    while len(kept) * _CHUNK < most * _MIB:
        try:
            block = mmap.mmap(-1, _CHUNK)
        except OSError as error:
            return {"answer": errno.errorcode.get(error.errno or 0, str(error)), "figure": len(kept) * _CHUNK // _MIB}
        for offset in range(0, _CHUNK, page):
            block[offset] = 1
        kept.append(block)
        say(figure=len(kept) * _CHUNK // _MIB)
    return {"answer": "no end", "figure": len(kept) * _CHUNK // _MIB}


def _go_first() -> None:
    """Be the one that the kernel ends when memory runs out."""
    # Where that may not be said, the kernel chooses the largest, which is this one.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def disk(say: Say, folder: str, most: int) -> Answer:
    """Write until the folder is full; the figure is in MiB."""
    path = os.path.join(folder, ".isolation-filling")
    written = 0
    block = bytes(_MIB)
    try:
        with open(path, "wb", buffering=0) as file:
            while written < most * _MIB:
                written += file.write(block)
    except OSError as error:
        return {"answer": errno.errorcode.get(error.errno or 0, str(error)), "figure": written / _MIB}
    finally:
        _remove(path)
    return {"answer": "no end", "figure": written / _MIB}


def disks(say: Say, folders: dict[str, int], beyond: int) -> Answer:
    """Fill each of these; the figure is by how many MiB one took more than it should, at the most."""
    answers, excess = set(), 0.0
    for folder, size in folders.items():
        found = disk(say, folder, size + beyond)
        answers.add(found["answer"])
        excess = max(excess, found["figure"] - size)
        if found["answer"] not in ("ENOSPC", "EDQUOT"):
            return {**found, "detail": folder}
    return {"answer": "full", "detail": f"{len(folders)} folders: {', '.join(sorted(answers))}", "figure": excess}


def _remove(path: str) -> None:
    with suppress(OSError):  # it was never made
        os.unlink(path)


def inodes(say: Say, folder: str, most: int) -> Answer:
    top = os.path.join(folder, ".isolation-many")
    made = 0
    os.mkdir(top)
    try:
        while made < most:
            os.mknod(f"{top}/{made}")
            made += 1
    except OSError as error:
        return {"answer": errno.errorcode.get(error.errno or 0, str(error)), "figure": made}
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return {"answer": "no end", "figure": made}


def open_files(say: Say, most: int) -> Answer:
    """A process may raise its own soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = 0
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        while made < most:
            os.dup(null)
            made += 1
    except OSError as error:
        return {"answer": errno.errorcode.get(error.errno or 0, str(error)), "figure": made}
    return {"answer": "no end", "figure": made}


def core_dump(say: Say) -> Answer:
    """A process that crashes leaves its memory nowhere, neither here nor with a program of the machine's."""
    folder = os.path.abspath(".isolation-core")
    os.makedirs(folder, exist_ok=True)
    try:
        child = os.fork()
        if not child:
            os.chdir(folder)
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.abort()
        _, status = os.waitpid(child, 0)
        files = os.listdir(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if files or os.WCOREDUMP(status):
        return {"answer": "dumped", "detail": ", ".join(files) or "to a program of the machine's"}
    return {"answer": "none"}


def flood_logs(say: Say, most: int) -> Answer:
    """Write to wherever words of the sandbox's first processes go. The runner looks at what came of it."""
    from .beside import _agents

    where = [f"/proc/{pid}/fd/{number}" for pid in _agents() for number in (1, 2)]
    line = b"flooding by the isolation check " * 2048
    answers, written = set(), 0
    for path in where:
        try:
            with open(path, "wb", buffering=0) as file:
                while written < most * _MIB:
                    written += file.write(line)
        except OSError as error:
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
    detail = ", ".join(sorted(answers))
    return {"answer": "written" if written else "refused", "detail": detail, "figure": written / _MIB}
