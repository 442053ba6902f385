"""`pip` of a sandbox, whose own packages nobody can write to: what it installs goes into the work folder, before them.

`pip`, `python -m pip` and `%pip` come here. The folder is a virtual environment that is made at its first use, so that
pip itself, which the image has aside, installs, upgrades and removes as it does everywhere.
"""

import os
import subprocess
import sys
from pathlib import Path

from thermae_installed import FOLDER, HOME

PIP = "/opt/python/share/pip/pip"
OPTIONS = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", "PIP_ROOT_USER_ACTION": "ignore"}
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
NO_NETWORK = """
This sandbox has no network access: only what is in its work folder can be installed, such as an uploaded wheel
(pip install ./name.whl). Who runs the pool can allow a package index."""
REFUSED = """
If it says "403 Forbidden" above, this sandbox may not reach that address: who runs the pool can allow it."""


def main() -> int:
    """Run pip with this process's arguments; returns its status."""
    try:
        make_environment()
    except OSError as error:
        print(f"Nothing can be installed in the work folder: {error.strerror}.", file=sys.stderr)
        return 1
    environment = OPTIONS | dict(os.environ)
    connected = any(environment.get(name) for name in PROXIES)
    # Asking again changes nothing about what is not allowed.
    environment.setdefault("PIP_RETRIES", "1" if connected else "0")
    status = subprocess.call([f"{HOME}/bin/python", PIP, *sys.argv[1:]], env=environment)
    if status and {"install", "download", "wheel"}.intersection(sys.argv):
        print((REFUSED if connected else NO_NETWORK).strip(), file=sys.stderr)
    return status


def make_environment() -> None:
    """What `python -m venv` makes, in a hundredth of its time, with the image's packages in sight."""
    python = Path(HOME, "bin", "python")
    packages = Path(FOLDER)
    python.parent.mkdir(parents=True, exist_ok=True)
    packages.mkdir(parents=True, exist_ok=True)
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    if not python.exists():
        python.unlink(missing_ok=True)
        python.symlink_to(base)
    Path(HOME, "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    (packages / "image.pth").write_text("\n".join(path for path in sys.path if path.startswith("/opt/python/")) + "\n")
