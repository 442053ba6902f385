"""Figures of Plotly in a notebook's web page: nbconvert knows no form of them but HTML."""

import json
from collections.abc import Iterable
from typing import Any

MIME = "application/vnd.plotly.v1+json"
# What plotly 6 itself puts into its HTML. The hash lets no other script run.
LIBRARY = (
    '<script src="https://cdn.plot.ly/plotly-3.7.0.min.js" charset="utf-8" crossorigin="anonymous"'
    ' integrity="sha256-jvTGqxNp8AGWEcvNLVuKr+8j5dGe9Yw51LQkmDH+IYA="></script>'
)


def give_html(cells: Iterable[dict[str, Any]]) -> None:
    """Every figure that has no HTML gets it, in place of its data; the first brings the library along."""
    library = LIBRARY
    shown = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    for number, data in enumerate(shown):
        if isinstance(data.get(MIME), dict) and "text/html" not in data:
            data["text/html"] = library + _html(data.pop(MIME), f"plotly-figure-{number}")
            library = ""


def _html(figure: dict[str, Any], name: str) -> str:
    whole = {**figure, "config": {"responsive": True, **(figure.get("config") or {})}}
    text = json.dumps(whole).replace("<", "\\u003c")  # nothing in it ends the script
    return f'<div id="{name}"></div><script>Plotly.newPlot("{name}", {text});</script>'
