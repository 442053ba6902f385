"""What an image says of itself, for its row. Pure: the engine's description in, bounded fields out."""

import re
from collections.abc import Mapping
from typing import Any

MOST_VOLUMES = 32
# MiB: what an image says of the memory that it needs, by a label; no more than this is believed.
MEMORY_LABEL = "thermae.least_memory"
MOST_MEMORY = 1024 * 1024


def facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an InterpreterImage. The image may claim anything: what makes no sense is left out."""
    config = about.get("Config") or {}
    volumes = sorted(str(path)[:400] for path in config.get("Volumes") or {})
    found = {
        "digest": str(about["Id"])[:100],
        "size": int(about["Size"]),
        "exposed_port": exposed_port(config.get("ExposedPorts") or {}),
        "image_user": str(config.get("User") or "")[:100],
        "volumes": volumes[:MOST_VOLUMES],
    }
    least = least_memory(config.get("Labels") or {})
    return found | ({"least_memory": least} if least else {})


def least_memory(labels: Mapping[str, Any]) -> int | None:
    """What no pool of it should be below. Of an image made from one of ours, that one's says it unless it says more."""
    said = str(labels.get(MEMORY_LABEL) or "")
    if not re.fullmatch(r"\d{2,7}", said, re.ASCII) or not 16 <= int(said) <= MOST_MEMORY:
        return None
    return int(said)


def exposed_port(ports: Mapping[str, Any]) -> int | None:
    """The lowest TCP port that it says it listens on."""
    found = [re.fullmatch(r"(\d{1,5})(?:/tcp)?", name, re.ASCII) for name in ports]
    numbers = [int(match[1]) for match in found if match]
    return min((number for number in numbers if 0 < number < 65536), default=None)
