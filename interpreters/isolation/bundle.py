"""The program that runs inside, as one file; and what it says, checked: it comes out of a sandbox."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from interpreters.isolation.base import Given, Observation, Probe

FOLDER = Path(__file__).with_name("inside")
START = "import sys\nfrom inside.program import main\n\nsys.exit(main())\n"
MOST_RESULTS = 1 << 20  # bytes


@cache
def program() -> bytes:
    """A zip that Python runs. Nothing in it is compressed, so that a Python without zlib reads it too."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(FOLDER.glob("*.py")):
            archive.writestr(f"inside/{path.name}", path.read_text())
        archive.writestr("__main__.py", START)
    return buffer.getvalue()


def orders(probes: Sequence[Probe], given: Given) -> bytes:
    """What the program is told to try."""
    tasks = [
        {"name": probe.name, "kind": probe.kind, "arguments": probe.arguments(given), "deadline": probe.deadline}
        for probe in probes
    ]
    return json.dumps(tasks).encode()


def observations(text: bytes) -> Mapping[str, Observation]:
    """By the name of the probe. A line that is not what we asked for is left out, and so its probe not checked."""
    found = {}
    for line in text.decode(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict) and isinstance(told.get("probe"), str) and isinstance(told.get("answer"), str):
            figure = told.get("figure")
            known = isinstance(figure, int | float) and not isinstance(figure, bool)
            detail = "".join(c if c.isprintable() else " " for c in str(told.get("detail", "")))
            found[told["probe"]] = Observation(
                told["answer"][:80], detail[:500], float(figure) if known and figure is not None else None
            )
    return found
