"""The folder of kept files: each with a random name and for our own eyes, written under another name until whole."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings

from interpreters.models import Workspace

# Seconds after which a file that no row names was left by a process that died.
ABANDONED = 3600.0
PART = ".part"


def _path(name: str) -> Path:
    """Raises ValueError for a name that `writing` did not give."""
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise ValueError(f"{name!r} is no kept content.")
    return Path(settings.WORKSPACE_DIR) / name


@contextmanager
def writing() -> Iterator[tuple[str, IO[bytes]]]:
    """A name and a file. Whole on the disk when the block ends well, gone otherwise."""
    folder = Path(settings.WORKSPACE_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = secrets.token_hex(16)
    part = folder / f"{name}{PART}"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield name, file
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / name)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def open_content(workspace: Workspace) -> IO[bytes]:
    """What is kept, to be read. Raises FileNotFoundError."""
    if not workspace.content:
        raise FileNotFoundError
    return _path(workspace.content).open("rb")


def remove_content(name: str) -> None:
    if name:
        _path(name).unlink(missing_ok=True)


def sweep() -> int:
    """Remove workspaces that nobody uses, and files that no row names, once they are old enough to be sure."""
    Workspace.objects.unused().delete()
    folder, oldest = Path(settings.WORKSPACE_DIR), time.time() - ABANDONED
    # Looked at first: a save writes its file before the row names it.
    found = list(folder.iterdir()) if folder.is_dir() else []
    known = set(Workspace.objects.exclude(content="").values_list("content", flat=True))
    removed = 0
    for path in found:
        with suppress(FileNotFoundError):
            if path.name not in known and path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
    return removed
