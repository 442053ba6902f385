"""Run the probes of a list, one after the other, and write a line of JSON for each."""

import errno
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import beside, calls, files, limits, network, rights

Answer = dict[str, Any]
KINDS: dict[str, Callable[..., Answer]] = {
    name: function
    for module in (beside, calls, files, limits, network, rights)
    for name, function in vars(module).items()
    if callable(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_")
}
ROOM_WITHIN = 15.0  # seconds
LONGEST = 64 * 1024  # characters of what one probe says


def main() -> int:
    with open(sys.argv[1]) as file:
        probes = json.load(file)
    results_path = os.path.abspath(sys.argv[2])
    os.chdir(os.path.dirname(results_path))  # probes that make something make it here
    with open(results_path, "w") as results:
        for probe in probes:
            results.write(json.dumps({"probe": probe["name"], **run(probe)}) + "\n")
            results.flush()
    return 0


def run(probe: dict[str, Any]) -> Answer:
    """What the probe's process said last, and how it ended."""
    reading, writing = os.pipe()
    child = _fork()
    if not child:
        os.close(reading)
        _attempt(probe, writing)
    os.close(writing)
    text, late = _listen(reading, time.monotonic() + probe["deadline"])
    os.close(reading)
    _end(child)
    _, status = os.waitpid(child, 0)
    said: Answer = {}
    for line in text.splitlines():
        try:
            said.update(json.loads(line))
        except ValueError:
            break
    if "answer" in said:
        return said
    if late:
        return {**said, "answer": "hung"}
    ended = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status}"
    return {**said, "answer": "killed" if os.WIFSIGNALED(status) else "failed", "detail": ended}


def _fork() -> int:
    """After a fork bomb there may be no room for a moment: who was killed is not gone at once."""
    deadline = time.monotonic() + ROOM_WITHIN
    while True:
        try:
            return os.fork()
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _attempt(probe: dict[str, Any], writing: int) -> None:
    """In the probe's own process: never returns."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def say(**words: Any) -> None:
        os.write(writing, json.dumps(words).encode()[:LONGEST] + b"\n")

    try:
        answer = KINDS[probe["kind"]](say, **probe["arguments"])
    except OSError as error:
        answer = {"answer": errno.errorcode.get(error.errno or 0, str(error))}
    except MemoryError:
        answer = {"answer": "ENOMEM"}
    except BaseException as error:
        answer = {"answer": "failed", "detail": f"{type(error).__name__}: {error}"[:500]}
    try:
        say(**answer)
    finally:
        os._exit(0)


def _listen(reading: int, deadline: float) -> tuple[str, bool]:
    """All that is said until the end, and whether it took too long. Children that live on do not hold it up."""
    text = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        if not ready:
            break
        piece = os.read(reading, 65536)
        if not piece:
            return text.decode(), False
        text += piece
        if b'"answer"' in text and text.endswith(b"\n"):
            return text.decode(), False
    return text.decode(), True


def _end(child: int) -> None:
    """The probe's whole session. As long as the child is not waited for, its number is its own."""
    for kill in (os.killpg, os.kill):
        with suppress(OSError):  # it has ended, or has not made its session yet: then the second reaches it
            kill(child, signal.SIGKILL)
