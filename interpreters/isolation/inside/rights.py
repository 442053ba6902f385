"""Who code is, and whether it can become somebody else."""

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_libc = ctypes.CDLL(None, use_errno=True)


def status(say: Say, wanted: Mapping[str, str]) -> Answer:
    """Lines of /proc/self/status that are not as they should be."""
    with open("/proc/self/status") as file:
        told = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    found = {"NoNewPrivs": str(_libc.prctl(39, 0, 0, 0, 0)), "CapAmb": _ambient()} | told  # gVisor does not tell these
    wrong = {name: found[name] for name, value in wanted.items() if name in found and found[name].strip("0") != value}
    missing = [name for name in wanted if name not in found]
    if wrong:
        return {"answer": "otherwise", "detail": ", ".join(f"{name} is {value}" for name, value in wrong.items())}
    if missing:
        return {"answer": "failed", "detail": f"{', '.join(missing)} is not told"}
    return {"answer": "so"}


def _ambient() -> str:
    """As a mask in hexadecimal. A kernel that does not know of ambient capabilities has none."""
    return f"{sum(1 << number for number in range(64) if _libc.prctl(47, 1, number, 0, 0) == 1):x}"


def uid(say: Say) -> Answer:
    ids = {*os.getresuid(), *os.getresgid(), *os.getgroups()}
    return {"answer": "root" if 0 in ids else "other", "detail": f"uid {os.getuid()}"}


def become_root(say: Say) -> Answer:
    """By the calls that set a uid or gid, each by itself."""
    return _any_of(lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.setgroups([0]))


def _any_of(*attempts: Callable[[], object]) -> Answer:
    """Done if one of them was; else all that they were refused with."""
    answers = set()
    for attempt in attempts:
        try:
            attempt()
        except OSError as error:
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "done"}
    return {"answer": "refused", "detail": ", ".join(sorted(answers))}


def become_root_by_program(say: Say) -> Answer:
    """By those that exist for it."""
    tried = []
    for words in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"]):
        if shutil.which(words[0]) is None:
            continue
        tried.append(words[0])
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == b"0":
            return {"answer": "done", "detail": words[0]}
    return {"answer": "refused", "detail": f"tried {', '.join(tried)}" if tried else "there is none"}


def take_capabilities(say: Say) -> Answer:
    """All of them, into every set that a process has."""
    header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0xFFFFFFFF, 0xFFFFFFFF, 0] * 2)
    if _libc.capset(header, data) == 0:
        return {"answer": "done", "detail": "capset"}
    if _libc.prctl(47, 2, 21, 0, 0) == 0:  # PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN
        return {"answer": "done", "detail": "ambient"}
    return {"answer": "refused"}


def higher_priority(say: Say) -> Answer:
    """Beyond what the machine's other processes have."""
    return _any_of(
        lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    )


def open_terminals(say: Say) -> Answer:
    """Of the machine: its console, or what stands for one. Nothing is typed there."""
    answers = set()
    for path in ("/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0"):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        except OSError as error:
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "done", "detail": path}
    return {"answer": "refused", "detail": ", ".join(sorted(answers))}


def type_on_own_terminal(say: Say) -> Answer:
    """Push a byte into it. Whoever reads that is inside, as long as the terminal is of the sandbox's own making."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of its end
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    try:
        fcntl.ioctl(theirs, termios.TIOCSTI, b"x")
        typed = "typed"
    except OSError as error:
        typed = errno.errorcode.get(error.errno or 0, str(error))
    own = os.stat(name).st_dev == os.stat("/dev/pts").st_dev and not os.path.exists("/dev/console")
    os.close(ours)
    return {"answer": "inside" if own else typed, "detail": f"{name}: {typed}"}


def environment(say: Say, names: list[str]) -> Answer:
    """Variables that were meant for us, by how they begin. Their values are not told."""
    found = sorted(name for name in os.environ if name.startswith(tuple(names)))
    return {"answer": "found", "detail": ", ".join(found)[:300]} if found else {"answer": "none"}
