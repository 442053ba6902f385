import { describe, expect, it } from "vitest";
import { Cell } from "../notebook/document";
import { headingAt, headingsIn, headingsOf, sectionAround } from "./headings";

const texts = (source: string) => headingsIn(source).map(({ level, text }) => `${level} ${text}`);

describe("headings of a text", () => {
  it("are found in both forms", () => {
    expect(texts("# One #\n\ntext\n### Three\nTwo\n---\n\n---\nnot#this\n#nor this")).toEqual(["1 One", "3 Three", "2 Two"]);
  });
  it("are not in code", () => {
    expect(texts("```\n# no\n```\n# yes\n~~~~\n# no\n```\n~~~~\n    # no")).toEqual(["1 yes"]);
  });
  it("are read without signs", () => {
    expect(texts("# The **bold** `code` [link](http://x) _a_b")).toEqual(["1 The bold code link _a_b"]);
    expect(texts("#\n# <br>")).toEqual([]);
  });
});

describe("sections", () => {
  const cells = [["code", "0"], ["markdown", "# A"], ["code", "1"], ["markdown", "## B"], ["code", "2"], ["markdown", "# C"], ["code", "3"]].map(
    ([type, source]) => new Cell({ cell_type: type as "code", source: source! }),
  );
  it("reach to the next heading of the same rank", () => {
    expect([0, 2, 4, 6].map((index) => sectionAround(cells, index))).toEqual([[0, 1], [1, 5], [3, 5], [5, 7]]);
  });
  it("know the heading that a cell stands under", () => {
    const headings = headingsOf(cells);
    expect([0, 1, 4].map((index) => headingAt(headings, index)?.text)).toEqual([undefined, "A", "B"]);
  });
  it("are the whole notebook where there is no heading", () => {
    expect(sectionAround(cells.slice(4, 5), 0)).toEqual([0, 1]);
  });
});
