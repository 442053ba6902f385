import { describe, expect, it } from "vitest";
import { asText, CELLS_TYPE, Clipboard, pasted, readCells, written } from "./clipboard";
import { Cell } from "./document";

const carrier = (types: Record<string, string>) => ({ getData: (type: string) => types[type] ?? "" });
const cells = [
  new Cell({ cell_type: "code", source: "x = 1", metadata: { tags: ["t"], thermae: { cleared: "e" } } }),
  new Cell({ cell_type: "markdown", source: "# T", attachments: { "a.png": { "image/png": "x" } } }),
];

describe("the clipboard", () => {
  it("carries cells whole, under new ids and without what is ours alone", () => {
    const back = readCells(written(cells))!;
    expect(back.map((cell) => [cell.type.value, cell.source.value, cell.metadata])).toEqual([["code", "x = 1", { tags: ["t"] }], ["markdown", "# T", {}]]);
    expect(back[1]!.attachments).toEqual({ "a.png": { "image/png": "x" } });
    expect(back[0]!.id).not.toBe(cells[0]!.id);
    expect(asText(cells)).toBe("x = 1\n\n# T");
  });

  it("brings back as itself what was cut, and makes a new cell of what is still there", () => {
    const [one, two] = readCells(written(cells), (id) => id === cells[1]!.id)!;
    expect([one!.id, one!.metadata]).toEqual([cells[0]!.id, { tags: ["t"], thermae: { cleared: "e" } }]);
    expect(two!.id).not.toBe(cells[1]!.id);
    const twice = readCells('[{"id":"a","cell_type":"raw","source":""},{"id":"a","cell_type":"raw","source":""},{"id":"no id","cell_type":"raw","source":""}]', () => false)!;
    expect(twice.map((cell) => cell.id === "a")).toEqual([true, false, false]);
    expect(twice[2]!.id).toMatch(/^[0-9a-f]{12}$/);
  });

  it("takes our cells first, then a notebook's JSON, then any text as one cell", () => {
    expect(pasted(carrier({ [CELLS_TYPE]: written(cells), "text/plain": "y" }), "code")).toHaveLength(2);
    const file = JSON.stringify({ nbformat: 4, cells: [{ cell_type: "raw", source: ["a\n", "b"] }] });
    expect(pasted(carrier({ "text/plain": file }), "code").map((cell) => [cell.type.value, cell.source.value])).toEqual([["raw", "a\nb"]]);
    expect(pasted(carrier({ "text/plain": "a\r\nb" }), "code").map((cell) => cell.source.value)).toEqual(["a\nb"]);
    expect(pasted(carrier({ "text/plain": " \n" }), "code")).toEqual([]);
  });

  it("does not take what only looks like cells", () => {
    for (const text of ["[]", "[1]", '{"cells":[]}', '[{"cell_type":"html","source":""}]', '[{"cell_type":"code","source":[1]}]', "null", "[", JSON.stringify(Array(501).fill({ cell_type: "code", source: "" }))]) {
      expect(readCells(text), text).toBeNull();
    }
    expect(readCells('[{"cell_type":"code","source":"a","metadata":7,"attachments":"x"}]')![0]!.metadata).toEqual({});
  });

  it("is shared with other tabs, and works without them", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) };
    new Clipboard(storage).put(cells);
    expect(new Clipboard(storage).take().map((cell) => cell.source.value)).toEqual(["x = 1", "# T"]);
    const refuse = () => { throw new Error("forbidden"); };
    const alone = new Clipboard({ getItem: refuse, setItem: refuse });
    expect(alone.take()).toEqual([]);
    alone.put(cells);
    expect(alone.take()).toHaveLength(2);
  });
});
