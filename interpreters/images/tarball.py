"""Reads tar archives that nobody vouches for, one header at a time, and writes plain ones.

The standard library's reader takes names and sizes of any length into memory; this one is bounded, keeps nothing, and
reads sparse files at the size that they unpack to. Pure.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

BLOCK = 512
LONGEST_EXTENSION = 64 * 1024
FILE, DIRECTORY, LINK, SYMLINK, OTHER = "file", "directory", "link", "symlink", "other"
# Headers that tell of the next member, or of all that follow: x, g of POSIX, L, K of GNU.
EXTENSIONS = (b"x", b"g", b"L", b"K")
WITHOUT_BODY = (b"1", b"2", b"3", b"4", b"5", b"6")
KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"5": DIRECTORY, b"1": LINK, b"2": SYMLINK}


class BadArchive(Exception):
    """This is no archive that we take; the message says why."""


class Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    kind: str
    size: int  # bytes in the archive
    unpacked: int  # bytes on a disk; more than `size` where the file is sparse
    offset: int  # of its first byte
    target: str = ""  # of a link
    executable: bool = False

    @property
    def sparse(self) -> bool:
        return self.unpacked != self.size


class Tar:
    """A walk over an archive that is read once, from its start to its end."""

    def __init__(self, source: Reader) -> None:
        self._source, self._position = source, 0
        self._left = 0  # bytes of the present member, its padding included

    def __iter__(self) -> Iterator[Member]:
        extended: dict[str, str] = {}
        while block := self._header():
            kind = block[156:157]
            if kind in EXTENSIONS:
                extended |= _extensions(kind, self._extension(_number(block[124:136])))
                continue
            member, extended = self._member(block, kind, extended), {}
            self._left = _padded(member.size)
            end = self._position + self._left
            yield member
            self._skip(end - self._position)

    def read(self, size: int) -> bytes:
        """Of the present member's body; `Member.size` says where it ends."""
        chunk = self._take(min(size, self._left)) if self._left else b""
        self._left -= len(chunk)
        return chunk

    def _header(self) -> bytes:
        """The next header; b"" at the end, which two empty blocks mark, or one, or none."""
        block = self._source.read(BLOCK)
        self._position += len(block)
        if not block or not block.strip(b"\0"):
            return b""
        if len(block) < BLOCK:
            raise BadArchive("The archive ends in the middle: send it again.")
        told = re.match(rb"[ \0]*([0-7]{1,7})[ \0]*$", block[148:156])
        if told is None or int(told[1], 8) != 8 * 32 + sum(block[:148]) + sum(block[156:]):
            raise BadArchive("This is no tar archive, or it is damaged.")
        return block

    def _member(self, block: bytes, kind: bytes, extended: dict[str, str]) -> Member:
        name = _text(block[0:100])
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            name = f"{prefix}/{name}"
        name, target = extended.get("path", name), extended.get("linkpath", _text(block[157:257]))
        size = _decimal(extended["size"]) if "size" in extended else _number(block[124:136])
        size = 0 if kind in WITHOUT_BODY else size
        told = [_decimal(extended[key]) for key in ("GNU.sparse.realsize", "GNU.sparse.size") if key in extended]
        if kind == b"S":
            told.append(_number(block[483:495]))
            self._skip_sparse_map(block)
        executable = bool(_number(block[100:108]) & 0o111)
        what = KINDS.get(kind, OTHER)
        return Member(name, what, size, max([size, *told]), self._position, target, executable)

    def _skip_sparse_map(self, block: bytes) -> None:
        more = block[482]
        while more:
            more = self._take(BLOCK)[504]

    def _extension(self, size: int) -> bytes:
        if size > LONGEST_EXTENSION:
            raise BadArchive(f"A name in the archive has more than {LONGEST_EXTENSION} bytes.")
        return self._take(_padded(size))[:size]

    def _take(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self._position += len(chunk)
        if len(chunk) < size:
            raise BadArchive("The archive ends in the middle: send it again.")
        return chunk

    def _skip(self, size: int) -> None:
        while size > 0:
            size -= len(self._take(min(size, 1024 * 1024)))


class Whole:
    """Reads whole pieces, as a Tar asks for: a decompressor may give less at a time."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        pieces = []
        while size and (piece := self._source.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _extensions(kind: bytes, words: bytes) -> dict[str, str]:
    """What stands before a member for it: a long name of GNU's, or the records of POSIX."""
    if kind == b"g":
        return {}
    if kind in (b"L", b"K"):
        return {"path" if kind == b"L" else "linkpath": _text(words)}
    found = {}
    while words.strip(b"\0"):
        length, _, _ = words.partition(b" ")
        if not length.isdigit() or not 4 < int(length) <= len(words):
            raise BadArchive("A header in the archive makes no sense.")
        record, words = words[len(length) + 1 : int(length)], words[int(length) :]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        found[_text(key)] = _text(value)
    return found


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or binary where the first bit is set. Raises BadArchive."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        negative = field[0] == 0xFF
    else:
        digits = field.strip(b" \0")
        if digits.strip(b"01234567"):
            raise BadArchive("A number in the archive makes no sense.")
        value, negative = int(digits or b"0", 8), False
    if negative or value >= 1 << 62:
        raise BadArchive("A size in the archive makes no sense.")
    return value


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadArchive("A size in the archive makes no sense.")
    return int(text)


def _text(field: bytes) -> str:
    try:
        return field.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise BadArchive("A name in the archive is not in UTF-8.") from None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


# --- Writing ---


def header(name: str, size: int = 0, *, executable: bool = False, kind: str = FILE, target: str = "") -> bytes:
    """The header of a member; its body, and `padding`, must follow. Times and owners are fixed."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.linkname = size, target
    entry.mode = 0o755 if executable or kind == DIRECTORY else 0o644
    entry.type = {FILE: tarfile.REGTYPE, DIRECTORY: tarfile.DIRTYPE, SYMLINK: tarfile.SYMTYPE}[kind]
    return entry.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    return b"\0" * (_padded(size) - size)


def whole(name: str, content: bytes) -> bytes:
    return header(name, len(content), executable=name.endswith(".sh")) + content + padding(len(content))


END = b"\0" * (2 * BLOCK)
