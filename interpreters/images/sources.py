"""The folders that images are built from, and what names their content.

An image's tag is a hash of all that goes into it, so that what is unchanged is found and not built again.
"""

import hashlib
import io
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
AGENT_FOLDER = FOLDER.parent / "agent"
BASE = "base"
# Lent to the language images by the base.
SHARED = ("pip-install.sh", "thermae_questions.py")


class UnknownSource(Exception):
    """There is no folder of that name under interpreters/images."""


@dataclass(frozen=True, slots=True)
class Source:
    """One folder: what a pool's image is made of, and what it needs."""

    name: str
    language: str
    kernel: str
    warm_up: str
    idle_memory: int  # MiB that an idle, warm instance holds
    least_memory: int  # MiB below which a pool of it does not start well
    optional: bool = False  # built where it is asked for by name


# The one that is no language: it runs beside each custom container.
RELAY = Source("relay", language="Relay", kernel="", warm_up="", idle_memory=16, least_memory=96)


def names() -> list[str]:
    """Every language that is built unless others are asked for, in alphabetical order."""
    return [name for name in all_names() if not load(name).optional]


def all_names() -> list[str]:
    """Every language that can be built."""
    return sorted(path.parent.name for path in FOLDER.glob("*/image.toml"))


def built_by_default() -> list[str]:
    """The usual languages, and the relay of custom containers."""
    return [*names(), RELAY.name]


def buildable() -> list[str]:
    """All that can be built, the optional languages too."""
    return [*all_names(), RELAY.name]


def load(name: str) -> Source:
    """Read a folder's `image.toml` and warm-up code. Raises UnknownSource."""
    if name == RELAY.name:
        return RELAY
    if name not in all_names():
        raise UnknownSource(f"There is no image named {name!r}: choose from {', '.join(all_names())}.")
    folder = FOLDER / name
    about = tomllib.loads((folder / "image.toml").read_text())
    warm_up = next((path.read_text() for path in folder.glob("warm_up.*")), "")
    return Source(
        name=name,
        language=about["language"],
        kernel=about["kernel"],
        warm_up=warm_up,
        idle_memory=about["idle_memory"],
        least_memory=about["least_memory"],
        optional=about.get("optional", False),
    )


def base_files() -> Mapping[str, bytes]:
    """What the common base is built from, by path in the build context."""
    return {path: content for path, content in _files(FOLDER / BASE).items() if path not in SHARED}


def image_files(name: str) -> Mapping[str, bytes]:
    """What a language's image is built from, the agent included, by path in the build context."""
    return {**_files(FOLDER / name), **lent_files()}


def lent_files() -> dict[str, bytes]:
    """What every image for code may copy besides its own files: the agent, and what the base lends."""
    files = {f"agent/{path}": content for path, content in _files(AGENT_FOLDER).items()}
    return files | {shared: (FOLDER / BASE / shared).read_bytes() for shared in SHARED}


def content_hash(files: Mapping[str, bytes], *more: str) -> str:
    """Twelve hexadecimal digits that stand for these files and these words."""
    digest = hashlib.sha256()
    for part in more:
        digest.update(f"{len(part)}:{part}".encode())
    for path in sorted(files):
        digest.update(f"{len(path)}:{path}{len(files[path])}:".encode())
        digest.update(files[path])
    return digest.hexdigest()[:12]


def build_context(files: Mapping[str, bytes], ca_bundle: bytes) -> bytes:
    """A tar of the files and of `ca.pem`, which is empty when no bundle is needed.

    Times and owners are fixed, so that the engine's own cache recognises what is unchanged.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted({**files, "ca.pem": ca_bundle}.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o755 if path.endswith(".sh") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
