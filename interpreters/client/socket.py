"""Where an agent listens. The sandbox may have had its hands on the folder, so no link in it is followed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interpreters.client.base import AgentMisbehaved, AgentUnavailable

NAME = "agent.sock"


@contextmanager
def _opened(path: str, flags: int, within: int | None = None) -> Iterator[int]:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def open_socket(folder: Path) -> int:
    """An O_PATH descriptor of `folder`/agent.sock, to connect to as /proc/self/fd/<n>; the caller closes it.

    Whatever the name comes to mean later, the descriptor stays what was checked. Raises AgentUnavailable when
    there is nothing, AgentMisbehaved when there is something else than a socket.
    """
    try:
        with _opened(str(folder), os.O_DIRECTORY) as directory, _opened(NAME, 0, directory) as fd:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                raise AgentMisbehaved("The sandbox put something else in the place of its socket.")
            return os.dup(fd)
    except NotADirectoryError as error:
        raise AgentMisbehaved("The folder of the sandbox's socket is none.") from error
    except OSError as error:
        raise AgentUnavailable(f"The sandbox does not answer: {error.strerror}.") from error
