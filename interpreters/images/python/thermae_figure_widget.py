"""What `go.FigureWidget` is without anywidget, which the notebook page does not draw: a figure as any other.

It takes the place of `plotly.missing_anywidget`, whose class only says that anywidget should be installed. plotly is
imported when the class is asked for.
"""

import sys
from typing import Any

TOLD = (
    "Here a FigureWidget is a plain figure: a later change of it is seen when it is shown again, "
    "and clicks call no code."
)


def __getattr__(name: str) -> Any:
    if name != "FigureWidget":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from plotly.graph_objs import Figure

    class FigureWidget(Figure):  # type: ignore[misc]  # of an untyped library
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            print(TOLD, file=sys.stderr)  # no warning: its line of code and path of a file would be all one sees
            super().__init__(*args, **kwargs)

    FigureWidget.__qualname__ = name  # by which pickle finds it
    globals()[name] = FigureWidget
    return FigureWidget
