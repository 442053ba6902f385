import { signal } from "@preact/signals";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { dropIndex } from "./drag";
import { Notebook, type CellType } from "./document";
import { Selection } from "./selection";
import { Structure } from "./structure";

const kept = new Map<string, string>();
beforeEach(() => {
  kept.clear();
  vi.stubGlobal("localStorage", { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) });
  vi.stubGlobal("document", { addEventListener: () => undefined, removeEventListener: () => undefined, execCommand: () => false });
});

function made(...sources: string[]) {
  const cells = sources.map((source, index) => ({ id: `c${index}`, cell_type: "code" as CellType, source, metadata: {} }));
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
  const selection = new Selection(notebook);
  const said: string[] = [];
  let offer: (() => void) | undefined;
  const page = {
    notebook, selection, readOnly: signal(false), tell: () => undefined, withdrawOffers: () => undefined, cursors: () => [1],
    refuseEdit: () => void said.push("looking only"),
    say: (text: string, action?: { run(): void }) => (said.push(text), void (offer = action?.run)),
  };
  return { notebook, selection, said, page, structure: new Structure(page), texts: () => notebook.cells.value.map((cell) => cell.source.value), chosen: () => selection.cells.value.map((cell) => cell.source.value), takeOffer: () => offer?.() };
}

describe("changes of the selected cells", () => {
  it("delete them all, and the offer to undo brings them back and selects the first", () => {
    const { selection, structure, texts, said, takeOffer, chosen } = made("a", "b", "c", "d");
    selection.go(1);
    selection.extendTo(2);
    structure.remove();
    expect([texts(), chosen(), said]).toEqual([["a", "d"], ["d"], ["2 cells deleted."]]);
    takeOffer();
    expect([texts(), chosen()]).toEqual([["a", "b", "c", "d"], ["b"]]);
  });

  it("cut and paste them as themselves, copy and paste them as others", () => {
    const { notebook, selection, structure, texts, chosen } = made("a", "b", "c");
    selection.extendTo(1);
    structure.cut();
    structure.paste("below");
    expect([texts(), chosen()]).toEqual([["c", "a", "b"], ["a", "b"]]);
    expect(notebook.cells.value.map((cell) => cell.id)).toEqual(["c2", "c0", "c1"]);
    structure.copy();
    structure.paste("above");
    expect(texts()).toEqual(["c", "a", "b", "a", "b"]);
    expect(new Set(notebook.cells.value.map((cell) => cell.id)).size).toBe(5);
  });

  it("say that there is nothing to paste", () => {
    const { structure, said } = made("a");
    structure.paste("below");
    expect(said[0]).toContain("Nothing to paste");
  });

  it("merge what is selected, or the neighbour", () => {
    const { selection, structure, texts, said } = made("a", "b", "c", "d");
    selection.go(1);
    selection.extendTo(2);
    structure.merge("selected");
    expect(texts()).toEqual(["a", "b\nc", "d"]);
    structure.merge("above");
    expect(texts()).toEqual(["a\nb\nc", "d"]);
    structure.merge("above");
    expect(said[0]).toContain("no cell above");
    structure.merge("below");
    expect(texts()).toEqual(["a\nb\nc\nd"]);
  });

  it("split where the cursor is and go to the rest", () => {
    const { notebook, structure, texts, chosen } = made("abc");
    structure.split(notebook.cells.value[0]!);
    expect([texts(), chosen()]).toEqual([["a", "bc"], ["bc"]]);
  });

  it("make headings, replacing the level that was there, and leave code alone", () => {
    const { notebook, selection, structure, texts } = made("### Title\ntext", "#!code");
    structure.heading(2);
    expect(texts()[0]).toBe("### Title\ntext");
    structure.changeType("markdown");
    structure.heading(2);
    expect(texts()[0]).toBe("## Title\ntext");
    selection.go(1);
    structure.changeType("markdown", [notebook.cells.value[1]!]);
    structure.heading(1);
    expect(texts()[1]).toBe("# #!code");
  });

  it("change nothing for who only looks, and say so", () => {
    const { notebook, page, structure, texts, said } = made("a", "b");
    page.readOnly.value = true;
    structure.remove();
    structure.insert(0);
    structure.cut();
    structure.moveTo(["c0"], 2);
    structure.merge("below");
    structure.changeType("raw");
    structure.toggle("output");
    structure.undo();
    expect([texts(), notebook.edits.value]).toEqual([["a", "b"], 0]);
    expect(said[0]).toContain("looking only");
  });

  it("hide all of several if one is shown", () => {
    const { notebook, selection, structure } = made("a", "b");
    selection.extendTo(1);
    structure.hide("output", true, [notebook.cells.value[0]!]);
    structure.toggle("output");
    expect(notebook.cells.value.map((cell) => cell.outputHidden.value)).toEqual([true, true]);
    structure.toggle("output");
    expect(notebook.cells.value.map((cell) => cell.outputHidden.value)).toEqual([false, false]);
  });
});

describe("a dragged cell", () => {
  const boxes = [{ top: 0, bottom: 100 }, { top: 100, bottom: 120 }, { top: 120, bottom: 300 }];
  it("goes in front of the first whose middle is below", () => {
    expect([-5, 49, 51, 115, 205, 215].map((y) => dropIndex(boxes, y))).toEqual([0, 0, 1, 2, 2, 3]);
  });
});
