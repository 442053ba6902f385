import { describe, expect, it } from "vitest";
import { Cell, Notebook, type CellType } from "./document";

function notebook(...sources: string[]): Notebook {
  const cells = sources.map((source, index) => ({ id: `c${index}`, cell_type: "code" as CellType, source, metadata: {} }));
  return new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
}
const sources = (made: Notebook) => made.cells.value.map((cell) => cell.source.value);

describe("a notebook", () => {
  it("undoes a deletion, with the text as it was", () => {
    const made = notebook("a", "b", "c");
    made.remove("c1");
    expect(sources(made)).toEqual(["a", "c"]);
    expect(made.undo()).toBe(true);
    expect(sources(made)).toEqual(["a", "b", "c"]);
  });

  it("keeps what was typed elsewhere when a deletion is undone", () => {
    const made = notebook("a", "b");
    made.remove("c1");
    made.setSource(made.find("c0")!, "a2");
    made.undo();
    expect(sources(made)).toEqual(["a2", "b"]);
  });

  it("does again what was undone", () => {
    const made = notebook("a", "b");
    made.remove("c0");
    made.undo();
    made.redo();
    expect(sources(made)).toEqual(["b"]);
    made.undo();
    expect(sources(made)).toEqual(["a", "b"]);
  });

  it("is never without a cell", () => {
    const made = notebook("a");
    made.remove("c0");
    expect(sources(made)).toEqual([""]);
  });

  it("moves a cell no further than the ends", () => {
    const made = notebook("a", "b", "c");
    made.move("c0", 1);
    made.move("c2", 5);
    expect(sources(made)).toEqual(["b", "a", "c"]);
  });

  it("splits and merges back", () => {
    const made = notebook("one\ntwo");
    const rest = made.split(made.find("c0")!, 4);
    expect(sources(made)).toEqual(["one", "two"]);
    expect(rest.source.value).toBe("two");
    made.mergeBelow(made.find("c0")!);
    expect(sources(made)).toEqual(["one\ntwo"]);
    made.undo();
    made.undo();
    expect(sources(made)).toEqual(["one\ntwo"]);
  });

  it("writes nbformat without outputs, and unknown metadata as it came", () => {
    const made = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: { x: 1 }, cells: [{ id: "c", cell_type: "code", source: ["a\n", "b"], metadata: { tags: ["t"] }, outputs: [{ a: 1 }], execution_count: 3 }] });
    expect(JSON.parse(JSON.stringify(made))).toEqual({
      nbformat: 4, nbformat_minor: 5, metadata: { x: 1 },
      cells: [{ id: "c", cell_type: "code", source: "a\nb", metadata: { tags: ["t"] }, outputs: [], execution_count: null }],
    });
  });

  it("copies a cell under a new id", () => {
    const cell = new Cell({ cell_type: "markdown", source: "x", metadata: { thermae: { cleared: "e" }, tags: [1] } });
    expect(cell.copy()).toMatchObject({ metadata: { tags: [1] } });
    expect(cell.copy().id).not.toBe(cell.id);
  });

  it("becomes another document, keeping the cells that stay, and back", () => {
    const made = notebook("a", "b");
    const kept = made.find("c1")!;
    made.adopt({ nbformat: 4, nbformat_minor: 5, metadata: { x: 1 }, cells: [{ ...kept.toJSON(), source: "B", metadata: { tags: ["t"] } }, { id: "new", cell_type: "markdown", source: "n", metadata: {} }] });
    expect(sources(made)).toEqual(["B", "n"]);
    expect([made.cells.value[0], made.toJSON().metadata, kept.metadata]).toEqual([kept, { x: 1 }, { tags: ["t"] }]);
    made.undo();
    expect([sources(made), made.toJSON().metadata, kept.metadata]).toEqual([["a", "b"], {}, {}]);
  });

  it("has nothing to undo of what others did", () => {
    const made = notebook("a");
    made.remove("c0");
    made.adopt({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] }, false);
    expect([sources(made), made.undo()]).toEqual([[""], false]);
  });

  it("counts an edit once per change", () => {
    const made = notebook("a");
    made.setSource(made.find("c0")!, "b");
    made.setSource(made.find("c0")!, "b");
    expect(made.edits.value).toBe(1);
  });
});
