import { beforeEach, describe, expect, it, vi } from "vitest";
import { want } from "../session/notify";
import { EndSigns } from "./endsigns";

const page = { visibilityState: "hidden", looked: () => undefined as void };
beforeEach(() => {
  page.visibilityState = "hidden";
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("window", {});
  vi.stubGlobal("isSecureContext", false);
  vi.stubGlobal("document", {
    get visibilityState() { return page.visibilityState; },
    addEventListener: (_: string, listener: () => void) => void (page.looked = listener),
  });
});

describe("the sign of a run that ended", () => {
  it("is there for a long run that nobody watches, until somebody looks", () => {
    const signs = new EndSigns();
    expect(signs.ended("T", "Cell 1 finished", true, 60, true)).toBe(true);
    expect(signs.sign.value).toBe("✓ ");
    page.visibilityState = "visible";
    page.looked();
    expect(signs.sign.value).toBe("");
    expect(signs.ended("T", "Cell 1 finished", true, 60, true)).toBe(false);
  });

  it("is not there for a short one, nor while others wait, unless it failed", () => {
    const signs = new EndSigns();
    expect(signs.ended("T", "", true, 2, true)).toBe(false);
    expect(signs.ended("T", "", true, 60, false)).toBe(false);
    expect(signs.ended("T", "", false, 60, false)).toBe(true);
    expect(signs.sign.value).toBe("✗ ");
  });

  it("says why the system cannot tell", async () => {
    expect(await want(true)).toContain("https");
  });
});
