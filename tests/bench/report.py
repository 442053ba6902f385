"""Rows of the table, their bars, and `build/bench.json`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


def percentile(samples: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` is within 0..1. Raises ValueError without samples."""
    if not samples:
        raise ValueError("A percentile needs at least one sample.")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(samples: Sequence[float]) -> float:
    return percentile(samples, 0.5)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Without a bar it is a peer's, or says something about a row near it."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    direction: Literal["at most", "at least"] | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.direction == "at most" else self.value >= self.bar

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "value": round(self.value, 4), "ok": self.ok}


def at_most(name: str, value: float, unit: str, bar: float, note: str = "") -> Row:
    return Row(name, value, unit, bar, "at most", note)


def at_least(name: str, value: float, unit: str, bar: float, note: str = "") -> Row:
    return Row(name, value, unit, bar, "at least", note)


def figure(name: str, value: float, unit: str, note: str = "") -> Row:
    return Row(name, value, unit, note=note)


def render(rows: Sequence[Row]) -> str:
    """The rows as a table for a terminal."""
    lines = [("", "what", "value", "bar", "")]
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row.ok]
        sign = {"at most": "≤", "at least": "≥", None: ""}[row.direction]
        bar = "" if row.bar is None else f"{sign} {row.bar:g}"
        lines.append((mark, row.name, f"{row.value:.4g} {row.unit}", bar, row.note))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:4], widths, strict=True)), line[4]]).rstrip()
        for line in lines
    )


def save(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
