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
    made.move(["c0"], 1);
    made.move(["c2"], 1);
    expect(sources(made)).toEqual(["b", "a", "c"]);
    expect(made.undoable.value).toBe(1);
  });

  it("moves several cells at once, to any place", () => {
    const made = notebook("a", "b", "c", "d");
    made.move(["c1", "c2"], -1);
    expect(sources(made)).toEqual(["b", "c", "a", "d"]);
    made.move(["c1", "c2"], 1);
    expect(sources(made)).toEqual(["a", "b", "c", "d"]);
    made.moveTo(["c0", "c2"], 4);
    expect(sources(made)).toEqual(["b", "d", "a", "c"]);
    made.moveTo(["c2"], 0);
    made.undo();
    made.undo();
    expect(sources(made)).toEqual(["a", "b", "c", "d"]);
  });

  it("splits and merges back", () => {
    const made = notebook("one\ntwo");
    const rest = made.split(made.find("c0")!, [4]);
    expect(sources(made)).toEqual(["one", "two"]);
    expect(rest.source.value).toBe("two");
    made.merge(made.cells.value);
    expect(sources(made)).toEqual(["one\ntwo"]);
    made.undo();
    made.undo();
    expect(sources(made)).toEqual(["one\ntwo"]);
  });

  it("splits at several cursors, and keeps what is typed after an undo for doing it again", () => {
    const made = notebook("one\ntwo\nthree");
    made.split(made.find("c0")!, [4, 8, 8]);
    expect(sources(made)).toEqual(["one", "two", "three"]);
    made.setSource(made.cells.value[1]!, "2");
    made.undo();
    expect(sources(made)).toEqual(["one\ntwo\nthree"]);
    made.redo();
    expect(sources(made)).toEqual(["one", "2", "three"]);
  });

  it("makes an empty cell by a split at the end, and none by a split nowhere", () => {
    const made = notebook("one");
    made.split(made.find("c0")!, [3]);
    expect(sources(made)).toEqual(["one", ""]);
    expect(made.split(made.find("c0")!, [])).toBe(made.find("c0"));
  });

  it("keeps the pictures of a text that is split with all of its parts", () => {
    const made = notebook("one![](attachment:a.png)");
    made.changeType(made.cells.value, "markdown");
    made.cells.value[0]!.attachments = { "a.png": { "image/png": "x" } };
    made.split(made.find("c0")!, [3]);
    expect(made.cells.value.map((cell) => cell.attachments)).toEqual([{ "a.png": { "image/png": "x" } }, { "a.png": { "image/png": "x" } }]);
  });

  it("keeps paragraphs of merged Markdown apart, and its pictures", () => {
    const made = notebook("one", "two");
    made.changeType(made.cells.value, "markdown");
    made.cells.value[1]!.attachments = { "a.png": { "image/png": "x" } };
    made.merge(made.cells.value);
    expect(sources(made)).toEqual(["one\n\ntwo"]);
    expect(made.cells.value[0]!.attachments).toEqual({ "a.png": { "image/png": "x" } });
    made.undo();
    expect(made.cells.value[0]!.attachments).toBeUndefined();
  });

  it("brings back the same cell, so that its outputs find it", () => {
    const made = notebook("a", "b", "c");
    made.remove("c0", "c2");
    made.undo();
    expect(made.cells.value.map((cell) => cell.id)).toEqual(["c0", "c1", "c2"]);
  });

  it("hides parts as JupyterLab writes it, and shows them again without a trace", () => {
    const made = notebook("a");
    const cell = made.find("c0")!;
    made.hide([cell], "output", true);
    made.hide([cell], "input", true);
    expect(cell.metadata).toEqual({ collapsed: true, jupyter: { outputs_hidden: true, source_hidden: true } });
    expect([cell.inputHidden.value, cell.outputHidden.value]).toEqual([true, true]);
    made.undo();
    expect(cell.inputHidden.value).toBe(false);
    made.hide([cell], "output", false);
    expect(cell.metadata).toEqual({});
  });

  it("reads what is hidden from older notebooks, and takes nonsense in metadata as nothing", () => {
    expect(new Cell({ cell_type: "code", metadata: { collapsed: true } }).outputHidden.value).toBe(true);
    expect(new Cell({ cell_type: "code", metadata: { jupyter: "x" } }).inputHidden.value).toBe(false);
  });

  it("shows Markdown that comes back as it reads, not as it is written", () => {
    const made = notebook("# a");
    made.changeType(made.cells.value, "markdown");
    made.changeType(made.cells.value, "code");
    made.undo();
    expect([made.cells.value[0]!.type.value, made.cells.value[0]!.editing.value]).toEqual(["markdown", false]);
  });

  it("does not count what changes nothing as a step", () => {
    const made = notebook("a", "b");
    made.changeType(made.cells.value, "code");
    made.moveTo(["c0"], 1);
    made.hide(made.cells.value, "output", false);
    expect([made.undoable.value, made.edits.value]).toEqual([0, 0]);
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
