import { describe, expect, it } from "vitest";
import { toResult } from "./completion";
import { toCodePoints, toUnits } from "./positions";

describe("completion", () => {
  it("counts positions in code points, as kernels do", () => {
    expect(toCodePoints("😀ab", 3)).toBe(2);
    expect(toUnits("😀ab", 2)).toBe(3);
    const result = toResult("😀 = 1; impo", 11, { matches: ["import"], cursor_start: 7, cursor_end: 11 });
    expect(result.from).toBe(8);
  });
  it("does not repeat what stands before the last dot", () => {
    const result = toResult("df.he", 5, { matches: ["df.head", "df.hex"], cursor_start: 0 });
    expect(result.from).toBe(3);
    expect(result.options.map((option) => option.label)).toEqual(["head", "hex"]);
  });
  it("takes the kinds that ipykernel sends", () => {
    const metadata = { _jupyter_types_experimental: [{ text: "print", type: "function" }, { text: "x", type: "<unknown>" }] };
    const result = toResult("p", 1, { matches: ["print", "x"], cursor_start: 0, metadata });
    expect(result.options.map((option) => option.type)).toEqual(["function", undefined]);
  });
});
