import { describe, expect, it } from "vitest";
import { faultOf, freeName, join, nameOf, parentOf, parts, plain, topmost, within } from "./names";

describe("a name of any bytes", () => {
  it("is shown so that it looks like no other", () => {
    expect(plain("a\u{10fe0a}b")).toBe("a\\nb");
    expect(plain("not \u{10feff} text")).toBe("not \\xff text");
    expect(plain("x\u202egnp.exe")).toBe("x\\u202egnp.exe");
    expect(plain("plain \u00e9\ud83d\ude00.csv")).toBe("plain \u00e9\ud83d\ude00.csv");
    expect(parts("a\u{10fe0a}b")).toEqual([
      { text: "a", escaped: false },
      { text: "\\n", escaped: true },
      { text: "b", escaped: false },
    ]);
    // Somebody who names a file with a backslash is not taken for a control character.
    expect(parts("a\\nb")).toEqual([{ text: "a\\nb", escaped: false }]);
  });

  it("may be given only if it misleads nobody", () => {
    for (const bad of ["", " ", ".", "..", "a/b", "\u202ex", "a\nb", "x".repeat(256), "\u00e9".repeat(128)]) expect(faultOf(bad)).not.toBe("");
    for (const good of ["a", "-rf", "a b.csv", "..x", "\u00e9".repeat(127)]) expect(faultOf(good)).toBe("");
  });
});

describe("paths", () => {
  it("have parents and names", () => {
    expect([join("", "a"), join("a", "b"), parentOf("a"), parentOf("a/b/c"), nameOf("a/b")]).toEqual(["a", "a/b", "", "a/b", "b"]);
    expect([within("a/b", "a"), within("ab", "a"), within("a", "a"), within("x", "")]).toEqual([true, false, true, true]);
  });

  it("of a selection leave out what is in a selected folder", () => {
    expect(topmost(["a/b", "a", "c", "ab"])).toEqual(["a", "ab", "c"]);
  });
});

describe("keeping both", () => {
  it("counts up and keeps the ending", () => {
    const taken = new Set(["data.csv", "data (2).csv", "README", ".env"]);
    const has = (name: string) => taken.has(name);
    expect(freeName("new", has)).toBe("new");
    expect(freeName("data.csv", has)).toBe("data (3).csv");
    expect(freeName("data (2).csv", has)).toBe("data (3).csv");
    expect(freeName("README", has)).toBe("README (2)");
    expect(freeName(".env", has)).toBe(".env (2)");
  });
});
