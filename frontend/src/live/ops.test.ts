import { describe, expect, it } from "vitest";
import { Cell, Notebook, type NotebookDocument } from "../notebook/document";
import { apply, difference, imageOf, patch, replace, sumOf } from "./ops";

const document = (...sources: string[]): NotebookDocument => ({
  nbformat: 4, nbformat_minor: 5, metadata: {},
  cells: sources.map((source, index) => ({ id: `c${index}`, cell_type: "code", source, metadata: {} })),
});
const two = (...sources: string[]) => [new Notebook(document(...sources)), new Notebook(document(...sources))] as const;
const saved = (notebook: Notebook) => JSON.parse(JSON.stringify(notebook)) as NotebookDocument;
const IMAGE = { "a.png": { "image/png": "x" } };
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
          () => one.insert(below(cells.length + 1), new Cell({ cell_type: below(2) ? "raw" : "markdown", source: "new", attachments: IMAGE })),
          () => one.remove(cell.id),
          () => one.move([cell.id], below(2) ? 1 : -1),
          () => one.changeType([cell], below(2) ? "markdown" : "raw"),
          () => void one.undo(),
          () => ((cell.metadata = { tag: below(9) }), one.edited()),
          () => void one.split(cell, [1]),
          () => one.merge([cell, ...one.cells.value.slice(one.indexOf(cell.id) + 1, one.indexOf(cell.id) + 2)]),
        ][below(10)]!();
        if (below(3)) continue; // some are gathered
        const after = imageOf(one);
        const ops = difference(before, after);
        if (ops) expect(apply(other, ops)).toBe(true);
        else replace(other, saved(one));
        before = after;
        expect(imageOf(other)).toEqual(after);
        expect(saved(other)).toEqual(saved(one));
        expect(sumOf(other)).toBe(sumOf(one));
      }
    }
  });

  it("is no edit of the page that follows, and nothing to undo there", () => {
    const [one, other] = two("a");
    const before = imageOf(one);
    one.setSource(one.cells.value[0]!, "ab");
    one.insert(1);
    apply(other, difference(before, imageOf(one))!);
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
    expect(sumOf(one)).toBe(sumOf(other));
    other.move(["c0"], 1);
    expect(sumOf(one)).not.toBe(sumOf(other));
  });

  it("tells the notebook's own metadata apart, in whatever order the server gives it, and reads it", () => {
    const [one, other] = two("a");
    one.set("stop_on_error", false);
    expect(sumOf(one)).not.toBe(sumOf(other));
    replace(other, saved(one));
    expect([other.metadata, other.edits.value]).toEqual([{ thermae: { stop_on_error: false } }, 0]);
    replace(one, { ...saved(one), metadata: { a: 1, b: { c: 1, d: 2 } } });
    replace(other, { ...saved(one), metadata: { b: { d: 2, c: 1 }, a: 1 } });
    expect(sumOf(one)).toBe(sumOf(other));
  });

  it("does not pass on a cell without what is attached to it", () => {
    const [one, other] = two("a", "b");
    const cell = one.cells.value[0]!;
    one.changeType([cell], "markdown");
    const without = imageOf(one);
    cell.attachments = IMAGE;
    const withIt = imageOf(one);
    expect([difference(without, withIt), difference(withIt, without)]).toEqual([null, null]);
    expect(sumOf(one)).not.toBe(sumOf(other));
    replace(other, saved(one));
    expect([other.find("c0")!.attachments, sumOf(other)]).toEqual([IMAGE, sumOf(one)]);
    one.remove("c0");
    const removed = imageOf(one);
    expect(apply(other, difference(withIt, removed)!)).toBe(true);
    one.undo();
    expect(difference(removed, imageOf(one)), "deleted, and brought back").toBe(null);
    cell.attachments = { "b.png": { "image/png": "y" } };
    expect(difference(withIt, imageOf(one)), "another image").toBe(null);
  });

  it("leaves what is attached to a cell where it is when the cell changes otherwise", () => {
    const [one, other] = two("a");
    one.changeType(one.cells.value, "markdown");
    one.cells.value[0]!.attachments = IMAGE;
    replace(other, saved(one));
    const before = imageOf(one);
    one.changeType(one.cells.value, "raw");
    one.hide(one.cells.value, "input", true);
    expect(apply(other, difference(before, imageOf(one))!)).toBe(true);
    expect(saved(other)).toEqual(saved(one));
  });
});
