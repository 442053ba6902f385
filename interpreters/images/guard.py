"""What one piece of work on an image may cost: time, and room on the engine's disk."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from interpreters.images.events import Stopped
from interpreters.models import InterpreterImage

# Work is given up when less of the engine's disk is free: the sandboxes need it too.
LEAST_FREE = 0.05
LOOK_EVERY = 0.5  # seconds


def disk_of(info: Mapping[str, Any]) -> Path | None:
    """A path on the engine's disk that this process can see, by the engine's own `info`; None if there is none."""
    if settings.IMAGE_DISK_PATH:
        return Path(settings.IMAGE_DISK_PATH)
    root = Path(info.get("DockerRootDir") or "/nonexistent")
    return root if settings.DOCKER_HOST.startswith("unix:") and root.is_dir() else None


def used_share(disk: Path) -> float:
    """How full a disk is for who is not root, from 0 to 1."""
    usage = shutil.disk_usage(disk)
    return usage.used / ((usage.used + usage.free) or 1)


class Guard:
    """Asked again and again while the engine works; raises Stopped when it must end."""

    def __init__(self, image: InterpreterImage, disk: Path | None, seconds: float) -> None:
        self._image, self._disk, self._seconds = image, disk, seconds
        self._deadline = time.monotonic() + seconds
        self._looked = 0.0

    def check(self) -> None:
        now = time.monotonic()
        if now > self._deadline:
            raise Stopped(f"It took longer than {self._seconds:.0f} s and was given up.")
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        if self._disk and used_share(self._disk) > 1 - LEAST_FREE:
            raise Stopped("The engine's disk is nearly full, so this was given up: ask the operator.")
        if not InterpreterImage.objects.filter(pk=self._image.pk, started_at=self._image.started_at).exists():
            raise Stopped("The image was deleted, or asked for anew, while it was made.")

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()
