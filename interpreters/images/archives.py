"""An uploaded archive of an image, checked and written anew so that it names nothing but what we call it.

An engine that loads an archive gives its images the names that the archive says: somebody else's, too. So nothing of
an upload's own lists reaches the engine: it is handed one list of ours, the image's configuration, and its layers.
Both the format of `docker save` and the OCI layout are read; what is written is the former, which all engines take.
Pure but for the upload's file: nothing is unpacked, and a chunk at a time is held.
"""

import gzip
import hashlib
import json
import posixpath
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from interpreters.images import tarball
from interpreters.images.tarball import BadArchive, Member, Tar, Whole

CHUNK = 256 * 1024
MOST_MEMBERS = 4000  # an image has at most 127 layers, and each a few files in the archive
MOST_LAYERS = 127
MOST_FILES = 1_000_000  # in all layers
LARGEST_DOCUMENT = 1024 * 1024
LONGEST_TAIL = 1024 * 1024  # of the empty blocks that an archive ends with
GZIP = b"\x1f\x8b"
Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """Where in the upload the parts of its one image are."""

    config: bytes
    layers: tuple[Member, ...]

    @property
    def about(self) -> Mapping[str, Any]:
        about: Mapping[str, Any] = json.loads(self.config)
        return about

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.config).hexdigest()[:12]


def read(file: IO[bytes], limit: int, check: Check) -> Contents:
    """Look through an upload. Raises BadArchive if it is not one image, or would unpack to more than `limit`."""
    if file.read(2) == GZIP:
        raise BadArchive("Send the archive as `docker save` writes it, not compressed.")
    file.seek(0)
    members = _members(file, check)
    config, layers = _parts(file, members)
    contents = Contents(_document(file, members, config), tuple(_find(members, layer) for layer in layers))
    _check_config(contents)
    left, files = limit, MOST_FILES
    for layer in contents.layers:
        size, count = _unpacked(file, layer, left, files, check)
        left, files = left - size, files - count
    return contents


def rewritten(path: Path, contents: Contents, tag: str, check: Check) -> Iterator[bytes]:
    """The archive for the engine, a chunk at a time."""
    names = [f"layer-{number}.tar" for number in range(len(contents.layers))]
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": names}]
    yield tarball.whole("manifest.json", json.dumps(manifest).encode())
    yield tarball.whole("config.json", contents.config)
    with path.open("rb") as file:
        for name, layer in zip(names, contents.layers, strict=True):
            yield tarball.header(name, layer.size)
            part = _Part(file, layer)
            while chunk := part.read(CHUNK):
                check()
                yield chunk
            yield tarball.padding(layer.size)
    yield tarball.END


def _members(file: IO[bytes], check: Check) -> dict[str, Member]:
    """Every file and link of the archive by its name."""
    found: dict[str, Member] = {}
    for member in Tar(Whole(file)):
        check()
        name = posixpath.normpath(member.name)
        if member.kind == tarball.DIRECTORY:
            continue
        if member.kind not in (tarball.FILE, tarball.SYMLINK) or member.sparse:
            raise BadArchive(f"{name[:100]!r} is no plain file: this was not written by `docker save`.")
        if name in found or len(found) >= MOST_MEMBERS:
            raise BadArchive("The archive names a file twice, or has too many: `docker save` one image.")
        found[name] = member
    return found


def _parts(file: IO[bytes], members: Mapping[str, Member]) -> tuple[str, list[str]]:
    """The names of an image's configuration and of its layers."""
    if "manifest.json" in members:
        return _listed(_parsed(_document(file, members, "manifest.json")))
    if "index.json" in members:
        return _described(file, members, _parsed(_document(file, members, "index.json")))
    raise BadArchive("There is no manifest.json in the archive: make it with `docker save <image> -o image.tar`.")


def _listed(manifest: Any) -> tuple[str, list[str]]:
    """By docker's own list."""
    if not isinstance(manifest, list) or len(manifest) != 1 or not isinstance(manifest[0], dict):
        raise BadArchive("The archive must hold exactly one image: `docker save` with one name.")
    config, layers = manifest[0].get("Config"), manifest[0].get("Layers")
    if not isinstance(config, str) or not isinstance(layers, list) or not all(isinstance(name, str) for name in layers):
        raise BadArchive("The archive's manifest.json makes no sense.")
    return config, layers


def _described(file: IO[bytes], members: Mapping[str, Member], index: Any) -> tuple[str, list[str]]:
    """By the index of the OCI layout, which may lead to another index."""
    for _ in range(3):
        listed = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(listed, list):
            break
        # Records of how an image was built stand beside it, for no platform.
        images = [each for each in listed if isinstance(each, dict) and not _is_record(each)]
        if len(images) != 1:
            raise BadArchive("The archive must hold exactly one image, for one platform.")
        index = _parsed(_document(file, members, _blob(images[0])))
    if not isinstance(index, dict) or not isinstance(index.get("layers"), list):
        raise BadArchive("The archive's index.json makes no sense.")
    return _blob(index.get("config")), [_blob(layer) for layer in index["layers"]]


def _is_record(listed: Mapping[str, Any]) -> bool:
    platform = listed.get("platform")
    return isinstance(platform, dict) and platform.get("os") == "unknown"


def _blob(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    kind, _, value = str(digest).partition(":")
    return f"blobs/{kind}/{value}"


def _find(members: Mapping[str, Member], name: str) -> Member:
    """A file of the archive; `docker save` writes a layer that comes twice as a link to the first."""
    name = posixpath.normpath(name)
    member = members.get(name)
    if member and member.kind == tarball.SYMLINK:
        member = members.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target)))
    if member is None or member.kind != tarball.FILE:
        raise BadArchive(f"The archive names {name[:100]!r} and does not hold it.")
    return member


def _document(file: IO[bytes], members: Mapping[str, Member], name: str) -> bytes:
    member = _find(members, name)
    if member.size > LARGEST_DOCUMENT:
        raise BadArchive(f"{name[:100]!r} is larger than any that `docker save` writes.")
    return _Part(file, member).read(member.size)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadArchive("A list in the archive is no JSON.") from None


def _check_config(contents: Contents) -> None:
    about = _parsed(contents.config)
    rootfs = about.get("rootfs") if isinstance(about, dict) else None
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(ids, list) or len(ids) != len(contents.layers) or not 0 < len(ids) <= MOST_LAYERS:
        raise BadArchive("The archive's configuration and its layers do not fit together.")


# --- Layers ---


def _unpacked(file: IO[bytes], layer: Member, limit: int, files: int, check: Check) -> tuple[int, int]:
    """Bytes and files that a layer unpacks to. Raises BadArchive above the limits."""
    size = count = 0
    try:
        source = Whole(_opened(file, layer))
        for member in Tar(source):
            check()
            size, count = size + member.unpacked, count + 1
            if size > limit:
                raise BadArchive("The image unpacks to more than is allowed: make it smaller, or ask the operator.")
            if count > files:
                raise BadArchive(f"The image holds more than {MOST_FILES} files.")
        if len(source.read(LONGEST_TAIL + 1)) > LONGEST_TAIL:
            raise BadArchive("A layer of the image goes on after its end.")
    except (EOFError, OSError, zlib.error) as error:
        raise BadArchive(f"A layer of the image is damaged: {error}") from error
    return size, count


def _opened(file: IO[bytes], layer: Member) -> Any:
    start = _Part(file, layer).read(6)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=_Part(file, layer))  # type: ignore[call-overload]
    return _Part(file, layer)


class _Part:
    """The bytes of one member, read from its place in the file."""

    def __init__(self, file: IO[bytes], member: Member) -> None:
        self._file, self._start, self._end = file, member.offset, member.offset + member.size
        self._at = self._start

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._at
        size = left if size < 0 else min(size, left)
        self._file.seek(self._at)
        chunk = self._file.read(size)
        self._at += len(chunk)
        return chunk
