import { describe, expect, it } from "vitest";
import { Notebook } from "./document";
import { Selection } from "./selection";

function selection(count = 4): { notebook: Notebook; selection: Selection; chosen(): string[] } {
  const cells = Array.from({ length: count }, (_, index) => ({ id: `c${index}`, cell_type: "code" as const, source: `${index}`, metadata: {} }));
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
  const made = new Selection(notebook);
  return { notebook, selection: made, chosen: () => made.cells.value.map((cell) => cell.id) };
}

describe("a selection", () => {
  it("is the active cell, and moves within the notebook", () => {
    const { selection: made, chosen } = selection();
    expect(chosen()).toEqual(["c0"]);
    made.go(99);
    expect(chosen()).toEqual(["c3"]);
    made.go(-1);
    expect(chosen()).toEqual(["c0"]);
  });

  it("grows and shrinks from where it began, over it to the other side", () => {
    const { selection: made, chosen } = selection();
    made.go(1);
    made.extendTo(2);
    made.extendTo(3);
    expect(chosen()).toEqual(["c1", "c2", "c3"]);
    expect([made.first, made.end, made.several]).toEqual([1, 4, true]);
    made.extendTo(2);
    expect(chosen()).toEqual(["c1", "c2"]);
    made.extendTo(0);
    expect(chosen()).toEqual(["c0", "c1"]);
    made.go(2);
    expect(chosen()).toEqual(["c2"]);
  });

  it("ends when the focus goes to another cell, or into an editor", () => {
    const { notebook, selection: made, chosen } = selection();
    made.extendTo(2);
    made.touch(notebook.find("c2")!, "command");
    expect(chosen()).toHaveLength(3);
    made.touch(notebook.find("c2")!, "edit");
    expect(chosen()).toEqual(["c2"]);
    made.extendTo(0);
    made.touch(notebook.find("c3")!, "command");
    expect(chosen()).toEqual(["c3"]);
  });

  it("survives that its cells are deleted", () => {
    const { notebook, selection: made, chosen } = selection();
    made.extendTo(1);
    notebook.remove("c0", "c1");
    expect(chosen()).toEqual(["c2"]);
  });
});
