import { describe, expect, it } from "vitest";
import { commaSeparated, tabSeparated } from "./saving";
import { pageOf, readFilter, readPage, readTable, shown, type Question } from "./table";

const payload = {
  version: 1, id: "t1", total: 4, truncated: false,
  columns: [{ name: "", type: "integer", index: true }, { name: "n", type: "number", index: false }, { name: "s", type: "string", index: false }],
  rows: [[0, 2.5, "b"], [1, null, "a"], [2, "inf", null], [3, -1, "B c"]],
};
const table = readTable(payload)!;
const all: Question = { offset: 0, limit: 100, sort: [], filters: [], search: "" };
const first = (question: Partial<Question>) => pageOf(table, { ...all, ...question }).rows.map((row) => row[0]);

describe("a table", () => {
  it("is read only if it is one", () => {
    expect(table.whole).toBe(true);
    expect(readTable({ ...payload, total: 1000 })?.whole).toBe(false);
    expect(readTable({ ...payload, version: 2 })).toBeNull();
    expect(readTable({ version: 1, columns: {}, rows: [] })).toBeNull();
    expect(readTable("<table>")).toBeNull();
    expect(readTable({ version: 1, columns: [{ name: {}, type: "evil" }, null], rows: [[1], "x"], total: -5 })).toMatchObject({ rows: [[1, null]], total: 1, columns: [{ type: "object" }, { name: "" }] });
    expect(readPage({ rows: [[1, 2, 3, 4]], total: 9, filtered: 5 }, table)).toEqual({ rows: [[1, 2, 3]], total: 9, filtered: 5 });
    expect(readPage({ error: "gone" }, table)).toBeNull();
  });

  it("is sorted with what is missing last, either way", () => {
    expect(first({ sort: [{ column: 1, descending: false }] })).toEqual([3, 0, 2, 1]);
    expect(first({ sort: [{ column: 1, descending: true }] })).toEqual([2, 0, 3, 1]);
    expect(first({ sort: [{ column: 2, descending: true }] })).toEqual([0, 1, 3, 2]);
  });

  it("is filtered and searched", () => {
    expect(first({ filters: [{ column: 1, op: "gt", value: "0" }] })).toEqual([0, 2]);
    expect(first({ filters: [{ column: 1, op: "empty", value: "" }] })).toEqual([1]);
    expect(first({ filters: [{ column: 2, op: "contains", value: "b" }] })).toEqual([0, 3]);
    expect(first({ filters: [{ column: 2, op: "eq", value: "b" }] })).toEqual([0]);
    expect(first({ search: "B" })).toEqual([0, 3]);
    expect(pageOf(table, { ...all, offset: 1, limit: 2 })).toMatchObject({ rows: [[1, null, "a"], [2, "inf", null]], filtered: 4 });
  });
});

describe("filters", () => {
  it("are read from what is typed", () => {
    expect(readFilter(2, " abc ")).toEqual({ column: 2, op: "contains", value: "abc" });
    expect(readFilter(2, "> 5")).toEqual({ column: 2, op: "gt", value: "5" });
    expect(readFilter(2, "=")).toEqual({ column: 2, op: "empty", value: "" });
    expect(readFilter(2, "<")).toBeNull();
    expect(readFilter(2, "  ")).toBeNull();
  });
});

describe("values", () => {
  it("are shown short, and missing ones by their name", () => {
    expect([shown(1 / 3, "number"), shown(1234.56789, "number"), shown(5, "number"), shown(1e-9, "number"), shown(null, "number"), shown(null, "string"), shown(null, "datetime"), shown(true, "boolean")]).toEqual([
      "0.333333", "1234.568", "5", "1.0000e-9", "NaN", "None", "NaT", "True",
    ]);
  });

  it("go into files and onto the clipboard whole, and never as a formula", () => {
    expect(commaSeparated([["a,b", 'q"'], [-1, "=1+1"], [null, "-5"]])).toBe('"a,b","q"""\r\n-1,\'=1+1\r\n,-5\r\n');
    expect(tabSeparated([["a\tb", "c\nd"], [1, null]])).toBe("a b\tc d\n1\t");
  });
});
