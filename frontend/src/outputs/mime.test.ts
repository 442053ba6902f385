import { describe, expect, it } from "vitest";
import { imageAddress, objectOf, richest, textOf } from "./mime";

describe("the form that is shown", () => {
  it("is the richest that is known", () => {
    const all: Record<string, unknown> = {
      "application/vnd.jupyter.widget-view+json": {}, "application/vnd.vegalite.v5+json": {}, "application/vnd.vega.v6+json": {}, "application/vnd.plotly.v1+json": {},
      "application/vnd.thermae.table+json": {}, "text/html": "", "application/javascript": "", "image/svg+xml": "", "image/png": "", "application/pdf": "", "text/latex": "",
      "text/markdown": "", "application/json": {}, "text/plain": "",
    };
    const order: string[] = [];
    for (let chosen = richest(all); chosen; chosen = richest(all)) {
      order.push(chosen.form);
      delete all[chosen.type];
    }
    expect(order).toEqual(["widget", "vegalite", "vega", "plotly", "table", "html", "script", "svg", "image", "pdf", "latex", "markdown", "json", "text"]);
  });

  it("knows every version of Vega's names, and no other", () => {
    for (const version of [2, 3, 4, 5, 6]) {
      for (const ending of ["+json", ".json"]) {
        expect(richest({ [`application/vnd.vegalite.v${version}${ending}`]: {} })?.form).toBe("vegalite");
        expect(richest({ [`application/vnd.vega.v${version}${ending}`]: {} })?.form).toBe("vega");
      }
    }
    expect(richest({ "application/vnd.vega.v1+json": {} })?.form).toBe("json");
  });

  it("passes over what cannot be used", () => {
    expect(richest({ "application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider()" }, ["widget"])?.form).toBe("text");
    expect(richest({ "application/vnd.jupyter.widget-view+json": {} }, ["widget"])).toBeNull();
    expect(richest({ "text/html": null, "application/x-what": "?" })).toBeNull();
  });
});

describe("values", () => {
  it("are text, lists of lines or JSON", () => {
    expect(textOf(["a\n", "b"])).toBe("a\nb");
    expect(textOf([1, 2])).toBe("[\n  1,\n  2\n]");
    expect(objectOf('{"a": 1}')).toEqual({ a: 1 });
    expect(objectOf("nonsense")).toBeNull();
    expect(objectOf([1])).toBeNull();
  });

  it("of pictures become addresses that run nothing", () => {
    expect(imageAddress("image/png", "iVBO\nRw0=")).toBe("data:image/png;base64,iVBORw0=");
    expect(imageAddress("image/svg+xml", '<svg onload="x()">')).toBe("data:image/svg+xml;charset=utf-8,%3Csvg%20onload%3D%22x()%22%3E");
  });
});
