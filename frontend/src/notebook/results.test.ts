import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newExecution, type Execution } from "../outputs/execution";
import { Notebook, type NotebookDocument } from "./document";
import { Results, type SavedExecution } from "./results";

const document: NotebookDocument = {
  nbformat: 4, nbformat_minor: 5, metadata: {},
  cells: ["a", "b", "c"].map((source, index) => ({ id: `c${index}`, cell_type: "code", source, metadata: {}, outputs: [] })),
};
const saved = (more: Partial<SavedExecution> = {}): SavedExecution => ({
  id: "e0", cell: "c0", session: "s", state: "ok", execution_count: 1, queued_at: 5, started_at: 5, finished_at: 6, cut: false, code: null, ...more,
});

function results(executions: SavedExecution[] = [], session: { id: string; state: string; reason: string } | null = null) {
  const notebook = new Notebook(document);
  const ended: string[] = [];
  const made = new Results(notebook, { title: "", version: 1, document, executions, session }, (execution) => ended.push(`${execution.cell} ${execution.state}`));
  const run = (id: string, cell: string, more: Partial<Execution> = {}): Execution => ({ ...newExecution(id, cell), queuedAt: 10, ...more });
  return { notebook, made, ended, run };
}

describe("what ran last", () => {
  it("is edited when the text is no longer what ran, and not when it is again", () => {
    const { notebook, made } = results([saved()]);
    const cell = notebook.find("c0")!;
    expect(made.edited(cell)).toBe(false);
    notebook.setSource(cell, "a2");
    expect(made.edited(cell)).toBe(true);
    notebook.setSource(cell, "a\n");
    expect(made.edited(cell)).toBe(false);
  });

  it("is known to be edited after a reload, by what the server says ran", () => {
    const { notebook, made } = results([saved({ code: "a = 0" })]);
    expect(made.edited(notebook.find("c0")!)).toBe(true);
    expect(made.edited(notebook.find("c1")!)).toBe(false);
  });

  it("keeps what ran when the log tells the same run again", () => {
    const { notebook, made, run } = results();
    made.begin(run("e1", "c0", { code: "a" }));
    made.update([run("e1", "c0", { state: "running" })]);
    notebook.setSource(notebook.find("c0")!, "later");
    expect(made.edited(notebook.find("c0")!)).toBe(true);
    made.update([run("e2", "c0", { state: "running", queuedAt: 20, code: "later" })]);
    expect(made.edited(notebook.find("c0")!)).toBe(false);
  });

  it("is not shown once it was cleared, and again when that is undone", () => {
    const { notebook, made } = results([saved()]);
    const cell = notebook.find("c0")!;
    notebook.changeMetadata([cell], () => ({ thermae: { cleared: "e0" } }));
    expect(made.of("c0").value.execution).toBeUndefined();
    notebook.undo();
    expect(made.of("c0").value.execution?.id).toBe("e0");
  });

  it("is shown again with a cell that comes back", () => {
    const { notebook, made } = results([saved()]);
    notebook.remove("c0");
    notebook.undo();
    expect(made.of("c0").value.execution?.id).toBe("e0");
  });

  it("is lost where it was not over and its session is gone", () => {
    expect(results([saved({ state: "running" })]).made.of("c0").value.execution?.state).toBe("lost");
    expect(results([saved({ state: "running" })], { id: "s", state: "leased", reason: "" }).made.of("c0").value.execution?.state).toBe("running");
  });
});

describe("the queue", () => {
  it("names the running cell and the places of those that wait", () => {
    const { made, run, ended } = results();
    for (const index of [0, 1, 2]) made.begin(run(`e${index}`, `c${index}`));
    expect([made.busy.value, made.running.value, made.placeOf("c2")]).toEqual([true, null, 3]);
    made.update([run("e0", "c0", { state: "running" })]);
    expect([made.running.value, made.placeOf("c1")]).toEqual(["c0", 1]);
    made.update([run("e0", "c0", { state: "ok" }), run("e1", "c1", { state: "cancelled" })]);
    expect(made.pending.value).toEqual(["c2"]);
    made.update([run("e2", "c2", { state: "ok" })]);
    expect(made.busy.value).toBe(false);
    expect(ended).toEqual(["c0 ok", "c1 cancelled", "c2 ok"]);
  });

  it("shows what was run elsewhere after a run from here came to nothing, and nothing that is older", () => {
    const { made, run } = results();
    made.update([run("e1", "c0", { state: "ok", queuedAt: 10 })]);
    made.begin(run("e2", "c0", { queuedAt: null }));
    made.update([run("e1", "c0", { state: "ok", queuedAt: 10 })]);
    expect(made.of("c0").value.execution?.id).toBe("e2");
    made.update([run("e2", "c0", { state: "aborted", queuedAt: null })]);
    made.update([run("e1", "c0", { state: "ok", queuedAt: 10 })]);
    expect(made.of("c0").value.execution).toMatchObject({ id: "e2", state: "aborted" });
    made.update([run("e3", "c0", { state: "running", queuedAt: 20 })]);
    expect([made.of("c0").value.execution?.id, made.running.value]).toEqual(["e3", "c0"]);
  });

  it("does not announce what a replay brings back, nor let an older run replace a newer", () => {
    const { made, run, ended } = results();
    made.update([run("e0", "c0", { state: "ok", queuedAt: 30 })]);
    made.update([run("e9", "c0", { state: "running", queuedAt: 20 })]);
    expect(ended).toEqual([]);
    expect(made.of("c0").value.execution?.id).toBe("e0");
  });
});

describe("outputs that are too large to come with the document", () => {
  afterEach(() => vi.unstubAllGlobals());
  const printed = [{ output_type: "stream", name: "stdout", text: "all of it" }];
  const loaded = (executions: SavedExecution[]) => ({ title: "", version: 1, document, executions, session: null, left_out: { c0: 900_000, c1: 300_000 } });
  beforeEach(() => vi.stubGlobal("document", { cookie: "" }));
  const answer = (execution: string) => vi.stubGlobal("fetch", vi.fn(async () => new Response(JSON.stringify({ execution, outputs: printed }))));

  it("are known by their size, of runs and of what a file brought, and read by cell", async () => {
    const made = new Results(new Notebook(document), loaded([saved()]), () => undefined);
    const shown = (cell: string) => made.of(cell).value.execution!;
    expect([shown("c0").leftOut, shown("c1").leftOut, shown("c1").id]).toEqual([900_000, 300_000, "stored-c1"]);
    answer("e0");
    const before = made.of("c0").value;
    await made.bring("c0", "/outputs/CELL");
    expect(made.of("c0").value, "a new object, or nothing is drawn").not.toBe(before);
    expect(fetch).toHaveBeenCalledWith("/outputs/c0", expect.anything());
    expect([shown("c0").leftOut, shown("c0").outputs.length]).toEqual([0, 1]);
    answer("stored-c1");
    await made.bring("c1", "/outputs/CELL");
    expect(shown("c1").outputs).toHaveLength(1);
  });

  it("never take the place of what was run meanwhile", async () => {
    const made = new Results(new Notebook(document), loaded([saved()]), () => undefined);
    answer("e0");
    const brought = made.bring("c0", "/outputs/CELL");
    made.begin(newExecution("e1", "c0"));
    await brought;
    expect(made.of("c0").value.execution!.id).toBe("e1");
    answer("another");
    await made.bring("c0", "/outputs/CELL");
    expect(made.of("c0").value.execution!.id).toBe("e1");
  });
});
