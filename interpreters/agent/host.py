"""The kernel host: starts kernels and shells and touches files, as the uid that user code has.

It obeys the agent over one socket, a datagram of JSON for each request, and hands over everything large as an open
file, so no bytes of the user's pass through it. It imports little, since it lives in every sandbox:
`python -S -m agent.host` is about 10 MB. It shares its uid with hostile code, which may kill it or speak in its
place; the agent believes it no more than it believes a kernel.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import confined, rendezvous

MAX_REQUEST = 160 << 10
OOM_SCORE = "500"  # of kernels and shells: above ours and the agent's, so that they go first
NICENESS = 5  # of the same: the agent must take their output, and an interrupt, however hard they compute

Answer = tuple[dict[str, Any], list[int]]


class Host:
    def __init__(self, connection: socket.socket, work_dir: str) -> None:
        self._connection = connection
        self._work = confined.Folder(work_dir)
        self._private = os.path.join(os.environ.get("TMPDIR") or "/tmp", f".thermae-{os.urandom(8).hex()}")  # noqa: S108
        os.mkdir(self._private, 0o700)  # connection files hold a kernel's key
        self._children: set[int] = set()
        self._verbs: dict[str, Callable[..., Answer]] = {
            "spawn": self.spawn,
            "signal": self.signal,
            "list": self._work.list,
            "open": self._work.open,
            "create": self._work.create,
            "commit": self._work.commit,
            "discard": self._work.discard,
            "mkdir": self._work.make,
            "move": self._work.move,
            "delete": self._work.delete,
        }

    def run(self) -> None:
        """Until the agent hangs up; then end all that was started."""
        wakeup, noise = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(noise, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        try:
            more = True
            while more:
                for fd, _ in poll.poll():
                    if fd == wakeup:
                        os.read(wakeup, 4096)
                        self.reap()
                    else:
                        more = self.serve()
        except ConnectionError:
            pass  # it hung up while we spoke
        finally:
            for pid in self._children:
                _kill_group(pid, signal.SIGKILL)

    def serve(self) -> bool:
        """One request; False when the agent is gone."""
        data = self._connection.recv(MAX_REQUEST)
        if not data:
            return False
        request = json.loads(data)
        number, verb = request.pop("id"), request.pop("verb")
        fds: list[int] = []
        try:
            answer, fds = self._verbs[verb](**request)
        except confined.Refused as error:
            answer = {"error": error.code, "message": str(error)}
        except OSError as error:
            answer = {"error": _code(error), "message": error.strerror or str(error)}
        except Exception as error:  # one bad request must not end all kernels
            print(f"kernel host: {verb}: {error!r}", file=sys.stderr)
            answer = {"error": "failed", "message": "The sandbox could not do this: its log says why."}
        try:
            socket.send_fds(self._connection, [json.dumps({"id": number, **answer}).encode()], fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            if pid in self._children:
                # What it has forked goes with it, be it a bomb. As long as it is not waited for, the number is its own.
                _kill_group(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if pid in self._children:
                self._children.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                self._connection.send(json.dumps({"exit": pid, "code": code}).encode())

    def spawn(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str = "",
        connection: str = "",
        terminal: list[int] | None = None,
        fed: bool = False,
    ) -> Answer:
        """Start a program in a session of its own; the fd is its terminal, or the end of its stdout and stderr.

        `fed`: what is written to that fd is the program's stdin.

        `{connection_file}` in argv becomes the path of a private file that holds `connection`.
        """
        if connection:
            path = os.path.join(self._private, f"kernel-{time.monotonic_ns()}.json")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(connection)
            argv = [word.replace("{connection_file}", path) for word in argv]
        folder = self._work.enter(cwd)
        if fed:
            ours, theirs = (end.detach() for end in socket.socketpair())
        elif terminal is None:
            ours, theirs = os.pipe2(os.O_CLOEXEC)
        else:
            ours, theirs = os.openpty()
            _resize(ours, *terminal)
        environment = _environment() | env
        pid = os.fork()
        if not pid:
            _become(argv, environment, folder, theirs, terminal is not None, fed)
        os.close(theirs)
        os.close(folder)
        self._children.add(pid)
        return {"pid": pid}, [ours]

    def signal(self, pid: int, number: int) -> Answer:
        """To the whole process group of a child; nothing happens if it has ended."""
        if pid in self._children:
            _kill_group(pid, number)
        return {}, []


def _become(argv: list[str], env: dict[str, str], folder: int, output: int, terminal: bool, fed: bool) -> None:
    """In the child: never returns."""
    try:
        _end_with_parent()
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        if terminal:
            os.login_tty(output)
        else:
            os.setsid()
            os.dup2(output if fed else os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # not there, or already higher
            file.write(OOM_SCORE)
        os.nice(NICENESS)
        os.fchdir(folder)
        os.execvpe(argv[0], argv, env)  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _end_with_parent() -> None:
    """Be killed when the host is: nobody could end this process any more. The import is the child's, not the host's."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _environment() -> dict[str, str]:
    """Ours, without what is meant for the agent."""
    mine = ("THERMAE_", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONOPTIMIZE", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


def _resize(terminal: int, rows: int, columns: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        with suppress(OSError):
            os.kill(pid, number)  # between fork and setsid there is no group yet


def _code(error: OSError) -> str:
    return confined.CODES.get(error.errno or 0, "failed")


def main() -> int:
    """Connect to the agent, waiting for it up to a minute, and serve it."""
    address = rendezvous.address(os.environ.get("THERMAE_SOCKET_DIR") or "/run/thermae")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    deadline = time.monotonic() + 60
    while True:
        try:
            connection.connect(address)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                print(f"kernel host: the agent is not there: {error.strerror}", file=sys.stderr)
                return 1
            time.sleep(0.005)
    Host(connection, os.environ.get("THERMAE_WORK_DIR") or "/work").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
