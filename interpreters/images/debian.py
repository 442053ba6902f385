"""Makes `debian:bookworm-slim` where no registry can be reached: debootstrap, slimmed as Docker's own is, imported."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

SUITE = "bookworm"
TIMEOUT = 900.0  # seconds for debootstrap
# What dpkg leaves out, now and in everything that is installed later: documents and manuals, but not licences.
DPKG_CONFIG = """path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
"""
EMPTIED = ("dev", "proc", "sys", "run", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man")


class CannotBootstrap(Exception):
    """The base image can be neither pulled nor made here; the message says what to install or run."""


@contextmanager
def bootstrapped(progress: Callable[[str], None]) -> Iterator[BinaryIO]:
    """A tar of a minimal Debian, open for reading. Raises CannotBootstrap."""
    tool = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None:
        raise CannotBootstrap("Install debootstrap (apt-get install debootstrap), or let the engine pull it.")
    if os.geteuid() != 0:
        raise CannotBootstrap("debootstrap needs root: run `manage.py build_images` once as root, or pull it by hand.")
    with tempfile.TemporaryDirectory(prefix="thermae-debian-") as temporary:
        root = Path(temporary) / "root"
        _run([tool, "--variant=minbase", SUITE, str(root), settings.DEBIAN_MIRROR], progress)
        slim(root)
        archive = Path(temporary) / "root.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".", filter=_by_number)
        with archive.open("rb") as file:
            yield file


def _by_number(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owners by number alone: this machine's names need not be the image's."""
    entry.uname = entry.gname = ""
    return entry


def slim(root: Path) -> None:
    """Leave out what a container does not need, and name the mirrors of later installs, security updates among them."""
    for name in EMPTIED:
        folder = root / name
        for path in folder.iterdir() if folder.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(root / "usr/share/locale", ignore_errors=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.is_file() and path.name != "copyright":
            path.unlink()
    (root / "etc/dpkg/dpkg.cfg.d/thermae").write_text(DPKG_CONFIG)
    mirror = settings.DEBIAN_MIRROR.rstrip("/")
    (root / "etc/apt/sources.list").write_text(
        f"deb {mirror} {SUITE} main\ndeb {mirror} {SUITE}-updates main\ndeb {mirror}-security {SUITE}-security main\n"
    )


def _run(command: list[str], progress: Callable[[str], None]) -> None:
    """Run debootstrap with a line of progress for each of its own; at the deadline it is killed."""
    last: deque[str] = deque(maxlen=10)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        deadline = threading.Timer(TIMEOUT, process.kill)
        deadline.start()
        try:
            for line in process.stdout or ():
                last.append(line.rstrip())
                progress(last[-1])
        finally:
            deadline.cancel()
    if process.returncode != 0:
        raise CannotBootstrap("debootstrap failed:\n" + "\n".join(last))
