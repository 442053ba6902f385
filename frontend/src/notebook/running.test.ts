import { signal } from "@preact/signals";
import { describe, expect, it, vi } from "vitest";
import { newExecution, type Execution } from "../outputs/execution";
import { Notebook, type NotebookDocument } from "./document";
import type { Page } from "./page";
import { Results } from "./results";
import { Running } from "./running";
import { Selection } from "./selection";

function page() {
  const document: NotebookDocument = {
    nbformat: 4, nbformat_minor: 5, metadata: {},
    cells: ["a", "b", "c"].map((source, index) => ({ id: `c${index}`, cell_type: "code", source, metadata: {}, outputs: [] })),
  };
  const notebook = new Notebook(document);
  const results = new Results(notebook, { title: "", version: 1, document, executions: [], session: null }, () => undefined);
  const run = vi.fn((cell: string) => newExecution(`e-${cell}`, cell));
  const made = {
    notebook, results, selection: new Selection(notebook), structure: { insert: vi.fn() }, session: { run, live: true, restart: vi.fn(async () => true) }, autosave: { flush: vi.fn() },
    readOnly: signal(false), editors: new Map(), shownOf: (cell: string) => results.of(cell), refuseEdit: vi.fn(), say: vi.fn(),
  };
  return { ...made, running: new Running(made as unknown as Page) };
}

describe("running a cell that runs or waits already", () => {
  it("says why nothing happens", () => {
    const { running, results, selection, session, say } = page();
    running.selectedAnd("next");
    running.selectedAnd("next");
    expect(say).not.toHaveBeenCalled();
    results.update([{ ...newExecution("e-c0", "c0"), state: "running", queuedAt: 1 }]);
    selection.go(0);
    running.selectedAnd("stay");
    expect(say).toHaveBeenLastCalledWith("Cell 1 is running already.");
    selection.go(1);
    running.selectedAnd("stay");
    expect(say).toHaveBeenLastCalledWith("Cell 2 is in the queue already.");
    running.all();
    expect(say).toHaveBeenLastCalledWith("2 of these cells are running or in the queue already.");
    expect([say.mock.calls.length, session.run.mock.calls.map(([cell]) => cell)]).toEqual([3, ["c0", "c1", "c2"]]);
  });

  it("says to who may only look on that alone", () => {
    const { running, readOnly, refuseEdit, say } = page();
    running.all();
    readOnly.value = true;
    running.all();
    expect(refuseEdit).toHaveBeenCalled();
    expect(say).not.toHaveBeenCalled();
  });
});

describe("restart and run all", () => {
  const told = (results: Results, id: string, cell: string, more: Partial<Execution> = {}) => results.update([{ ...newExecution(id, cell), state: "running", queuedAt: 5, ...more }]);

  it("runs in order also what ran or waited, though its end is not told yet", async () => {
    const { results, running, say } = page();
    told(results, "old1", "c1");
    told(results, "old0", "c0", { state: "queued" });
    await running.restartAndRun();
    expect(results.pending.value).toEqual(["c0", "c1", "c2"]);
    told(results, "old1", "c1", { state: "aborted", reason: "restarted" });
    expect(results.of("c1").value.execution).toMatchObject({ id: "e-c1", state: "queued" });
    expect([results.pending.value.length, say.mock.calls]).toEqual([3, []]);
  });

  it("leaves alone what has ended, what came meanwhile, and what is still to be sent", async () => {
    const { results, running, session } = page();
    told(results, "old0", "c0");
    results.begin(newExecution("unsent", "c2"));
    session.restart.mockImplementation(async () => {
      told(results, "old0", "c0", { state: "error" });
      told(results, "new1", "c1", { queuedAt: 9 });
      return true;
    });
    await running.restartAndRun();
    expect(["c0", "c1", "c2"].map((cell) => results.of(cell).value.execution!.id)).toEqual(["e-c0", "new1", "unsent"]);
  });

  it("runs nothing without a new kernel, and nothing twice that waits for a place", async () => {
    const { results, running, session } = page();
    told(results, "old0", "c0", { state: "queued" });
    session.restart.mockResolvedValueOnce(false);
    await running.restartAndRun();
    expect(session.run).not.toHaveBeenCalled();
    session.live = false;
    await running.restartAndRun();
    expect(session.run.mock.calls.map(([cell]) => cell)).toEqual(["c1", "c2"]);
  });
});
