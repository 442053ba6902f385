"""What is beside code: the agent, other sandboxes, the engine, and processes of the machine."""

import errno
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_FOLDER = "/run/thermae"
_OUR_SOCKETS = frozenset({f"{_FOLDER}/agent.sock", "/run/egress/proxy.sock"})
_HIDING = ("/run", "/var", "/tmp", "/work", "/mnt", "/srv", "/opt", "/home", "/media", "/root")  # noqa: S108


def _processes() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdecimal():
            yield int(name)


def _words(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(65536).split(b"\0")
    except OSError:
        return []


def _agents() -> list[int]:
    """The agent, and the first process, which ends everything when it ends."""
    return [pid for pid in _processes() if pid == 1 or b"agent" in _words(pid)[1:]]


def signal_agent(say: Say) -> Answer:
    """Signal 0 asks for the same right as any other, and ends nobody where it is given."""
    pids = _agents()
    if len(pids) < 2:
        return {"answer": "failed", "detail": "the agent's process is not to be seen"}
    return _refused(pids, lambda pid: os.kill(pid, 0))


def signal_first(say: Say) -> Answer:
    return _refused([1], lambda pid: os.kill(pid, 0))


def open_of_agent(say: Say, names: Sequence[str]) -> Answer:
    """Files of the agent's in /proc."""

    def look(path: str) -> None:
        if path.endswith("/fd"):
            os.listdir(path)
        elif path.endswith(("/root", "/cwd", "/exe")):
            os.readlink(path)
        else:
            with open(path, "rb") as file:
                file.read(1)

    return _refused([f"/proc/{pid}/{name}" for pid in _agents() for name in names], look)


def _refused(things: Sequence[Any], attempt: Callable[[Any], object]) -> Answer:
    """`refused` by all of them, or the first that was not."""
    answers = set()
    for thing in things:
        try:
            attempt(thing)
        except OSError as error:
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "done", "detail": str(thing)}
    return {"answer": "refused" if answers else "absent", "detail": ", ".join(sorted(answers))}


def agent_socket(say: Say) -> Answer:
    """Whether the agent talks to code."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(3)
        try:
            line.connect(f"{_FOLDER}/agent.sock")
            line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = line.recv(100)
        except (ConnectionError, BrokenPipeError):
            said = b""
    return {"answer": "done" if said else "hung up", "detail": said.decode(errors="replace")[:80]}


def host_socket(say: Say) -> Answer:
    """Where the agent waits for its kernel host: who is taken for that one answers for the sandbox."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(3)
        line.connect(f"\0{_FOLDER}/host")
    return {"answer": "done"}


def find_relay(say: Say) -> Answer:
    """By what it was started with."""
    found = [str(pid) for pid in _processes() if b"agent.relay" in _words(pid)]
    return {"answer": "found", "detail": f"process {found[0]}"} if found else {"answer": "none"}


def listeners(say: Say, ports: Sequence[int]) -> Answer:
    """Whoever waits for callers in this network, at another port than these, or at a name without a file."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}") as file:
                lines = [line.split() for line in file][1:]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        listening = {int(words[1].rpartition(":")[2], 16) for words in lines if words[3] == "0A"}
        found += [f"{name} port {port}" for port in sorted(listening - set(ports))]
    with open("/proc/net/unix") as file:
        found += [words[7] for words in map(str.split, file) if len(words) > 7 and words[7].startswith("@")]
    return {"answer": "found", "detail": ", ".join(found)[:500]} if found else {"answer": "none"}


def agent_folder(say: Say) -> Answer:
    """Make something where the agent's socket lies: who can do that can put another in its place."""
    path = f"{_FOLDER}/.isolation"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(path)
    return {"answer": "done"}


def connect(say: Say, paths: Sequence[str]) -> Answer:
    """Sockets, or anything at all, at these paths."""
    seen = []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                continue
            raise
        seen.append(path)
        if stat.S_ISSOCK(found.st_mode):
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(2)
                try:
                    line.connect(path)
                except OSError as error:
                    seen[-1] += f" ({errno.errorcode.get(error.errno or 0, error)})"
    return {"answer": "found", "detail": ", ".join(seen)[:500]} if seen else {"answer": "none"}


def find_sockets(say: Say) -> Answer:
    """Any socket in the file system that is not the sandbox's own, as those that lie in its own memory are."""
    own = {os.stat(folder).st_dev for folder in ("/work", "/tmp", "/dev/shm") if os.path.ismount(folder)}  # noqa: S108
    paths = [*_mounted_sockets(), *(path for top in _HIDING for path in _sockets(top, own))]
    found = sorted({path for path in paths if path not in _OUR_SOCKETS})
    return {"answer": "found", "detail": ", ".join(found)[:500]} if found else {"answer": "none"}


def _mounted_sockets() -> Iterator[str]:
    """Of what is mounted, a folder says only what it is mounted upon."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    for point in points:
        try:
            if stat.S_ISSOCK(os.lstat(point).st_mode):
                yield point
        except OSError:
            continue  # not for us


def _sockets(top: str, own: set[int]) -> Iterator[str]:
    """By what folders say of their entries: only what is neither file, folder nor link is looked at."""
    folders = [top]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue  # it is not there, or not for us
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                if stat.S_ISSOCK(about.st_mode) and about.st_dev not in own:
                    yield entry.path


def find_process(say: Say, process: str) -> Answer:
    """The one that looks from outside, by its name and start time."""
    name, _, began = process.rpartition(" ")
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/stat") as file:
                text = file.read()
        except OSError:
            continue
        if text[text.find("(") + 1 : text.rfind(")")] == name and text[text.rfind(")") :].split()[20] == began:
            return {"answer": "found", "detail": f"it is process {pid} here"}
    return {"answer": "none", "detail": f"{len(list(_processes()))} processes, all of this sandbox"}


def kill_everybody(say: Say) -> Answer:
    """All that this uid may end. Whoever runs the probes is among them: nothing is expected to be said after it."""
    os.kill(-1, signal.SIGKILL)
    return {"answer": "done"}
