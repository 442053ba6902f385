import { describe, expect, it } from "vitest";
import { expressionOf, matchesIn, replaced, type Query } from "./matches";

const find = (text: string, query: Partial<Query>) => {
  const expression = expressionOf({ text: "", regex: false, matchCase: false, ...query });
  return typeof expression === "string" ? expression : matchesIn(text, expression);
};
const places = (text: string, query: Partial<Query>) => (find(text, query) as { from: number }[]).map((match) => match.from);

describe("find", () => {
  it("takes signs as they are, unless it is told otherwise", () => {
    expect(places("a.b a+b axb", { text: "a.b" })).toEqual([0]);
    expect(places("a.b a+b axb", { text: "a.b", regex: true })).toEqual([0, 4, 8]);
    expect(places("x[0]-1 (y)", { text: "[0]-1" })).toEqual([1]);
    expect(places("a/b\\c", { text: "/b\\" })).toEqual([1]);
  });

  it("minds capital letters only when asked to", () => {
    expect(places("Sum sum", { text: "SUM" })).toEqual([0, 4]);
    expect(places("Sum sum", { text: "sum", matchCase: true })).toEqual([4]);
  });

  it("finds nothing of no length, and says what is no expression", () => {
    expect(places("abc", { text: "x*", regex: true })).toEqual([]);
    expect(find("abc", { text: "(", regex: true })).toMatch(/^Not a regular expression/);
  });

  it("matches lines' ends in a text of several lines", () => {
    expect(places("a\nb\na", { text: "^a$", regex: true })).toEqual([0, 4]);
  });
});

describe("replace", () => {
  const replace = (text: string, query: Partial<Query>, by: string) => replaced(text, find(text, query) as never, by, query.regex ?? false);
  it("puts a text in each place", () => expect(replace("a b a", { text: "a" }, "$1")).toBe("$1 b $1"));
  it("uses groups of an expression", () => {
    expect(replace("f(x) f(y)", { text: "f\\((\\w)\\)", regex: true }, "g[$1] $& $$ $9")).toBe("g[x] f(x) $ $9 g[y] f(y) $ $9");
  });
});
