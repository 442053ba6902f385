import { describe, expect, it } from "vitest";
import { CommandKeys, type Press } from "./keys";

const key = (name: string, more: Partial<Press> = {}): Press => ({ key: name, shift: false, ctrl: false, alt: false, ...more });

describe("keys of command mode", () => {
  it("knows single keys", () => {
    const keys = new CommandKeys();
    expect(keys.press(key("a"), 0)).toBe("insertAbove");
    expect(keys.press(key("Enter", { shift: true }), 0)).toBe("runAndNext");
    expect(keys.press(key("?", { shift: true }), 0)).toBe("help");
    expect(keys.press(key("Z", { shift: true }), 0)).toBe("redo");
  });
  it("needs two for what destroys", () => {
    const keys = new CommandKeys();
    expect(keys.press(key("d"), 0)).toBe("pending");
    expect(keys.press(key("d"), 300)).toBe("delete");
    expect(keys.press(key("d"), 400)).toBe("pending");
    expect(keys.press(key("d"), 3000)).toBe("pending");
  });
  it("does not take two different keys for one pair", () => {
    const keys = new CommandKeys();
    keys.press(key("d"), 0);
    keys.press(key("i"), 100);
    expect(keys.press(key("d"), 200)).toBe("pending");
  });
  it("leaves the browser its own keys", () => {
    expect(new CommandKeys().press(key("c", { ctrl: true }), 0)).toBeNull();
    expect(new CommandKeys().press(key("Tab"), 0)).toBeNull();
  });
});
