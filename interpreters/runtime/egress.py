"""The folder in which a sandbox finds its egress proxy. A worker makes and removes it; the proxy listens in it."""

import os
import shutil
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings

from interpreters.runtime.base import LaunchFailed

NAME = "proxy.sock"
PATIENCE = 5.0  # seconds for the proxy to find a new folder; it looks several times a second
MISSING = "No egress process answers in {folder}: start `manage.py egress`, with the same EGRESS_DIR."


def egress_folder(session: UUID) -> Path:
    return Path(settings.EGRESS_DIR) / str(session)


def make_egress_folder(session: UUID) -> Path:
    """Make the folder, ours alone to write in. EGRESS_DIR around it is closed to other users. Raises LaunchFailed."""
    parent = Path(settings.EGRESS_DIR)
    folder = egress_folder(session)
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(f"{folder} is not a folder: remove it.")
        folder.chmod(0o755)
    except OSError as error:
        raise LaunchFailed(f"The folder for the egress proxy could not be made: {error}") from error
    return folder


def await_egress(session: UUID) -> None:
    """Return when the proxy listens for this sandbox. Raises LaunchFailed: a pool with egress never goes without it."""
    deadline = time.monotonic() + PATIENCE
    while not _answers(egress_folder(session)):
        if time.monotonic() > deadline:
            raise LaunchFailed(MISSING.format(folder=settings.EGRESS_DIR))
        time.sleep(0.02)


def remove_egress_folder(session: UUID) -> None:
    """Nothing happens where there is none, as for a sandbox without egress."""
    shutil.rmtree(egress_folder(session), ignore_errors=True)


def _answers(folder: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        directory = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            probe.settimeout(1)
            probe.connect(f"/proc/self/fd/{directory}/{NAME}")  # however long the folder's own path is
            return True
        finally:
            os.close(directory)
    return False
