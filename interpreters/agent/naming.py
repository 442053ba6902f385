"""Names of files on the wire. To a kernel a name is bytes; JSON, addresses and headers want text without surprises.

What is no UTF-8, and every control character, is written byte by byte as a character of a private range that has no
meaning of its own. Every name has one such form, and it leads back to the same bytes.
"""

import re

# A byte b is written as chr(ESCAPE + b).
ESCAPE = 0x10FE00
_USED = "\U0010fe00-\U0010fe1f\U0010fe7f-\U0010feff"
_STRANGE = re.compile(f"[\x00-\x1f\x7f\udc80-\udcff{_USED}]")
_ESCAPED = re.compile(f"[{_USED}]+")


def shown(name: str) -> str:
    """A name, as Python has it from the system, in its form for the wire."""
    return _STRANGE.sub(_written, name)


def _written(found: "re.Match[str]") -> str:
    return "".join(chr(ESCAPE + byte) for byte in found[0].encode("utf-8", "surrogateescape"))


def meant(name: str) -> str:
    """The name for the system, of its form on the wire."""
    if not _ESCAPED.search(name):
        return name
    raw = _ESCAPED.sub(lambda found: "".join(map(_surrogate, found[0])), name)
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _surrogate(character: str) -> str:
    byte = ord(character) - ESCAPE
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)


def readable(name: str) -> str:
    """A name from the wire for people's own file systems: escaped bytes as %FF."""
    return _ESCAPED.sub(lambda found: "".join(f"%{ord(character) - ESCAPE:02X}" for character in found[0]), name)
