"""The row of an image while it is made: a line of progress, and a log that is bounded and not written too often."""

import time
from collections import deque

from interpreters.models import InterpreterImage

WRITE_EVERY = 1.0  # seconds
KEPT_LINES = 400
LONGEST_LOG = 128 * 1024  # characters


class Record:
    def __init__(self, image: InterpreterImage, secret: str = "") -> None:
        self._image, self._secret = image, secret
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._progress = ""
        self._written = 0.0
        self._cut = False

    def line(self, text: str) -> None:
        """One more line of the log."""
        self._cut = self._cut or len(self._lines) == KEPT_LINES
        self._lines.append(self.without_secret(text))
        self._write()

    def progress(self, text: str) -> None:
        """How far it is, as “pulling: 34 of 120 MB”."""
        self._progress = text[:200]
        self._write()

    def without_secret(self, text: str) -> str:
        """No registry is known to repeat what it was told; this makes sure."""
        return text.replace(self._secret, "***") if self._secret else text

    @property
    def log(self) -> str:
        lines = (["… lines before this are left out …"] if self._cut else []) + list(self._lines)
        return "\n".join(lines)[-LONGEST_LOG:]

    def _write(self) -> None:
        now = time.monotonic()
        if now - self._written >= WRITE_EVERY:
            self._written = now
            self._image.report(progress=self._progress, build_log=self.log)
