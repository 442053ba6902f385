"""Kernelspecs: how a kernel is started, as Jupyter's `kernel.json` files say."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .errors import not_found

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class KernelSpec:
    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    interrupt_by_message: bool = False
    display_name: str = ""
    language: str = ""
    settle: float = 0.0  # seconds: it says that it is done before it has sent all output, so wait for such a silence
    programs: str = ""  # the folder of programs that belongs to it: `python` in argv is the one that is there


def find(name: str, paths: Sequence[str]) -> KernelSpec:
    """Raises Refusal(404)."""
    if NAME.fullmatch(name):
        for path in paths:
            spec = _read(name, path)
            if spec is not None:
                return spec
    there = ", ".join(sorted({spec.name for spec in installed(paths)})) or "none"
    raise not_found(f"There is no kernel {name!r:.80} here; installed: {there}.")


def installed(paths: Sequence[str]) -> Iterator[KernelSpec]:
    for path in paths:
        folder = os.path.join(path, "kernels")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            spec = _read(name, path)
            if spec is not None:
                yield spec


def _read(name: str, path: str) -> KernelSpec | None:
    programs = os.path.normpath(os.path.join(path, "..", "..", "bin"))
    try:
        with open(os.path.join(path, "kernels", name, "kernel.json"), encoding="utf-8") as file:
            spec = json.load(file)
        return KernelSpec(
            name,
            [str(word) for word in spec["argv"]],
            {str(key): str(value) for key, value in spec.get("env", {}).items()},
            spec.get("interrupt_mode") == "message",
            str(spec.get("display_name", name)),
            str(spec.get("language", "")),
            float(spec.get("metadata", {}).get("thermae", {}).get("settle", 0)),
            programs if os.path.isdir(programs) else "",
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
