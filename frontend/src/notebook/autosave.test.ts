import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, type ask } from "../api";
import { Autosave } from "./autosave";
import { Notebook } from "./document";

function page(answer: (body: { version: number }) => { version: number }) {
  const notebook = new Notebook({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] });
  const sent: number[] = [];
  const request = (async (_method: string, _url: string, body: { version: number }) => {
    sent.push(body.version);
    return { status: 200, body: answer(body) };
  }) as unknown as typeof ask;
  const autosave = new Autosave("/document", notebook, 7, request);
  const type = (text: string) => notebook.setSource(notebook.cells.value[0]!, text);
  return { autosave, sent, type };
}

describe("autosave", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("saves once after a burst of edits, with the version it is based on, then the next", async () => {
    const { autosave, sent, type } = page(({ version }) => ({ version: version + 1 }));
    type("a");
    type("ab");
    expect(autosave.state.value.kind).toBe("edited");
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value.kind).toBe("saved");
    type("abc");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([7, 8]);
  });

  it("never overwrites silently: it stops at a conflict until the user has chosen", async () => {
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
    expect(sent).toEqual([7]);
    theirs = null;
    await autosave.keepMine();
    expect(sent).toEqual([7, 12]);
    expect(autosave.state.value.kind).toBe("saved");
  });

  it("tries again while the server is away", async () => {
    let away = true;
    const { autosave, sent, type } = page(({ version }) => {
      if (away) throw new ApiError(0, "unreachable", "away");
      return { version: version + 1 };
    });
    type("a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(autosave.state.value).toEqual({ kind: "failed", message: "away" });
    away = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(autosave.state.value.kind).toBe("saved");
    expect(sent).toHaveLength(2);
  });
});
