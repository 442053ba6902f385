// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { describe, expect, it, vi } from "vitest";
import { CellEditor } from "../editor/setup";
import { bringPictures } from "./attach";
import { Autosave } from "./autosave";
import { Notebook, type CellType } from "./document";

// Nothing is drawn here that could be measured.
document.defaultView!.requestAnimationFrame = () => 0;
Range.prototype.getClientRects = () => [] as unknown as DOMRectList;

const picture = (name: string, type = "image/png", text = "x") => new File([text], name, { type });
const carrying = (files: File[], ...types: string[]) => ({ files, types: ["Files", ...types] }) as unknown as DataTransfer;

function made(...sources: string[]) {
  const cells = sources.map((source, index) => ({ id: `c${index}`, cell_type: "markdown" as CellType, source, metadata: {} }));
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
  const said: string[] = [];
  const page = { notebook, readOnly: signal(false), editors: new Map<string, CellEditor>(), say: (words: string) => void said.push(words), refuseEdit: () => void said.push("looking only") };
  const cell = notebook.cells.value[0]!;
  const bring = async (...files: File[]) => {
    const steps = notebook.undoable.value;
    expect(bringPictures(page, cell, carrying(files))).toBe(true);
    await vi.waitFor(() => expect(notebook.undoable.value > steps || said.length > 0).toBe(true));
  };
  return { notebook, page, said, cell, bring, names: (index = 0) => Object.keys(notebook.cells.value[index]!.attachments ?? {}) };
}

/** An editor as the page makes one. */
function editorOf({ notebook, page, cell }: ReturnType<typeof made>, readOnly = false) {
  const editor = new CellEditor(document.body, {
    text: cell.source.value, label: "", placeholder: "", code: false, readOnly, lineNumbers: false, ask: async () => null,
    events: { changed: (text) => notebook.setSource(cell, text), focused: () => undefined, escape: () => undefined, leave: () => undefined, tell: () => undefined, bring: (data) => bringPictures(page, cell, data) },
  });
  page.editors.set(cell.id, editor);
  const send = (type: string, data: DataTransfer) => {
    const event = Object.assign(new Event(type, { bubbles: true, cancelable: true }), { clipboardData: data, dataTransfer: data, clientX: 0, clientY: 0 });
    editor.view.contentDOM.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return { editor, send };
}

describe("a picture that is brought into a text", () => {
  it("is an attachment, shown where the cursor is, in one step that can be undone", async () => {
    const all = made("one two");
    const { notebook, cell, names } = all;
    const { editor, send } = editorOf(all);
    editor.select(3, 7);
    expect(send("paste", carrying([picture("image.png")]))).toBe(true);
    await vi.waitFor(() => expect(cell.source.value).toBe("one![image.png](attachment:image.png)"));
    expect(cell.attachments).toEqual({ "image.png": { "image/png": "eA==" } });
    expect(editor.cursors()).toEqual([cell.source.value.length]);
    notebook.undo();
    expect([cell.source.value, names()]).toEqual(["one two", []]);
    notebook.redo();
    expect([cell.source.value, names()]).toEqual(["one![image.png](attachment:image.png)", ["image.png"]]);
  });

  it("is dropped where it is let go", async () => {
    const all = made("one two");
    const { editor, send } = editorOf(all);
    vi.spyOn(editor.view, "posAtCoords").mockReturnValue(3 as never);
    expect(send("dragover", carrying([]))).toBe(true);
    expect(send("drop", carrying([picture("a.webp", "image/webp")]))).toBe(true);
    await vi.waitFor(() => expect(all.cell.source.value).toBe("one![a.webp](attachment:a.webp) two"));
  });

  it("has a name that no other in the notebook has, which all programs can read", async () => {
    const { notebook, bring, names } = made("", "");
    notebook.cells.value[1]!.attachments = { "image.png": {} };
    await bring(picture("image.png"), picture("Снимок экрана.png"), picture("Été (1).v2.jpeg", "image/jpeg"));
    await bring(picture("image.png"));
    expect(names()).toEqual(["image-2.png", "image-3.png", "Ete-1-.v2.jpeg", "image-4.png"]);
  });

  it("is saved with its cell", async () => {
    const { notebook, bring, cell } = made("a");
    const request = vi.fn(async () => ({ status: 200, body: { version: 2 } }));
    const autosave = new Autosave("/d", notebook, 1, request as never);
    await bring(picture("a.gif", "image/gif"));
    await autosave.flush();
    expect(request).toHaveBeenCalledWith("PATCH", "/d", { version: 1, cells: [expect.objectContaining({ id: cell.id, attachments: { "a.gif": { "image/gif": "eA==" } } })] }, {});
    expect(autosave.dirty).toBe(false);
  });

  it("is told to be too large, and what to do", async () => {
    const { notebook, cell, said, bring } = made("a");
    await bring(picture("big.png", "image/png", "x".repeat(5_000_001)), picture("b.svg", "image/svg+xml"));
    expect(said).toEqual([expect.stringMatching(/^big\.png is larger than 5 MB.*panel Files/)]);
    await vi.waitFor(() => expect(cell.attachments).toEqual({ "b.svg": { "image/svg+xml": "eA==" } }));
    notebook.undo();
    await bring(picture("big.png", "image/png", "x".repeat(5_000_001)));
    expect([cell.source.value, notebook.undoable.value]).toEqual(["a", 0]);
  });

  it("changes nothing where nothing may be changed", async () => {
    const all = made("a");
    all.page.readOnly.value = true;
    await all.bring(picture("a.png"));
    expect([all.said, all.cell.source.value, all.names()]).toEqual([["looking only"], "a", []]);
    const { send } = editorOf(all, true);
    for (const type of ["paste", "dragover", "drop"]) send(type, carrying([picture("a.png")]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([all.said.length, all.notebook.edits.value]).toEqual([1, 0]);
  });

  it("is none where a text is meant, or another file", () => {
    const { page, cell } = made("a");
    for (const data of [null, carrying([picture("a.png")], "text/plain", "text/html"), carrying([picture("a.pdf", "application/pdf")]), carrying([])]) expect(bringPictures(page, cell, data)).toBe(false);
  });
});
