import { describe, expect, it } from "vitest";
import { parse } from "./TableFile";

describe("a table", () => {
  it("is read with quotes, and filled where a row is short", async () => {
    const parsed = await parse('a,b\n"x, ""y""",2\n3\n', false, false);
    expect(parsed).toMatchObject({ header: ["a", "b"], rows: [['x, "y"', "2"], ["3", ""]], total: 2, columns: 2 });
  });

  it("leaves out a last line that may be half", async () => {
    expect((await parse("a,b\n1,2\n3,", false, true)).rows).toEqual([["1", "2"]]);
  });

  it("shows the first rows only", async () => {
    const parsed = await parse(`a\n${"1\n".repeat(700)}`, false, false);
    expect([parsed.rows.length, parsed.total]).toEqual([500, 700]);
  });

  it("finds the separator, and takes tabs as they are", async () => {
    expect((await parse("a;b\n1;2\n", false, false)).columns).toBe(2);
    expect((await parse("a,x\tb\n1\t2\n", true, false)).header).toEqual(["a,x", "b"]);
    expect((await parse("", false, false)).header).toEqual([]);
  });
});
