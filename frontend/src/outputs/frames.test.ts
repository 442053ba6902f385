import { describe, expect, it } from "vitest";
import { FrameBudget, heard, librariesOf, refusedHost, webAddress, type Frame } from "./frames";

describe("what a frame says", () => {
  it("is believed only in its form", () => {
    expect(heard(null)).toEqual({});
    expect(heard("ready")).toEqual({});
    expect(heard({ ready: "yes", height: "12", link: 3, refused: {}, comm: "x", wants: 4, library: "toString" })).toEqual({});
    expect(heard({ library: "plotly" })).toEqual({ library: "plotly" });
    expect(heard({ height: -1 })).toEqual({});
    expect(heard({ height: Infinity })).toEqual({});
    expect(heard({ ready: true, height: 12.2 })).toEqual({ ready: true, height: 13 });
  });

  it("never becomes an address that runs here", () => {
    for (const link of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "/logout", "https://a b", "vbscript:x"]) {
      expect(webAddress(link)).toBe(false);
      expect(heard({ link })).toEqual({});
    }
    expect(heard({ link: "https://example.org/x?y=1" })).toEqual({ link: "https://example.org/x?y=1" });
  });

  it("is a picture only if it is one", () => {
    expect(heard({ picture: "data:image/png;base64,AA==", format: "png" }).picture).toBe("data:image/png;base64,AA==");
    expect(heard({ picture: "data:text/html,<script>", format: "png" }).picture).toBe("");
    expect(heard({ picture: null, format: "svg" }).picture).toBe("");
    expect(heard({ picture: "data:image/png;base64,AA==", format: "exe" })).toEqual({});
  });
});

describe("libraries", () => {
  it("are given to what draws with them, and to HTML that expects them on the web", () => {
    expect(librariesOf({ kind: "plotly", content: {} })).toEqual(["plotly"]);
    expect(librariesOf({ kind: "plotly", content: { data: [null, { type: "scatter" }] } })).toEqual(["plotly"]);
    expect(librariesOf({ kind: "plotly", content: { data: [{}, { type: "choropleth" }] } })).toEqual(["geo", "plotly"]);
    expect(librariesOf({ kind: "html", content: "<b>bold</b>" })).toEqual([]);
    expect(librariesOf({ kind: "html", content: '<script src="https://cdn.plot.ly/plotly-3.0.0.min.js">' })).toEqual(["geo", "plotly"]);
    expect(librariesOf({ kind: "html", content: 'require(["vega-embed"], f)' })).toEqual(["vega"]);
    expect(librariesOf({ kind: "html", content: "cdn.plot.ly" + " ".repeat(3e6) })).toEqual([]);
  });
});

describe("what was refused", () => {
  it("is named, unless we stood in for it", () => {
    expect(refusedHost("https://cdn.bokeh.org/bokeh/x.js")).toBe("cdn.bokeh.org");
    expect(refusedHost("https://cdn.plot.ly/plotly-3.0.0.min.js")).toBeNull();
    expect(refusedHost("https://cdn.plot.ly/un/world_50m.json")).toBe("cdn.plot.ly");
    expect(refusedHost("https://cdn.jsdelivr.net/npm/vega@5")).toBeNull();
    expect(refusedHost("inline")).toBeNull();
    expect(refusedHost("nonsense")).toBeNull();
  });
});

describe("the frames that are kept", () => {
  it("give way, those far away first", () => {
    const asleep: number[] = [];
    const frame = (number: number, visible: boolean): Frame => ({ visible: () => visible, sleep: () => asleep.push(number) });
    const budget = new FrameBudget(2);
    const [first, second, third] = [frame(1, true), frame(2, false), frame(3, true)];
    for (const each of [first, second, third]) budget.near(each);
    expect(asleep).toEqual([2]);
    budget.near(frame(4, true));
    // All are in sight: none goes.
    expect(asleep).toEqual([2]);
  });
});
