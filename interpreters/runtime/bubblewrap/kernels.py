"""The virtual environment that bubblewrap sandboxes take their kernels from, kept up to date by its content."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

# Those whose kernels come from PyPI. Read as plain files, for the builder of images stands above runtimes.
LANGUAGES = ("python", "bash", "deno", "sql")
IMAGES = Path(__file__).parents[2] / "images"
TIMEOUT = 1800.0


class KernelsFailed(Exception):
    """The environment could not be made; the message ends with the installer's last lines."""


def kernels_folder() -> Path:
    return Path(settings.KERNELS_DIR)


def ready() -> bool:
    """Whether the environment is there and made of what we would make it of now."""
    try:
        return _mark().read_text() == _content()
    except OSError:
        return False


def has_kernel(name: str) -> bool:
    return (kernels_folder() / "share/jupyter/kernels" / name / "kernel.json").is_file()


def prepare_kernels(progress: Callable[[str], None]) -> None:
    """Make the environment, or leave it as it is when nothing changed. Raises KernelsFailed."""
    folder = kernels_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if ready():
            progress(f"The kernels in {folder} are up to date")
            return
        progress(f"Making {folder}")
        _mark().unlink(missing_ok=True)
        if not (folder / "bin/python").exists():
            _run([sys.executable, "-m", "venv", *(() if _uv() is None else ("--without-pip",)), str(folder)], progress)
        requirements = [word for name in LANGUAGES for word in ("-r", str(IMAGES / name / "requirements.txt"))]
        _run([*_installer(folder), "--only-binary", ":all:", *requirements], progress)
        _add_kernelspecs(folder)
        _list_fonts(folder, progress)
        _mark().write_text(_content())
        progress(f"The kernels in {folder} are ready")


def _installer(folder: Path) -> list[str]:
    python = str(folder / "bin/python")
    uv = _uv()
    if uv is not None:
        return [uv, "pip", "install", "--python", python, "--compile-bytecode"]
    return [python, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]


def _uv() -> str | None:
    """uv, which is several times faster, if our own environment has it."""
    return shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


def _add_kernelspecs(folder: Path) -> None:
    for name in LANGUAGES:
        kernel = tomllib.loads((IMAGES / name / "image.toml").read_text())["kernel"]
        target = folder / "share/jupyter/kernels" / kernel
        target.mkdir(parents=True, exist_ok=True)
        # uv links files from its cache: writing into one that is there would change it in every environment.
        (target / "kernel.json").unlink(missing_ok=True)
        shutil.copy(IMAGES / name / "kernel.json", target)
    (folder / "etc/ipython").mkdir(parents=True, exist_ok=True)
    shutil.copy(IMAGES / "python/ipython_config.py", folder / "etc/ipython")
    packages = next((folder / "lib").glob("python3*/site-packages"))
    for module in IMAGES.glob("*/thermae_*.py"):
        shutil.copy(module, packages)


def _list_fonts(folder: Path, progress: Callable[[str], None]) -> None:
    """matplotlib looks at every font once; what it found is kept for all sandboxes, as in the image."""
    environment = {**os.environ, "MPLCONFIGDIR": str(folder / "share/matplotlib")}
    _run([str(folder / "bin/python"), "-c", "import matplotlib.font_manager"], progress, environment)


def _run(command: list[str], progress: Callable[[str], None], environment: dict[str, str] | None = None) -> None:
    last: deque[str] = deque(maxlen=10)
    environment = {**os.environ} if environment is None else environment
    if settings.BUILD_CA_BUNDLE:
        environment |= {"SSL_CERT_FILE": settings.BUILD_CA_BUNDLE, "PIP_CERT": settings.BUILD_CA_BUNDLE}
    with subprocess.Popen(
        ["timeout", str(int(TIMEOUT)), *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, env=environment,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            last.append(line.rstrip())
            progress(last[-1])
    if process.returncode != 0:
        raise KernelsFailed("\n".join([f"{Path(command[0]).name} failed ({process.returncode}):", *last]))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One maker at a time; the others wait, and then find it made."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mark() -> Path:
    return kernels_folder() / "thermae-content"


def _content() -> str:
    """What the environment is made of, in one hash."""
    digest = hashlib.sha256(sys.version.encode() + sys.base_prefix.encode())
    digest.update(Path(__file__).read_bytes())  # how it is made is part of what it is
    for name in ("base", *LANGUAGES):
        for path in sorted((IMAGES / name).glob("*")):
            if path.is_file() and path.name != "Dockerfile":
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
