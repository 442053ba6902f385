"""The health checks of a custom container: what a person may write, and the whole of what the relay is told.

Pure. The relay repeats none of these checks: what it is given is complete.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

KINDS = ("startup", "liveness")
FIELDS = frozenset(
    ("type", "path", "port", "headers", "initial_delay", "period", "timeout", "failure_threshold", "success_threshold")
)
# Least, most, whether it is a whole number.
NUMBERS: Mapping[str, tuple[float, float, bool]] = {
    "port": (1, 65535, True),
    "initial_delay": (0, 600, False),
    "period": (0.1, 300, False),
    "timeout": (0.1, 60, False),
    "failure_threshold": (1, 3000, True),
    "success_threshold": (1, 10, True),
}
# A startup probe fails when the start has taken too long, unless it says sooner (0: it does not).
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "startup": {"type": "tcp", "initial_delay": 0, "period": 0.2, "timeout": 1, "failure_threshold": 0},
    "liveness": {"type": "http", "initial_delay": 0, "period": 10, "timeout": 1, "failure_threshold": 3},
}
PATH = re.compile(r"/[\x21-\x7e]{0,1023}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1000}")
MOST_HEADERS = 20
# The probe itself says these.
OWN_HEADERS = frozenset(("host", "connection", "content-length", "transfer-encoding", "expect", "upgrade"))


def check(probes: object) -> None:
    """Raise ValidationError with every fault, unless this is {"startup": {…}, "liveness": {…}}, each optional."""
    if not isinstance(probes, dict) or not set(probes) <= set(KINDS):
        raise ValidationError('Give {"startup": {…}, "liveness": {…}}; each may be left out.')
    faults = [f"{kind}: {fault}" for kind, probe in probes.items() for fault in _faults(probe)]
    if faults:
        raise ValidationError(faults)


def whole(probes: Mapping[str, Mapping[str, Any]], target_port: int) -> dict[str, dict[str, Any]]:
    """`probes`, which passed `check`, with all that was left out. There always is a startup probe."""
    common = {"path": "/", "port": target_port, "headers": {}, "success_threshold": 1}
    given = {"startup": {}, **probes}
    return {kind: {**common, **DEFAULTS[kind], **probe} for kind, probe in given.items()}


def _faults(probe: object) -> list[str]:
    if not isinstance(probe, dict):
        return ['give a probe as {"type": "http", "path": "/healthz"}.']
    if unknown := sorted(str(name) for name in set(probe) - FIELDS):
        return [f"{', '.join(unknown)[:100]} is unknown: use {', '.join(sorted(FIELDS))}."]
    faults = [fault for name, bounds in NUMBERS.items() if name in probe and (fault := _number(name, probe, *bounds))]
    if probe.get("type", "tcp") not in ("http", "tcp"):
        faults.append("type must be http or tcp.")
    if probe.get("type") == "tcp" and {"path", "headers"} & set(probe):
        faults.append("path and headers are for type http.")
    path = probe.get("path", "/")
    if not (isinstance(path, str) and PATH.fullmatch(path)):
        faults.append("path must begin with / and hold no spaces; quote other characters as in a URL.")
    if not _are_headers(probe.get("headers", {})):
        faults.append(f'headers must be text, as {{"Accept": "text/plain"}}, at most {MOST_HEADERS}, and not Host.')
    return faults


def _number(name: str, probe: Mapping[str, object], least: float, most: float, integral: bool) -> str:
    value = probe[name]
    kinds = (int,) if integral else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        return f"{name} must be a {'whole ' if integral else ''}number from {least:g} to {most:g}."
    return ""


def _are_headers(value: object) -> bool:
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        return False
    return all(
        isinstance(name, str)
        and HEADER.fullmatch(name)
        and name.lower() not in OWN_HEADERS
        and isinstance(text, str)
        and HEADER_VALUE.fullmatch(text)
        for name, text in value.items()
    )
