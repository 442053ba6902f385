"""Plots as SVG that the server draws: no script, no library, the page's own colours, and the same figures as a table.

Curves differ by how they are dashed as well as by colour; what one sees in them is said in a sentence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 28
MARKS = 4  # along the time, besides the first

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Mark:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Ready for a template. `key` is its id in the page."""

    key: str
    title: str
    unit: str
    lines: Sequence[Line]
    across: Sequence[Mark]
    up: Sequence[Mark]
    words: str
    rows: Sequence[tuple[str, Sequence[str]]]
    box = f"0 0 {WIDTH} {HEIGHT}"
    left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM

    @property
    def empty(self) -> bool:
        return not self.rows


def draw(
    key: str, title: str, unit: str, times: Sequence[datetime], values: dict[str, Values], *, whole: bool = False
) -> Plot:
    """`values`: the curves by name. `whole`: they count something, and are told without fractions."""
    told = _whole if whole else _short
    top = _nice(max((value for curve in values.values() for value in curve if value is not None), default=0.0))
    across = _scale(0, max(len(times) - 1, 1), LEFT, WIDTH - RIGHT)
    up = _scale(0, top, HEIGHT - BOTTOM, TOP)
    lines = [Line(name, _path(curve, across, up)) for name, curve in values.items()]
    day = len(times) > 1 and (times[-1] - times[0]).days >= 2
    marks = [round(n * (len(times) - 1) / MARKS) for n in range(MARKS + 1)] if len(times) > MARKS else []
    rows = [
        (f"{time:%Y-%m-%d %H:%M}", [told(curve[n]) for curve in values.values()])
        for n, time in enumerate(times)
        if any(curve[n] is not None for curve in values.values())
    ]
    return Plot(
        key, title, unit, lines,
        [Mark(round(across(n), 1), f"{times[n]:%d %b}" if day else f"{times[n]:%H:%M}") for n in marks],
        [Mark(round(up(top * n / 2), 1), _short(top * n / 2)) for n in range(3)],
        "; ".join(_sentence(name, curve, told) for name, curve in values.items()),
        rows,
    )  # fmt: skip


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) * (end - start) / (high - low)


def _path(curve: Values, across: Callable[[float], float], up: Callable[[float], float]) -> str:
    """A gap where nothing is known. What stands alone is a short stroke, which is seen."""
    parts: list[str] = []
    for n, value in enumerate(curve):
        if value is None:
            continue
        x, y = round(across(n), 1), round(up(value), 1)
        alone = n == 0 or curve[n - 1] is None
        parts.append(f"M{x - 1} {y}L{x + 1} {y}" if alone else f"L{x} {y}")
    return "".join(parts)


def _nice(highest: float) -> float:
    """The next of 1, 2, 5, 10, … above it."""
    if highest <= 0:
        return 1.0
    step = 10.0**-6
    while True:
        for factor in (1, 2, 5):
            if highest <= factor * step:
                return factor * step
        step *= 10


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _sentence(name: str, curve: Values, told: Callable[[float | None], str]) -> str:
    known = [value for value in curve if value is not None]
    if not known:
        return f"{name}: nothing known"
    return f"{name}: {told(min(known))} to {told(max(known))}, last {told(known[-1])}"
