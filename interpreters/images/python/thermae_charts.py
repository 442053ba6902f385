"""Charts of plotly and altair in the forms that the notebook page draws itself. No library is imported for it."""

import os
import sys
from typing import Any

import thermae_figure_widget

# Beside the data for our page a chart's own HTML, for other programs that open the notebook, while it is small: it
# holds all of the chart's data again.
LARGEST_HTML = 200_000  # characters


def load_ipython_extension(shell: Any) -> None:
    # A pool's environment may name another.
    os.environ.setdefault("PLOTLY_RENDERER", "plotly_mimetype")
    # plotly imports this where anywidget is missing.
    sys.modules.setdefault("plotly.missing_anywidget", thermae_figure_widget)
    for version in ("v5", "v6"):
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type_by_name(f"altair.vegalite.{version}.api", "TopLevelMixin", altair_bundle)


def altair_bundle(chart: Any) -> Any:
    """altair's default is HTML that asks the web for Vega. A renderer that the code has chosen stays."""
    renderers = sys.modules["altair"].renderers
    if renderers.active != "default":
        return chart._repr_mimebundle_()
    with renderers.enable("mimetype", **renderers.options):
        shown = chart._repr_mimebundle_()
    if not isinstance(shown, tuple):
        return shown  # nothing: altair has shown an error
    bundle, metadata = shown
    bundle.pop("text/plain", None)  # words on how to make the form known, which it is; IPython names the chart
    for mime, spec in list(bundle.items()):
        html = renderers.get()(spec)["text/html"] if "vegalite" in mime else ""
        if 0 < len(html) <= LARGEST_HTML:
            bundle["text/html"] = html
    return bundle, metadata
