"""What Vite built, and the tags that load it."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

DIST = Path(__file__).resolve().parent / "static" / "frontend" / "dist"
MANIFEST = DIST / "manifest.json"
BUILD_COMMAND = "npm --prefix frontend ci --ignore-scripts && npm --prefix frontend run build"


class NotBuilt(Exception):
    """The pages' scripts and styles are not built."""

    def __init__(self) -> None:
        super().__init__(f"The front end is not built. Run: {BUILD_COMMAND}")


def manifest() -> dict[str, Any]:
    """Vite's manifest: source path → what was made of it. Raises NotBuilt.

    The collected one, where there is one: a server goes on with what it serves while a new build is made beside it.
    """
    collected = Path(settings.STATIC_ROOT) / "frontend" / "dist" / MANIFEST.name
    path = collected if collected.exists() and not settings.DEBUG else MANIFEST
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise NotBuilt from None


@lru_cache(maxsize=1)
def _read(path: Path, changed: int) -> dict[str, Any]:
    """`changed` is only the key of the cache."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def files_of(entry: str) -> tuple[str, list[str], list[str]]:
    """The script of an entry, the scripts that it imports at once, and all their styles. Raises NotBuilt."""
    chunks = manifest()
    if entry not in chunks:
        raise NotBuilt
    imported: dict[str, None] = {}
    styles: dict[str, None] = {}

    def visit(name: str) -> None:
        for dependency in chunks[name].get("imports", []):
            if chunks[dependency]["file"] not in imported:
                imported[chunks[dependency]["file"]] = None
                visit(dependency)
        styles.update(dict.fromkeys(chunks[name].get("css", [])))

    visit(entry)
    return chunks[entry]["file"], list(imported), list(styles)
