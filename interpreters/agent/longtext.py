"""A `stream` message too large to be held: its text is passed on in pieces while it arrives.

A kernel that prints fast sends what it gathered in a fifth of a second as one message, which can be 100 MB. Taken in
pieces, it costs the agent no more memory than any other output, and readers see it as it comes.
"""

import json
import re

from .messages import MAX_HEADER, BadMessage, Message, read_header

BEGINNING = re.compile(rb'\s*\{\s*"name"\s*:\s*"(stdout|stderr)"\s*,\s*"text"\s*:\s*"')
ESCAPE = 6  # bytes of the longest, \uXXXX
END = re.compile(rb'"\s*\}\s*\Z')


class LongText:
    """Fed with the pieces of one content frame, gives a message for each.

    Its signature cannot be known before its end, and is not looked at: the connection is the kernel's, as others show.
    """

    def __init__(self, message: Message) -> None:
        self._message = message
        self._name = ""
        self._rest = b""
        self._broken = False

    @classmethod
    def begin(cls, frames: list[bytes], start: bytes) -> "LongText | None":
        """If `frames` are the head of a message whose content frame, which begins with `start`, is a stream's."""
        beginning = BEGINNING.match(start)
        if beginning is None:
            return None
        try:
            message = read_header(frames)
        except BadMessage:
            return None
        if message.msg_type != "stream" or len(message.header) > MAX_HEADER:
            return None
        text = cls(message)
        text._name = beginning[1].decode()
        text._rest = start[beginning.end() :]
        return text

    def feed(self, piece: bytes, last: bool) -> Message | None:
        """The message of what is complete by now; None if that is nothing."""
        raw = self._rest + piece
        if last:
            end = END.search(raw, max(0, len(raw) - 64))
            cut = end.start() if end else 0
        else:
            cut = _boundary(raw)
        try:
            text: str = json.loads(b'"%b"' % raw[:cut])
        except ValueError:  # not what a kernel writes: the rest of it is not shown
            self._broken = True
        if self._broken:
            self._rest = b""
            return None
        self._rest = raw[cut:]
        if not last and text and "\ud800" <= text[-1] <= "\udbff":  # half of a pair: the other half comes next
            text, self._rest = text[:-1], raw[cut - ESCAPE : cut] + self._rest
        self._message.content, self._message.parsed = b"", {"name": self._name, "text": text}
        return self._message if text else None


def _boundary(raw: bytes) -> int:
    """The last place where JSON text in UTF-8 can be cut: in no escape, in no character, before no closing quote."""
    end = max(0, len(raw) - 64)
    backslash = raw.rfind(b"\\", max(0, end - ESCAPE), end)
    if backslash >= 0:
        start = backslash
        while start and raw[start - 1] == 0x5C:
            start -= 1
        if (backslash - start) % 2 == 0:  # an odd run: the last one begins an escape
            return backslash
    for back in range(1, min(4, end) + 1):
        byte = raw[end - back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            return end if back == (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else end - back
    return end
