import { describe, expect, it } from "vitest";
import { chordOf } from "./keys";

const press = (words: string, code = "") => {
  const parts = words.split(" ");
  const has = (name: string) => parts.includes(name);
  return { key: parts.at(-1)!, code, ctrlKey: has("Ctrl"), shiftKey: has("Shift"), altKey: has("Alt"), metaKey: has("Meta") };
};

describe("keys of a terminal", () => {
  it("leave it, whatever the layout", () => {
    expect(chordOf(press("Shift F6", "F6"))).toBe("leave");
    expect(chordOf(press("Ctrl Shift `", "Backquote"))).toBe("leave");
    expect(chordOf(press("Ctrl Shift Dead", "Backquote"))).toBe("leave");
  });

  it("copy, paste, find and change the size", () => {
    expect(chordOf(press("Ctrl Shift C", "KeyC"))).toBe("copy");
    expect(chordOf(press("Ctrl Insert", "Insert"))).toBe("copy");
    expect(chordOf(press("Ctrl Shift V", "KeyV"))).toBe("paste");
    expect(chordOf(press("Ctrl Shift F", "KeyF"))).toBe("find");
    expect(["Ctrl +", "Ctrl Shift +", "Meta =", "Ctrl -", "Ctrl 0"].map((words) => chordOf(press(words)))).toEqual(["larger", "larger", "larger", "smaller", "usual"]);
  });

  it("are otherwise the shell's", () => {
    for (const words of ["Ctrl c", "F6", "Ctrl r", "-", "0", "Alt -", "Ctrl Alt 0", "Shift A", "Escape", "Tab"]) expect(chordOf(press(words, "KeyC"))).toBeNull();
  });
});
