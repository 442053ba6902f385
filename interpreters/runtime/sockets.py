"""The folder that a sandbox shares with us: its agent's Unix sockets, and nothing else."""

import os
import shutil
import stat
from pathlib import Path
from uuid import UUID

from django.conf import settings

from interpreters.runtime.base import AGENT_UID

# Users of code, one for each session, as far as they suffice. The kernel counts some things for a user whatever
# sandbox he is in (inotify, queued signals, pages in pipes), so a user shared is a limit shared. The images know
# these by name; they lie below 65536, which is all that an engine with remapped users has.
FIRST_CODE_UID, CODE_UIDS = 20000, 4096


def socket_folder(session: UUID) -> Path:
    """Where `agent.sock` of this session appears on the host."""
    return Path(settings.SOCKET_DIR) / str(session)


def shell_folder(session: UUID) -> Path:
    """Where a worker listens for the terminals of a custom container."""
    return Path(settings.SHELL_DIR) / str(session)


def agent_uid() -> int:
    """Who the agent runs as: an id of its own, or ours where we may not give files to another user."""
    return AGENT_UID if os.geteuid() == 0 else os.geteuid()


def code_uid(session: UUID) -> int:
    """Who code of this session runs as in its sandbox; nothing needs to remember it."""
    return FIRST_CODE_UID + session.int % CODE_UIDS


def make_socket_folder(session: UUID, owner: int) -> Path:
    """Make the folder, open to `owner` alone, who is the agent: code in the sandbox does not even see the socket.

    SOCKET_DIR around it is closed to other users of this machine.
    """
    parent = Path(settings.SOCKET_DIR)
    if not parent.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        parent.chmod(0o700)
    folder = socket_folder(session)
    folder.mkdir(exist_ok=True)
    # The name is a session's id, so whatever stands here already is ours; only never follow a link.
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(f"{folder} is not a folder: remove it.")
    folder.chmod(0o700)
    if folder.stat().st_uid != owner:
        os.chown(folder, owner, owner)
    return folder


def remove_socket_folder(session: UUID) -> None:
    """Delete it with all that is in it, and that of terminals, which tells whoever listens there that it is over.

    rmtree follows no link, whatever the sandbox left there.
    """
    shutil.rmtree(socket_folder(session), ignore_errors=True)
    shutil.rmtree(shell_folder(session), ignore_errors=True)
