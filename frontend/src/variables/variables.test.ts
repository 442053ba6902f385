import { describe, expect, it } from "vitest";
import { arrange, heaviest, measure, treeOf, variablesOf } from "./variables";

const row = (name: string, more: object = {}) => ({ name, type: "int", kind: "data", value: "1", bytes: 28, ...more });

describe("variables", () => {
  it("takes no answer for what it is not", () => {
    expect(variablesOf({ variables: "x" })).toEqual([]);
    const [odd] = variablesOf({ variables: [{ name: 7, type: null, kind: "<b>", shape: ["x"], bytes: -1, length: NaN }, null] });
    expect(odd).toEqual({ name: "", type: "", kind: "data", value: "", shape: null, length: null, bytes: null, estimated: false });
    expect(treeOf([{ label: "a", children: [{ label: "b", children: 7 }] }, 3])[0]!.children[0]!.children).toEqual([]);
  });
  it("filters by name and type, and leaves out code unless it is wanted", () => {
    const all = variablesOf({ variables: [row("b10"), row("b9"), row("f", { kind: "function", type: "function" }), row("t", { type: "DataFrame" })] });
    const names = (filter: string, code = false) => arrange(all, filter, code, { by: "name", descending: false }).map((one) => one.name);
    expect(names("")).toEqual(["b9", "b10", "t"]);
    expect(names("data")).toEqual(["t"]);
    expect(names("", true)).toEqual(["b9", "b10", "f", "t"]);
  });
  it("sorts by size and marks what is heavy", () => {
    const all = variablesOf({ variables: [row("small"), row("big", { bytes: 50e6, shape: [3, 4] }), row("unknown", { bytes: null })] });
    expect(arrange(all, "", false, { by: "size", descending: true }).map((one) => one.name)).toEqual(["big", "small", "unknown"]);
    expect([...heaviest(all)]).toEqual(["big"]);
    expect(measure(all[1]!)).toBe("3 × 4");
  });
});
