import { describe, expect, it } from "vitest";
import { fuzzyMatch, search } from "./fuzzy";

const TITLES = ["Run all cells", "Run all cells above", "Restart the kernel…", "Make it Markdown", "Move cells up", "Split the cell at the cursors", "Clear all outputs"];
const best = (wanted: string) => search(wanted, TITLES, (title) => title)[0]?.item;

describe("finding a command", () => {
  it("takes beginnings of words, and pieces", () => {
    expect(best("rac")).toBe("Run all cells");
    expect(best("raca")).toBe("Run all cells above");
    expect(best("markd")).toBe("Make it Markdown");
    expect(best("mcu")).toBe("Move cells up");
    expect(best("split")).toBe("Split the cell at the cursors");
  });
  it("lists all for nothing, in their order, and nothing for nonsense", () => {
    expect(search("", TITLES, (title) => title).map((each) => each.item)).toEqual(TITLES);
    expect(best("qqq")).toBeUndefined();
    expect(best("(")).toBeUndefined();
  });
  it("says where it matched", () => expect(fuzzyMatch("rc", "Run cells")?.places).toEqual([0, 4]));
});
