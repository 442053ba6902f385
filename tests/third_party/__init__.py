"""Software of other people for custom containers, unmodified, and its own clients.

What is downloaded is kept below build/, named by what was asked for, so that a second run finds it.
"""

import functools
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
KEPT = FOLDER.parents[1] / "build" / "third-party"
IMAGE_PYTHON = "3.11"  # of thermae/base
PYTHON = Path("bin", "python")


def run_client(name: str, *arguments: str) -> Any:
    """What a program in clients/ printed of what it saw, run by an environment that has the real clients."""
    words = [str(_clients()), str(FOLDER / "clients" / f"{name}.py"), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def context() -> bytes:
    """The build context of an image with all servers that are written in Python."""
    files = {path.name: path for path in (FOLDER / "apps").iterdir() if path.is_file()}
    files["servers.txt"] = FOLDER / "servers.txt"
    files |= {f"wheels/{path.name}": path for path in sorted(_wheels().glob("*.whl"))}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, path in files.items():
            tar.add(path, name)
    return buffer.getvalue()


@functools.cache
def build(name: str) -> str:
    """The tag of the image of a folder here, on plain Debian, built with a network as at its author's."""
    from interpreters.images import builder, sources

    builder.base_tag(print)  # brings Debian's
    files = {path.name: path.read_bytes() for path in (FOLDER / name).iterdir() if path.is_file()}
    if name == "echo":
        (wheel,) = _wheels().glob("websockets-*.whl")
        files["websockets.whl"] = wheel.read_bytes()
    tag = f"thermae-tests/{name}:{sources.content_hash(files, builder.DEBIAN)}"
    builder._build(tag, files, builder.DEBIAN, print, force=False)
    return tag


@functools.cache
def _wheels() -> Path:
    """A folder with the wheels of servers.txt, for the Python in the image."""
    options = ("--only-binary=:all:", "--python-version", IMAGE_PYTHON)
    return _kept("servers", lambda folder, wanted: _pip("download", *options, "-d", folder, "-r", wanted))


@functools.cache
def _clients() -> Path:
    """A Python with clients.txt."""
    return _kept("clients", lambda folder, wanted: _pip("install", "-r", wanted, python=_environment(folder))) / PYTHON


def _kept(name: str, fill: Callable[[Path, Path], None]) -> Path:
    """The folder for a file of requirements, which is filled unless it was."""
    wanted = FOLDER / f"{name}.txt"
    folder = KEPT / f"{name}-{hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        fill(folder, wanted)
        (folder / "done").touch()
    return folder


def _pip(*words: str | Path, python: Path | None = None) -> None:
    pip = [python or _environment(KEPT / "pip"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *words], check=True, timeout=300)


def _environment(folder: Path) -> Path:
    """The Python of a virtual environment with a pip: ours has none everywhere."""
    if not (folder / PYTHON).exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=100)
    return folder / PYTHON
