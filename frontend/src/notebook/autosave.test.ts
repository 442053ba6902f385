import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, type ask } from "../api";
import { Autosave } from "./autosave";
import { Notebook, type NotebookCell, type NotebookDocument } from "./document";

interface Sent {
  method: string;
  version: number;
  cells?: NotebookCell[];
  order?: string[];
  metadata?: unknown;
  document?: unknown;
  replaces?: boolean;
}

function document(...sources: string[]): NotebookDocument {
  const cells = sources.map((source, index) => ({ id: `c${index}`, cell_type: "code" as const, source, metadata: {} }));
  return { nbformat: 4, nbformat_minor: 5, metadata: { title: "t" }, cells };
}

function page(answer: (body: Sent) => { version: number } | Promise<{ version: number }> = ({ version }) => ({ version: version + 1 }), loaded = document("one", "two", "three")) {
  const notebook = new Notebook(loaded);
  const sent: Sent[] = [];
  const request = (async (method: string, _url: string, body: object) => {
    const said = { method, ...JSON.parse(JSON.stringify(body)) } as Sent;
    sent.push(said);
    return { status: 200, body: await answer(said) };
  }) as unknown as typeof ask;
  const autosave = new Autosave("/document", notebook, 7, request);
  const type = (text: string) => notebook.setSource(notebook.cells.value[0]!, text);
  return { autosave, notebook, sent, type };
}

describe("autosave", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("saves once after a burst of edits, with the version it is based on, then the next", async () => {
    const { autosave, sent, type } = page();
    type("a");
    type("ab");
    expect(autosave.state.value.kind).toBe("edited");
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value.kind).toBe("saved");
    type("abc");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent.map((each) => each.version)).toEqual([7, 8]);
  });

  it("sends the cells that were changed and nothing else", async () => {
    const { notebook, sent, type } = page();
    type("a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent[0]).toMatchObject({ method: "PATCH", cells: [{ id: "c0", source: "a" }] });
    expect(sent[0]!.order ?? sent[0]!.metadata).toBeUndefined();
    notebook.moveTo(["c2"], 0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent[1]).toMatchObject({ method: "PATCH", cells: [], order: ["c2", "c0", "c1"] });
    notebook.undo();
    notebook.redo();
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toHaveLength(2);
  });

  it("sends the whole where most was changed, or where the server does not know the rest", async () => {
    const { notebook, sent } = page(undefined, document(..."abcdefgh"));
    for (const cell of notebook.cells.value) notebook.setSource(cell, "new");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent[0]!.method).toBe("PUT");
    const lost = page(({ method, version }) => {
      if (method === "PATCH") throw new ApiError(400, "unknown_cells", "send all");
      return { version: version + 1 };
    });
    lost.type("a");
    await vi.advanceTimersByTimeAsync(2000);
    expect(lost.sent.map((each) => each.method)).toEqual(["PATCH", "PUT"]);
    expect(lost.autosave.state.value.kind).toBe("saved");
  });

  it("saves also while somebody types without a pause", async () => {
    const { sent, type } = page();
    for (let letter = 0; letter < 60; letter++) {
      type("x".repeat(letter + 1));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(sent.length).toBeGreaterThanOrEqual(1);
  });

  it("never overwrites silently: it stops at a conflict until that is settled", async () => {
    let theirs: number | null = 12;
    const { autosave, sent, type } = page(({ version }) => {
      if (theirs) throw new ApiError(409, "conflict", "changed elsewhere", { version: theirs });
      return { version: version + 1 };
    });
    type("a");
    await vi.advanceTimersByTimeAsync(1000);
    type("ab");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(autosave.state.value).toEqual({ kind: "conflict", message: "changed elsewhere", theirs: 12 });
    expect(sent).toHaveLength(1);
    expect(autosave.baseDocument().cells.map((cell) => cell.source)).toEqual(["one", "two", "three"]);
    theirs = null;
    autosave.rebase(12, document("one", "theirs", "three"), true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent[1]).toMatchObject({ method: "PATCH", version: 12, replaces: true });
    expect(sent[1]!.cells!.map((cell) => cell.source)).toEqual(["ab", "two"]);
    expect(autosave.state.value.kind).toBe("saved");
    type("abc");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent[2]!.replaces).toBeUndefined();
  });

  it("has nothing to save once it shows what the server has", async () => {
    const { autosave, notebook, sent } = page();
    const theirs = document("theirs");
    notebook.adopt(theirs);
    autosave.rebase(9, theirs);
    await vi.advanceTimersByTimeAsync(5000);
    expect([sent, autosave.state.value.kind, autosave.version.peek()]).toEqual([[], "saved", 9]);
  });

  it("stops at a notebook that is in the trash, and goes on when it is back", async () => {
    let gone = true;
    const { autosave, sent, type } = page(({ version }) => {
      if (gone) throw new ApiError(410, "deleted", "in the trash");
      return { version: version + 1 };
    });
    type("a");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(autosave.state.value).toEqual({ kind: "deleted", message: "in the trash" });
    expect(sent).toHaveLength(1);
    gone = false;
    autosave.resume();
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value.kind).toBe("saved");
  });

  it("does not send again what will be refused again, until it is edited", async () => {
    const { autosave, sent, type } = page(() => {
      throw new ApiError(413, "too_large", "split it");
    });
    type("a");
    await vi.advanceTimersByTimeAsync(120_000);
    expect([sent.length, autosave.state.value]).toEqual([1, { kind: "failed", message: "split it", code: "too_large" }]);
    type("ab");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toHaveLength(2);
  });

  it("says that one may only look on now, and does not take it for a sign-out nor send it again", async () => {
    const answers = [new ApiError(403, "read_only", "ask its owner"), new ApiError(403, "error", "no token")];
    const { autosave, sent, type } = page(() => {
      throw answers.shift()!;
    });
    type("a");
    await vi.advanceTimersByTimeAsync(120_000);
    expect([sent.length, autosave.dirty, autosave.hopeless]).toEqual([1, true, true]);
    expect(autosave.state.value).toEqual({ kind: "failed", message: "ask its owner", code: "read_only" });
    type("ab");
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value).toMatchObject({ code: "signed_out" });
    expect(autosave.hopeless).toBe(false);
  });

  it("asked for during a save saves the rest after it, one request at a time", async () => {
    const answers: (() => void)[] = [];
    const { autosave, sent, type } = page(({ version }) => new Promise((resolve) => answers.push(() => resolve({ version: version + 1 }))));
    type("a");
    void autosave.flush();
    type("ab");
    let over = 0;
    for (let press = 0; press < 3; press++) void autosave.flush().then(() => over++);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([sent.length, over]).toEqual([1, 0]);
    answers[0]!();
    await vi.advanceTimersByTimeAsync(0);
    expect([sent.length, over]).toEqual([2, 0]);
    answers[1]!();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([sent.map((each) => each.version), over, autosave.state.value.kind]).toEqual([[7, 8], 3, "saved"]);
  });

  it("tries again while the server is away, less and less often", async () => {
    let away = true;
    const { autosave, sent, type } = page(({ version }) => {
      if (away) throw new ApiError(0, "unreachable", "away");
      return { version: version + 1 };
    });
    type("a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value).toEqual({ kind: "failed", message: "away", code: "unreachable" });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(sent.length).toBeLessThan(9);
    away = false;
    await vi.advanceTimersByTimeAsync(31_000);
    expect(autosave.state.value.kind).toBe("saved");
  });
});
