"""Where packages are that were installed in this sandbox: they come before those of the image."""

import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

HOME = "/work/.python"
FOLDER = f"{HOME}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def put_first() -> None:
    if FOLDER in sys.path:
        return
    at = next((index for index, path in enumerate(sys.path) if path.endswith("site-packages")), len(sys.path))
    sys.path.insert(at, FOLDER)
    # Of a folder that is not there yet Python would remember that: a cell may install and import at once.
    sys.path_importer_cache[FOLDER] = FileFinder(
        FOLDER,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (SourceFileLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )


def at_start() -> None:
    """For every Python (thermae.pth) but the kernel, which imports what it needs itself before: a package that was
    installed must not keep it from starting again."""
    if "thermae_kernel" not in sys.orig_argv:
        put_first()
