import { describe, expect, it } from "vitest";
import { blankAbove, placeIn } from "./traceback";

describe("a line of a traceback", () => {
  it("names a cell by its count, or the cell that printed it", () => {
    expect(placeIn("Cell In[3], line 2, in f(x)")).toEqual({ count: 3, line: 2 });
    expect(placeIn("  Cell In[12], line 40")).toEqual({ count: 12, line: 40 });
    expect(placeIn("Input In [3], in <cell line: 7>()")).toEqual({ count: 3, line: 7 });
    expect(placeIn("    at <anonymous>:3:7")).toEqual({ count: null, line: 3 });
    expect(placeIn("    at f (<anonymous>:4:9)")).toEqual({ count: null, line: 4 });
    expect(placeIn("bash: line 2: nosuch: command not found")).toEqual({ count: null, line: 2 });
  });

  it("is counted from the first that is not blank", () => {
    expect([blankAbove("a\nb"), blankAbove("\n  \n\ta\n\nb"), blankAbove("")]).toEqual([0, 2, 0]);
  });

  it("may name none", () => {
    for (const line of ["ValueError: no", "File /opt/python/lib/x.py:3, in f", "----> 2 f(1)", "at https://deno.land/x.ts:3:4"]) expect(placeIn(line)).toBeNull();
  });
});
