"""What an image says of itself, for its row. Pure: the engine's description in, bounded fields out."""

import re
from collections.abc import Mapping
from typing import Any

MOST_VOLUMES = 32


def facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an InterpreterImage. The image may claim anything: what makes no sense is left out."""
    config = about.get("Config") or {}
    volumes = sorted(str(path)[:400] for path in config.get("Volumes") or {})
    return {
        "digest": str(about["Id"])[:100],
        "size": int(about["Size"]),
        "exposed_port": exposed_port(config.get("ExposedPorts") or {}),
        "image_user": str(config.get("User") or "")[:100],
        "volumes": volumes[:MOST_VOLUMES],
    }


def exposed_port(ports: Mapping[str, Any]) -> int | None:
    """The lowest TCP port that it says it listens on."""
    found = [re.fullmatch(r"(\d{1,5})(?:/tcp)?", name, re.ASCII) for name in ports]
    numbers = [int(match[1]) for match in found if match]
    return min((number for number in numbers if 0 < number < 65536), default=None)
