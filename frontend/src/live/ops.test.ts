import { describe, expect, it } from "vitest";
import { Cell, Notebook, type NotebookDocument } from "../notebook/document";
import { apply, difference, imageOf, patch, replace, sumOf } from "./ops";

const document = (...sources: string[]): NotebookDocument => ({
  nbformat: 4, nbformat_minor: 5, metadata: {},
  cells: sources.map((source, index) => ({ id: `c${index}`, cell_type: "code", source, metadata: {} })),
});
const two = (...sources: string[]) => [new Notebook(document(...sources)), new Notebook(document(...sources))] as const;
const texts = (notebook: Notebook) => notebook.cells.value.map((cell) => cell.source.value);

/** Small and repeatable. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed % below;
  };
}

describe("what is typed, as operations", () => {
  it("is one place of a text", () => {
    expect(patch("a", "print(1)", "print(12)")).toEqual({ op: "patch", id: "a", length: 8, at: 7, delete: 0, insert: "2" });
    expect(patch("a", "aaa", "aa")).toMatchObject({ delete: 1, insert: "" });
    expect(patch("a", "", "x")).toMatchObject({ at: 0, insert: "x" });
  });

  it("brings another page to the same cells, whatever was done", () => {
    for (let seed = 1; seed < 60; seed++) {
      const below = random(seed);
      const [one, other] = two("a", "bb", "ccc");
      let before = imageOf(one);
      for (let step = 0; step < 12; step++) {
        const cells = one.cells.value;
        const cell = cells[below(cells.length)]!;
        [
          () => one.setSource(cell, cell.source.value.slice(0, below(cell.source.value.length + 1)) + "x\n🙂".slice(0, below(5)) + cell.source.value.slice(below(cell.source.value.length + 1))),
          () => one.insert(below(cells.length + 1), new Cell({ cell_type: below(2) ? "code" : "markdown", source: "new" })),
          () => one.remove(cell.id),
          () => one.move([cell.id], below(2) ? 1 : -1),
          () => one.changeType([cell], below(2) ? "markdown" : "raw"),
          () => void one.undo(),
          () => ((cell.metadata = { tag: below(9) }), one.edited()),
          () => void one.split(cell, [1]),
          () => one.merge([cell, ...one.cells.value.slice(one.indexOf(cell.id) + 1, one.indexOf(cell.id) + 2)]),
        ][below(9)]!();
        if (below(3)) continue; // some are gathered
        const after = imageOf(one);
        expect(apply(other, difference(before, after))).toBe(true);
        before = after;
        expect(imageOf(other)).toEqual(after);
        expect(sumOf(imageOf(other))).toBe(sumOf(after));
      }
    }
  });

  it("is no edit of the page that follows, and nothing to undo there", () => {
    const [one, other] = two("a");
    const before = imageOf(one);
    one.setSource(one.cells.value[0]!, "ab");
    one.insert(1);
    apply(other, difference(before, imageOf(one)));
    expect(texts(other)).toEqual(["ab", ""]);
    expect(other.edits.value).toBe(0);
    expect(other.undo()).toBe(false);
  });

  it("is refused where it does not fit", () => {
    const [, other] = two("abc");
    const op = { op: "patch", id: "c0", length: 3, at: 1, delete: 1, insert: "" } as const;
    expect(apply(other, [{ ...op, length: 4 }])).toBe(false);
    expect(apply(other, [{ ...op, id: "none" }])).toBe(false);
    expect(apply(other, [{ ...op, delete: 9 }])).toBe(false);
    expect(apply(other, [{ op: "order", ids: ["c0", "none"] }])).toBe(false);
    expect(apply(other, [{ op: "order", ids: [] }])).toBe(false);
    expect(texts(other)).toEqual(["abc"]);
  });

  it("keeps the cells that are there when the document is read anew", () => {
    const [one] = two("a", "b");
    const first = one.cells.value[0]!;
    replace(one, document("a2"));
    expect(texts(one)).toEqual(["a2"]);
    expect(one.cells.value[0]).toBe(first);
    expect(one.edits.value).toBe(0);
  });

  it("tells documents apart", () => {
    const [one, other] = two("a", "b");
    expect(sumOf(imageOf(one))).toBe(sumOf(imageOf(other)));
    other.move(["c0"], 1);
    expect(sumOf(imageOf(one))).not.toBe(sumOf(imageOf(other)));
  });
});
