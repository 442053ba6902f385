"""What the engine says while it pulls, loads or builds, as lines for people, and its errors as ours."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from interpreters.runtime.docker import APIError, asking

Progress = Callable[[str], None]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
LONGEST_LINE = 2000


class BuildFailed(Exception):
    """An image could not be made; the message ends with the last lines of a build."""


class Stopped(BuildFailed):
    """We ended the work, and the message is our own."""


def follow(
    events: Iterable[Mapping[str, Any]],
    progress: Progress,
    check: Callable[[], None],
    see: Callable[[Mapping[str, Any]], None] = lambda event: None,
) -> None:
    """Pass on every event, a line at a time, until the work is done. Raises BuildFailed.

    `check` is asked at each event, `see` is shown it, and both may raise. Leaving early drops the connection, and the
    engine ends work that nobody listens to.
    """
    last: deque[str] = deque(maxlen=10)
    for event in events:
        if "error" in event:
            raise BuildFailed("\n".join([*last, plain(str(event["error"])).strip()]))
        check()
        see(event)
        for line in lines(event):
            last.append(line)
            progress(line)


def lines(event: Mapping[str, Any]) -> list[str]:
    """An event as lines for people; the bars of a pull, which come many times a second, are left out."""
    if event.get("progressDetail"):
        return []
    text = event.get("stream") or event.get("status") or ""
    return [line.rstrip()[:LONGEST_LINE] for line in plain(str(text)).splitlines() if line.strip()]


def plain(text: str) -> str:
    """Without colours and other control sequences: a log is shown in terminals and in the admin."""
    return CONTROL.sub("", text)


@contextmanager
def answering() -> Iterator[None]:
    """Turn an error of the engine into BuildFailed, and its silence into RuntimeUnavailable."""
    try:
        with asking():
            yield
    except APIError as error:
        raise BuildFailed(str(error.explanation or error)) from error
