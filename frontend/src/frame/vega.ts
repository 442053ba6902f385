// Vega and Vega-Lite, for a frame: `window.vegaEmbed` as the libraries' own scripts leave it.

import * as vega from "vega";
import embed from "vega-embed";
import * as vegaLite from "vega-lite";

Object.assign(window, { vega, vegaLite, vegaEmbed: embed });
