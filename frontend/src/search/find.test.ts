import { signal } from "@preact/signals";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Notebook, type CellType } from "../notebook/document";
import type { Page } from "../notebook/page";
import { Selection } from "../notebook/selection";
import { Find } from "./find";

beforeEach(() => {
  vi.stubGlobal("document", { querySelector: () => null });
  vi.stubGlobal("CSS", { escape: (text: string) => text });
});

function finding(...cells: [CellType, string][]) {
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: cells.map(([cell_type, source], index) => ({ id: `c${index}`, cell_type, source, metadata: {} })) });
  const selection = new Selection(notebook);
  const page = { notebook, selection, editors: new Map(), readOnly: signal(false), current: notebook.cells.value[0], go: selection.go.bind(selection), edit: () => undefined, say: () => undefined };
  const find = new Find(page as unknown as Page);
  return { find, notebook, selection, page, texts: () => notebook.cells.value.map((cell) => cell.source.value) };
}

describe("find in all cells", () => {
  it("begins at the active cell and goes round", () => {
    const { find, selection } = finding(["code", "x y x"], ["code", "y"], ["raw", "x"]);
    selection.go(1);
    find.open();
    find.change({ text: "x" });
    expect([find.words, find.current.value?.cell.id]).toEqual(["3 of 3", "c2"]);
    find.step(1);
    expect([find.words, find.current.value?.from]).toEqual(["1 of 3", 0]);
    find.step(-1);
    expect(find.words).toBe("3 of 3");
    find.change({ text: "nowhere" });
    expect(find.words).toBe("Not found");
    find.change({ text: "(", regex: true });
    expect(find.words).toContain("Not a regular expression");
  });

  it("replaces one, then all, each as one step", () => {
    const { find, notebook, texts } = finding(["code", "x x"], ["code", "x"]);
    find.open();
    find.change({ text: "x" });
    find.replacement.value = "xx";
    find.replaceCurrent();
    expect(texts()).toEqual(["xx x", "x"]);
    find.replaceAll();
    expect(texts()).toEqual(["xxxx xx", "xx"]);
    notebook.undo();
    expect(texts()).toEqual(["xx x", "x"]);
    notebook.undo();
    expect(texts()).toEqual(["x x", "x"]);
  });

  it("opens a Markdown cell to show a match, and leaves nothing open", () => {
    const { find, notebook } = finding(["code", "a"], ["markdown", "a"], ["code", "a"]);
    const text = notebook.cells.value[1]!;
    text.editing.value = false;
    find.open();
    find.change({ text: "a" });
    find.step(1);
    expect(text.editing.value).toBe(true);
    find.step(1);
    find.close();
    expect(text.editing.value).toBe(false);
  });

  it("marks what each editor holds, and nothing once it is closed", () => {
    const { find, notebook } = finding(["code", "a a"], ["code", "b"]);
    find.open();
    find.change({ text: "a" });
    find.step(1);
    expect(find.marksOf(notebook.cells.value[0]!)).toMatchObject({ matches: [{ from: 0 }, { from: 2 }], current: 1 });
    expect(find.marksOf(notebook.cells.value[1]!).matches).toEqual([]);
    find.close();
    expect(find.marksOf(notebook.cells.value[0]!).matches).toEqual([]);
  });

  it("changes nothing for who only looks", () => {
    const { find, page, texts } = finding(["code", "a"]);
    page.readOnly.value = true;
    find.open();
    find.change({ text: "a" });
    find.replacement.value = "b";
    find.replaceAll();
    expect(texts()).toEqual(["a"]);
  });
});
