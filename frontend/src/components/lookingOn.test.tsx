// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, describe, expect, it, vi } from "vitest";
import { insertIntoCell } from "../files/insert";
import { Notebook } from "../notebook/document";
import type { Page } from "../notebook/page";
import { newExecution, outputsFromNotebook } from "../outputs/execution";
import { insertInto } from "../variables/VariablesPanel";
import { PageProvider } from "./context";
import { Outputs } from "./Outputs";

// jsdom has neither, and the theme is asked for while the modules are loaded.
vi.hoisted(() => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {} }));
  vi.stubGlobal("CSS", { escape: (text: string) => text });
});

function open(readOnly: boolean) {
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [{ id: "c", cell_type: "code", source: "x", metadata: {} }] });
  const page = { notebook, current: notebook.cells.value[0]!, readOnly: signal(readOnly), edit: vi.fn(), tell: vi.fn(), refuseEdit: vi.fn() };
  return { ...page, page: page as unknown as Page };
}

describe("who may only look on", () => {
  afterEach(() => render(null, document.body));

  it.each([true, false])("scrolls an output on this screen, which is an edit for others alone (read-only: %s)", async (readOnly) => {
    const { page, notebook, current } = open(readOnly);
    const execution = { ...newExecution("e", "c"), state: "ok" as const, outputs: outputsFromNotebook([{ output_type: "stream", name: "stdout", text: "long" }]) };
    render(<PageProvider value={page}><Outputs execution={execution} label="Output" /></PageProvider>, document.body);
    document.querySelector<HTMLElement>("[aria-label^=Scroll]")!.click();
    await vi.waitFor(() => expect(document.querySelector(".outputs")!.classList).toContain("scrolled"));
    expect([notebook.edits.value, current.metadata.scrolled]).toEqual(readOnly ? [0, undefined] : [1, true]);
  });

  it("puts nothing into a cell, and is told why", () => {
    const { page, notebook, refuseEdit } = open(true);
    insertIntoCell(page, "data.csv");
    insertInto(page, "frame");
    expect([notebook.edits.value, notebook.cells.value[0]!.source.value, refuseEdit.mock.calls.length]).toEqual([0, "x", 2]);
  });
});
