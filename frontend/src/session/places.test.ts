// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Execution } from "../outputs/execution";
import { NotebookSession } from "./session";
import { describe as inWords } from "./words";

const PLACES = "/notebooks/n/places";
const FULL = { status: 429, body: { error: "pool_full", message: "All 2 sessions are in use." }, headers: { "Retry-After": "2" } };

let answers: { status: number; body: object; headers?: Record<string, string> }[] = [];
let asked: { what: string; body: Record<string, unknown> | null }[] = [];

class DeafSocket {
  readyState = 0;
  close() {}
  send() {}
}

function session(address: string | null = PLACES) {
  const seen: Record<string, Execution[]> = {};
  const problems: string[] = [];
  const made = new NotebookSession("python", "notebook-1", (changed) => changed.forEach((each) => (seen[each.cell] ??= []).push(each)), (problem) => problems.push(problem), null, address);
  const states = (cell: string) => (seen[cell] ?? []).map(({ state }) => state);
  return { made, seen, states, problems };
}
const soon = () => vi.advanceTimersByTimeAsync(50);
const waits = (id: string, cell: string, position = 1, reason = "") => ({ id, cell, position, queued_at: 5, reason });
const told = (waiting: object[], session: string | null = null) => ({ status: 200, body: { session, waiting, message: "All 2 sessions are in use.", retry_after: 5 } });

describe("cells that wait for a place", () => {
  beforeEach(() => {
    asked = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", DeafSocket);
    vi.stubGlobal("fetch", async (url: string, options: RequestInit) => {
      asked.push({ what: `${options.method} ${url}`, body: options.body ? (JSON.parse(String(options.body)) as Record<string, unknown>) : null });
      const { status, body, headers } = answers.shift()!;
      return new Response(JSON.stringify(body), { status, headers: headers ?? {} });
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("are given to the server, all of one moment together and in order, and run when it has a session", async () => {
    const { made, states } = session();
    answers = [FULL];
    const first = made.run("c1", "one");
    const second = made.run("c2", "two", false);
    answers.push(told([waits(first.id, "c1"), waits(second.id, "c2", 2)]));
    await soon();
    expect(asked[1]).toEqual({
      what: `POST ${PLACES}`,
      body: { runs: [{ id: first.id, cell: "c1", code: "one", stop_on_error: true }, { id: second.id, cell: "c2", code: "two", stop_on_error: false }] },
    });
    expect(inWords(made.view.value)).toMatchObject({ label: "Waiting for a place", detail: "All 2 sessions are in use." });
    expect(states("c2")).toEqual(["queued"]);
    answers = [told([], "s1")];
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked[2]).toEqual({ what: `POST ${PLACES}`, body: { runs: [] } });
    expect(made.id.value).toBe("s1");
    expect(states("c1"), "the session tells how it goes on").toEqual(["queued"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length, "nothing is asked any more").toBe(3);
  });

  it("that come later join those that wait, without asking for a session first", async () => {
    const { made } = session();
    answers = [FULL, told([waits("e1", "c1")])];
    made.run("c1", "one");
    await soon();
    answers = [told([waits("e1", "c1"), waits("e2", "c2", 2)])];
    made.run("c2", "two");
    await soon();
    expect(asked.map(({ what }) => what)).toEqual(["POST /api/v1/sessions", `POST ${PLACES}`, `POST ${PLACES}`]);
  });

  it("are shown to whoever opens the notebook, and taken out one by one or all", async () => {
    const { made, states, seen } = session();
    made.hearPlaces([waits("e1", "c1"), waits("e2", "c2", 2), waits("e3", "c3", 0, "You may not.")], null);
    expect(inWords(made.view.value).label).toBe("Waiting for a place");
    expect([states("c1"), states("c3")]).toEqual([["queued"], ["aborted"]]);
    expect(seen.c3![0]!.reason).toBe("You may not.");
    answers = [{ status: 200, body: { taken_out: 1 } }];
    made.cancel(seen.c1![0]!);
    await soon();
    expect(asked[0]!.what).toBe(`DELETE ${PLACES}/e1`);
    expect(states("c1").at(-1)).toBe("cancelled");
    answers = [{ status: 200, body: { taken_out: 1 } }];
    made.interrupt();
    await soon();
    expect(states("c2").at(-1)).toBe("cancelled");
    expect(made.view.value.state).toBe("none");
  });

  it("that another tab took out are not shown as waiting", () => {
    const { made, states } = session();
    made.hearPlaces([waits("e1", "c1")], null);
    made.hearPlaces([], null);
    expect(states("c1")).toEqual(["queued", "cancelled"]);
    made.hearPlaces([waits("e2", "c2")], null);
    made.hearPlaces([], "s1");
    expect(states("c2"), "there is a session: it tells").toEqual(["queued"]);
  });

  it("stay in the page while the server cannot keep them, and say so where it will not", async () => {
    const { made, states } = session();
    answers = [FULL, { status: 503, body: { message: "away" } }];
    made.run("c1", "one");
    await soon();
    answers = [FULL, { status: 409, body: { message: "200 cells wait already." } }];
    await vi.advanceTimersByTimeAsync(3000);
    expect(states("c1")).toEqual(["aborted"]);
  });
});
