// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MOST, Tabs } from "./tabs";

let open: string[] = [];
let asked: string[] = [];

describe("tabs of terminals", () => {
  beforeEach(() => {
    localStorage.clear();
    asked = [];
    vi.stubGlobal("fetch", async (url: string, options: RequestInit) => {
      asked.push(`${options.method} ${url}`);
      return new Response(options.method === "GET" ? JSON.stringify(open.map((name) => ({ name }))) : null, { status: options.method === "GET" ? 200 : 204 });
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  it("are those that the server has, in order, with the names that were given here", async () => {
    open = ["10", "2", "1"];
    const tabs = new Tabs();
    await tabs.follow("s");
    expect(tabs.names.value).toEqual(["1", "2", "10"]);
    tabs.rename("2", "  logs ");
    expect(tabs.label("2")).toBe("logs");
    const again = new Tabs();
    await again.follow("s");
    expect(again.label("2")).toBe("logs");
    expect(again.label("1")).toBe("Terminal 1");
    await again.follow("other");
    expect(again.label("2")).toBe("Terminal 2");
  });

  it("begin with one where the server has none", async () => {
    open = [];
    const tabs = new Tabs();
    await tabs.follow("s");
    expect(tabs.names.value).toEqual(["1"]);
  });

  it("are all there once a server that did not answer does", async () => {
    vi.useFakeTimers();
    const answers = [new TypeError("offline"), new Response("{}", { status: 503 }), new Response('[{"name": "1"}, {"name": "2"}]')];
    vi.stubGlobal("fetch", async () => {
      const next = answers.shift()!;
      if (next instanceof Error) throw next;
      return next;
    });
    const tabs = new Tabs();
    const followed = tabs.follow("s");
    await vi.runAllTimersAsync();
    await followed;
    vi.useRealTimers();
    expect(tabs.names.value).toEqual(["1", "2"]);
  });

  it("are added up to a number and closed with their shells", async () => {
    open = ["1"];
    const tabs = new Tabs();
    await tabs.follow("s");
    for (let number = 2; number <= MOST; number++) expect(await tabs.add()).toBe(String(number));
    expect(await tabs.add()).toBeNull();
    expect(tabs.close("8")).toBe(true);
    expect(tabs.current.value).toBe("7");
    expect(asked).toContain("DELETE /api/v1/sessions/s/terminals/8");
    for (const name of ["1", "2", "3", "4", "5", "6"]) tabs.close(name);
    expect(tabs.close("7")).toBe(false);
    expect(tabs.names.value).toEqual(["1"]);
  });

  it("never take the shell that another page has opened meanwhile", async () => {
    open = ["1"];
    const tabs = new Tabs();
    await tabs.follow("s");
    open = ["1", "2"];
    expect(await Promise.all([tabs.add(), tabs.add()])).toEqual(["3", "4"]);
    expect([tabs.names.value, tabs.current.value]).toEqual([["1", "2", "3", "4"], "4"]);
    vi.stubGlobal("fetch", async () => new Response("{}", { status: 503 }));
    await expect(tabs.add()).rejects.toThrow();
    expect(tabs.names.value).toHaveLength(4);
  });

  it("read no name that is none", async () => {
    localStorage.setItem("terminal-names", '{"session": "s", "labels": {"1": {"x": 1}, "2": "fine"}}');
    open = ["1", "2"];
    const tabs = new Tabs();
    await tabs.follow("s");
    expect([tabs.label("1"), tabs.label("2")]).toEqual(["Terminal 1", "fine"]);
  });
});
