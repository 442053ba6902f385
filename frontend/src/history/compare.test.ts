import { describe, expect, it } from "vitest";
import type { NotebookCell, NotebookDocument } from "../notebook/document";
import { compare, inWords } from "./compare";
import { compareLines } from "./lines";
import { merge } from "./merge";

function cell(id: string, source = id, more: Partial<NotebookCell> = {}): NotebookCell {
  return { id, cell_type: "code", source, metadata: {}, ...more };
}

function notebook(...cells: NotebookCell[]): NotebookDocument {
  return { nbformat: 4, nbformat_minor: 5, metadata: {}, cells };
}

const ids = (text: string) => notebook(...text.split("").map((id) => cell(id)));
const told = (before: NotebookDocument, after: NotebookDocument) =>
  compare(before, after)
    .filter((change) => change.kind !== "same" || change.moved)
    .map((change) => `${(change.after ?? change.before)!.cell.id} ${change.moved ? "moved " : ""}${change.kind}`);

describe("two notebooks", () => {
  it("that say the same have no change, whatever was printed and however text is written", () => {
    const one = notebook(cell("a", "x\ny", { outputs: [{}], execution_count: 3, metadata: { a: 1, b: 2 } }));
    const other = notebook({ ...cell("a"), source: ["x\n", "y"], metadata: { b: 2, a: 1 } });
    expect(told(one, other)).toEqual([]);
    expect(inWords(compare(one, other))).toBe("");
  });

  it("show what is new where it is, and what is gone where it was", () => {
    expect(told(ids("abc"), ids("axc"))).toEqual(["b removed", "x added"]);
    expect(compare(ids("abc"), ids("bc")).map((change) => change.kind)).toEqual(["removed", "same", "same"]);
    expect(compare(ids("abc"), ids("ab")).map((change) => change.kind)).toEqual(["same", "same", "removed"]);
  });

  it("name one cell as moved, not all that it passed", () => {
    expect(told(ids("abcde"), ids("bcdea"))).toEqual(["a moved same"]);
    expect(told(ids("abcde"), ids("eabcd"))).toEqual(["e moved same"]);
  });

  it("tell a change of text, of type and of settings", () => {
    const changes = compare(notebook(cell("a"), cell("b")), notebook(cell("a", "A"), cell("b", "b", { cell_type: "markdown", metadata: { tags: ["x"] } })));
    expect(changes.map((change) => change.besides)).toEqual([[], ["type: code → markdown", "settings of the cell"]]);
    expect(inWords(changes)).toBe("2 cells changed");
  });

  it("are matched by their text where ids were made anew", () => {
    expect(told(notebook(cell("a", "x"), cell("b", "y")), notebook(cell("c", "x"), cell("d", "z")))).toEqual(["b removed", "d added"]);
  });

  it("are told in a few words", () => {
    expect(inWords(compare(ids("abcd"), notebook(cell("b"), cell("a"), cell("c", "!"), cell("x"))))).toBe("1 cell changed, 1 added, 1 removed, 1 moved");
  });
});

describe("lines", () => {
  const drawn = (before: string, after: string) => compareLines(before, after).map((line) => line.sign + line.pieces.map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join(""));

  it("are kept, added and removed", () => {
    expect(drawn("a\nb\nc", "a\nc\nd")).toEqual([" a", "-b", " c", "+d"]);
    expect(drawn("same", "same")).toEqual([" same"]);
    expect(drawn("", "x\ny")).toEqual(["-", "+x", "+y"]);
  });

  it("show what differs within", () => {
    expect(drawn("total = price * 2", "total = price * 3")).toEqual(["-total = price * [2]", "+total = price * [3]"]);
  });

  it("may be very many", () => {
    const many = Array.from({ length: 20_000 }, (_, number) => `line ${number}`);
    const changed = many.with(12_000, "other");
    const found = compareLines(many.join("\n"), changed.join("\n"));
    expect(found.filter((line) => line.sign !== " ").length).toBe(2);
  });
});

describe("a merge", () => {
  const base = notebook(cell("a"), cell("b"), cell("c"));
  const order = (document: NotebookDocument) => document.cells.map((each) => `${each.id}:${String(each.source)}`).join(" ");

  it("takes both sides' edits of different cells", () => {
    const merged = merge(base, notebook(cell("a", "A"), cell("b"), cell("c")), notebook(cell("a"), cell("b"), cell("c", "C")));
    expect([order(merged.document), merged.conflicts, merged.taken]).toEqual(["a:A b:b c:C", [], 1]);
  });

  it("takes what both added, and what one removed", () => {
    const mine = notebook(cell("a"), cell("x"), cell("b"), cell("c"));
    const theirs = notebook(cell("a"), cell("y"), cell("c"), cell("z"));
    const merged = merge(base, mine, theirs);
    expect(merged.conflicts).toEqual([]);
    expect(merged.document.cells.map((each) => each.id).join("")).toBe("ayxcz");
  });

  it("follows who moved", () => {
    const moved = notebook(cell("c"), cell("a"), cell("b"));
    const edited = notebook(cell("a"), cell("b", "B"), cell("n"), cell("c"));
    for (const [mine, theirs] of [[moved, edited], [edited, moved]] as const) {
      const merged = merge(base, mine, theirs);
      expect([order(merged.document), merged.conflicts]).toEqual(["c:c a:a b:B n:n", []]);
    }
  });

  it("is no merge where both changed the same cell, or one changed what the other removed", () => {
    expect(merge(base, notebook(cell("a", "1"), cell("b"), cell("c")), notebook(cell("a", "2"), cell("b"), cell("c"))).conflicts).toEqual(["a"]);
    expect(merge(base, notebook(cell("b"), cell("c")), notebook(cell("a", "2"), cell("b"), cell("c"))).conflicts).toEqual(["a"]);
    expect(merge(base, notebook(cell("a", "2"), cell("b"), cell("c")), notebook(cell("b"), cell("c"))).conflicts).toEqual(["a"]);
    expect(merge(base, notebook(cell("b"), cell("a"), cell("c")), notebook(cell("a"), cell("c"), cell("b"))).conflicts).toEqual(["order"]);
  });

  it("of the same edit on both sides is that edit", () => {
    const both = notebook(cell("a", "A"), cell("c"));
    expect(merge(base, both, both)).toEqual({ document: both, conflicts: [], taken: 0 });
  });

  it("merges what the notebook says of itself, key by key", () => {
    const [mine, theirs] = [{ ...base, metadata: { title: "mine" } }, { ...base, metadata: { language: "R" } }];
    expect(merge(base, mine, theirs).document.metadata).toEqual({ title: "mine", language: "R" });
    expect(merge(base, mine, { ...base, metadata: { title: "theirs" } }).conflicts).toEqual(["metadata"]);
  });

  it("never loses a line: what either side has and base has not is in it, or is named as a conflict", () => {
    const random = (seed: number) => () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff), seed / 0x7fffffff);
    for (let round = 0; round < 300; round++) {
      const next = random(round + 1);
      const side = (name: string) => {
        const cells = base.cells.filter(() => next() > 0.2).map((each) => (next() > 0.6 ? cell(each.id, `${each.id}${name}`) : each));
        if (next() > 0.5) cells.splice(Math.floor(next() * cells.length), 0, cell(`${name}${round}`));
        return notebook(...cells);
      };
      const [mine, theirs] = [side("m"), side("t")];
      const merged = merge(base, mine, theirs);
      const result = new Map(merged.document.cells.map((each) => [each.id, each.source]));
      expect(result.size).toBe(merged.document.cells.length);
      for (const each of [...mine.cells, ...theirs.cells]) {
        const was = base.cells.find((one) => one.id === each.id);
        if (was?.source === each.source || merged.conflicts.includes(each.id)) continue;
        expect(result.get(each.id)).toBe(each.source);
      }
    }
  });
});
