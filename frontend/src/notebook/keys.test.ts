import { describe, expect, it } from "vitest";
import { KeyMap, shownStep, stepOf, stepsOf, type Bound, type Press, type Where } from "./keys";

const key = (name: string, more: Partial<Press> = {}): Press => ({ key: name, shift: false, ctrl: false, alt: false, ...more });

const COMMANDS: Bound[] = [
  { id: "above", keys: ["A"] },
  { id: "delete", keys: ["D D"] },
  { id: "interrupt", keys: ["I I"] },
  { id: "redo", keys: ["Shift Z", "Ctrl Shift Z"] },
  { id: "help", keys: ["?"] },
  { id: "scroll", keys: ["Space"] },
  { id: "run", keys: ["Shift Enter"], where: "notebook" },
  { id: "split", keys: ["Ctrl Shift -"], where: "notebook" },
  { id: "find", keys: ["Ctrl F", "F"], where: "notebook" },
  { id: "palette", keys: ["Ctrl Shift P", "F1"], where: "page" },
  { id: "heading", keys: ["1"] },
];
const ON_CELL: Where[] = ["cell", "notebook"];
const IN_EDITOR: Where[] = ["notebook", "editor"];

function storage(): Pick<Storage, "getItem" | "setItem"> {
  const kept = new Map<string, string>();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) };
}
const map = (kept = storage()) => new KeyMap(kept);

describe("keys", () => {
  it("are read as people write them", () => {
    expect(stepsOf("Ctrl Shift -")).toEqual(["ctrl+shift+-"]);
    expect(stepsOf("D D")).toEqual(["d", "d"]);
    expect(stepsOf("Shift ↑")).toEqual(["shift+arrowup"]);
    expect(stepsOf("Shift Space")).toEqual(["shift+ "]);
    expect(["ctrl+shift+arrowup", "?", "shift+ ", "d", "f1", "ctrl+shift+-"].map(shownStep)).toEqual(["Ctrl Shift ↑", "?", "Shift Space", "D", "F1", "Ctrl Shift -"]);
  });

  it("mean the key, not what Shift or another script makes of it", () => {
    expect(stepOf(key("_", { ctrl: true, shift: true }))).toBe("ctrl+shift+-");
    expect(stepOf(key("?", { shift: true }))).toBe("?");
    expect(stepOf(key("ф", { code: "KeyA" }))).toBe("a");
    expect(stepOf(key("q", { code: "KeyA" }))).toBe("q");
  });

  it("give commands on a cell", () => {
    const keys = map();
    const press = (pressed: Press) => keys.press(pressed, 0, ON_CELL, COMMANDS);
    expect(press(key("a"))).toBe("above");
    expect(press(key("Enter", { shift: true }))).toBe("run");
    expect(press(key("Z", { shift: true }))).toBe("redo");
    expect(press(key("Z", { shift: true, ctrl: true }))).toBe("redo");
    expect(press(key("?", { shift: true }))).toBe("help");
    expect(press(key("f"))).toBe("find");
  });

  it("need two for what destroys, soon after each other", () => {
    const keys = map();
    const press = (name: string, now: number) => keys.press(key(name), now, ON_CELL, COMMANDS);
    expect(press("d", 0)).toBe("pending");
    expect(press("d", 300)).toBe("delete");
    expect(press("d", 400)).toBe("pending");
    expect(press("d", 3000)).toBe("pending");
    expect(press("i", 3100)).toBe("pending");
    expect(press("d", 3200)).toBe("pending");
  });

  it("leave the browser its own, and modifiers alone", () => {
    const keys = map();
    expect(keys.press(key("c", { ctrl: true }), 0, ON_CELL, COMMANDS)).toBeNull();
    expect(keys.press(key("Tab"), 0, ON_CELL, COMMANDS)).toBeNull();
    keys.press(key("d"), 0, ON_CELL, COMMANDS);
    expect(keys.press(key("Shift", { shift: true }), 10, ON_CELL, COMMANDS)).toBeNull();
  });

  it("are characters in an editor, except with Ctrl", () => {
    const keys = map();
    expect(keys.press(key("f"), 0, IN_EDITOR, COMMANDS)).toBeNull();
    expect(keys.press(key("a"), 0, IN_EDITOR, COMMANDS)).toBeNull();
    expect(keys.press(key("f", { ctrl: true }), 0, IN_EDITOR, COMMANDS)).toBe("find");
    expect(keys.press(key("F1"), 0, ["page"], COMMANDS)).toBe("palette");
  });

  it("are no single characters where somebody switched those off", () => {
    const kept = storage();
    map(kept).useCharacters(false);
    const keys = map(kept);
    for (const name of ["a", "d", "?", "1", "f"]) expect(keys.press(key(name), 0, ON_CELL, COMMANDS)).toBeNull();
    expect(keys.press(key("Z", { shift: true }), 0, ON_CELL, COMMANDS)).toBeNull();
    expect(keys.press(key("Enter", { shift: true }), 0, ON_CELL, COMMANDS)).toBe("run");
    expect(keys.press(key(" "), 0, ON_CELL, COMMANDS)).toBe("scroll");
  });

  it("can be chosen, and what had the key loses it", () => {
    const kept = storage();
    const keys = map(kept);
    keys.assign(COMMANDS[1]!, "A", COMMANDS);
    expect(keys.press(key("a"), 0, ON_CELL, COMMANDS)).toBe("delete");
    expect(map(kept).press(key("a"), 0, ON_CELL, COMMANDS)).toBe("delete");
    expect(keys.press(key("d"), 0, ON_CELL, COMMANDS)).toBeNull();
    keys.assign(COMMANDS[1]!, null, COMMANDS);
    expect(keys.keysOf(COMMANDS[1]!)).toEqual(["D D"]);
    keys.reset();
    expect(keys.press(key("a"), 0, ON_CELL, COMMANDS)).toBe("above");
  });

  it("are as they come where what is kept is not ours", () => {
    const kept = storage();
    kept.setItem("thermae-keys", '{"own":{"above":[1]},"characters":"x"}');
    expect(map(kept).press(key("a"), 0, ON_CELL, COMMANDS)).toBe("above");
    kept.setItem("thermae-keys", "{");
    expect(map(kept).press(key("a"), 0, ON_CELL, COMMANDS)).toBe("above");
  });
});
