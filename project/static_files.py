"""Scripts and styles as they are sent: compressed, and kept by browsers for as long as their names say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servestatic.middleware import ServeStaticMiddleware
from servestatic.storage import CompressedStaticFilesStorage

# Vite names a file by its content, and Django must not do so again: the same module would have two addresses.
NAMED_BY_CONTENT = re.compile(r"/frontend/dist/assets/.+-[\w-]{8,}\.\w+$")


class CompressedOnceStorage(CompressedStaticFilesStorage):
    """With files that were compressed before, nothing is done: every start collects all of them."""

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        changed = {name: source for name, source in paths.items() if not self._is_compressed(name)}
        yield from super().post_process(changed, dry_run, **options)

    def _is_compressed(self, name: str) -> bool:
        """The compressor gives what it writes the time of the file, which a file system may round."""
        file = Path(self.path(name))
        compressed = file.with_name(f"{file.name}.gz")
        return compressed.exists() and abs(compressed.stat().st_mtime - file.stat().st_mtime) < 0.001


class StaticFilesMiddleware(ServeStaticMiddleware):
    def immutable_file_test(self, path: str, url: str) -> bool:
        """Theirs knows the names that Django gives, and reads no setting."""
        return bool(NAMED_BY_CONTENT.search(url))
