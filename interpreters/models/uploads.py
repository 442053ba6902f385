"""Files that wait for a worker: written by web a chunk at a time, bounded, private; read by the worker."""

import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

# Seconds after which a file that no row names was left by a process that died.
ABANDONED = 86400.0


class UploadTooLarge(Exception):
    def __init__(self) -> None:
        super().__init__(f"Send at most {settings.MAX_IMAGE_UPLOAD_BYTES} bytes, or ask the operator.")


class NoSpace(Exception):
    """The disk is full; nothing was kept."""


def store(chunks: Iterable[bytes]) -> str:
    """Write a file; returns its name. Raises UploadTooLarge or NoSpace, and leaves nothing then."""
    settings.UPLOAD_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = secrets.token_hex(16)
    path = settings.UPLOAD_DIR / name
    left = settings.MAX_IMAGE_UPLOAD_BYTES
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise UploadTooLarge
                file.write(chunk)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise NoSpace(f"The upload could not be kept: {error.strerror}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name


def upload_path(name: str) -> Path:
    """Where a file is. Raises ValueError for a name that `store` did not give."""
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise ValueError(f"{name!r} is no upload.")
    return Path(settings.UPLOAD_DIR) / name


def size_of(name: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return upload_path(name).stat().st_size if name else 0
    except FileNotFoundError:
        return 0


def remove_upload(name: str) -> None:
    if name:
        upload_path(name).unlink(missing_ok=True)


def remove_abandoned(known: set[str]) -> int:
    """Remove what no row names any more, once it is old enough to be sure."""
    folder, oldest = Path(settings.UPLOAD_DIR), time.time() - ABANDONED
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known and path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
