// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../notebook/page";
import { Autosave } from "../notebook/autosave";
import { Cell, Notebook, type NotebookDocument } from "../notebook/document";
import { Live, type EditorState } from "./live";
import { difference, sumOf } from "./ops";
import { onePerPerson } from "./Presence";

class FakeSocket {
  static last: FakeSocket;
  readyState = 0;
  sent: Record<string, any>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) { FakeSocket.last = this; }
  send(data: string) { this.sent.push(JSON.parse(data)); }
  close() { this.readyState = 3; }
  say(message: object) { this.onmessage!({ data: JSON.stringify({ channel: "notebook", ...message }) }); }
  of(type: string) { return this.sent.filter((message) => message.type === type); }
}

const documentOf = (source: string): NotebookDocument => ({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [{ id: "a", cell_type: "code", source, metadata: {} }] });
const IMAGE = { "a.png": { "image/png": "x" } };
const BO: EditorState = { tab: "bo", name: "Bo", mine: false, same_person: false, wanted_by: null };
const ME: EditorState = { ...BO, tab: "me", name: "Al", mine: true, same_person: true };
const person = (tab: string, user = 1) => ({ tab, user, name: tab, initials: "X", colour: 0, right: "edit" });

let server: { version: number; source: string; document?: NotebookDocument; fails?: boolean };

function open(right: "own" | "edit" | "view" = "own") {
  server = { version: 1, source: "x" };
  const notebook = new Notebook(documentOf("x"));
  const request = vi.fn(async (method: string, url: string, body?: any) => {
    if (method === "GET") return { status: 200, body: { title: "T", version: server.version, document: server.document ?? documentOf(server.source), executions: [], session: null } };
    if (server.fails) throw Object.assign(new Error("no"), { status: 409, body: { version: server.version } });
    server = { version: server.version + 1, source: body.document?.toJSON().cells[0].source ?? body.cells[0].source };
    return { status: 200, body: url.endsWith("/copy") ? { address: "/copy" } : { version: server.version } };
  });
  const page = {
    settings: { id: "n", right, pool: "python" }, addresses: { document: "/d" }, notebook, title: signal("T"),
    autosave: new Autosave("/d", notebook, 1, request as never),
    session: { meet: vi.fn(), hearPlaces: vi.fn() }, say: vi.fn(), tell: vi.fn(), results: { readSaved: vi.fn() }, history: { freshen: vi.fn() },
  };
  const live = new Live(page as unknown as Page, request as never);
  live.start();
  const socket = FakeSocket.last;
  socket.readyState = 1;
  socket.onopen!();
  const state = (editor: EditorState | null, more: object = {}) => socket.say({ type: "state", title: "T", version: server.version, right, editor, session: null, ...more });
  return { page, live, socket, notebook, request, state, cell: notebook.cells.value[0]! };
}

describe("one who edits and those who follow", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", FakeSocket);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("edits without being told anything, as when the server is away", () => {
    expect(open("own").live.readOnly.value).toBe(false);
    expect(open("view").live.readOnly.value).toBe(true);
  });

  it("takes what nobody has, and passes on what is typed once somebody is there", async () => {
    const { live, socket, state, notebook, cell } = open();
    state(null);
    expect(socket.of("take")).toEqual([{ type: "take", over: false }]);
    state(ME);
    notebook.setSource(cell, "xy");
    await vi.advanceTimersByTimeAsync(200);
    expect(socket.of("edit"), "nobody is there to see it").toEqual([]);
    socket.say({ type: "people", people: [person("me"), person("bo", 2)] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket.of("edit").at(-1)!.ops[0].op, "whoever comes is told what was saved").toBe("saved");
    notebook.setSource(cell, "xyz");
    await vi.advanceTimersByTimeAsync(200);
    expect(socket.of("edit").flatMap((each) => each.ops)).toContainEqual({ op: "patch", id: "a", length: 2, at: 2, delete: 0, insert: "z" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket.of("edit").at(-1)!.ops).toEqual([{ op: "saved", version: server.version, sum: sumOf(notebook) }]);
    expect(socket.of("edit").map((each) => each.seq)).toEqual(socket.of("edit").map((_, index) => index + 1));
    expect(live.readOnly.value).toBe(false);
  });

  it("does not pass on what is too large, so that others notice", async () => {
    const { socket, state, notebook, cell } = open();
    state(ME);
    socket.say({ type: "people", people: [person("me"), person("bo", 2)] });
    await vi.advanceTimersByTimeAsync(10);
    const before = socket.of("edit").length;
    notebook.setSource(cell, "x".repeat(100_000));
    await vi.advanceTimersByTimeAsync(150);
    expect(socket.of("edit").length).toBe(before);
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket.of("edit").at(-1)!.seq).toBe(socket.of("edit").at(-2) ? socket.of("edit").at(-2)!.seq + 2 : 2);
  });

  it("does not pass on what is attached, so that others notice", async () => {
    const { socket, state, notebook } = open();
    state(ME);
    socket.say({ type: "people", people: [person("me"), person("bo", 2)] });
    await vi.advanceTimersByTimeAsync(1000);
    const before = socket.of("edit").length;
    notebook.insert(1, new Cell({ cell_type: "markdown", source: "![](attachment:a.png)", attachments: IMAGE }));
    await vi.advanceTimersByTimeAsync(200);
    expect(socket.of("edit").length).toBe(before);
    await vi.advanceTimersByTimeAsync(1000);
    const [last, told] = socket.of("edit").slice(-2);
    expect([told!.seq, told!.ops]).toEqual([last!.seq + 2, [{ op: "saved", version: server.version, sum: sumOf(notebook) }]]);
  });

  it("says what it saved though the save was sooner than what was typed is passed on", async () => {
    const { socket, state, notebook, page } = open();
    state(ME);
    socket.say({ type: "people", people: [person("me"), person("bo", 2)] });
    await vi.advanceTimersByTimeAsync(1000);
    notebook.insert(1, new Cell({ cell_type: "raw", attachments: IMAGE }));
    await page.autosave.flush();
    expect(socket.of("edit").at(-1)!.ops).toEqual([{ op: "saved", version: server.version, sum: sumOf(notebook) }]);
  });

  it("reads what is attached before it saves a cell, and the notebook's own metadata, once", async () => {
    const { socket, state, notebook, page, request } = open();
    const gets = () => request.mock.calls.filter(([method]) => method === "GET").length;
    state(BO);
    server.document = { ...documentOf("x"), metadata: { kernelspec: { name: "ir" } }, cells: [{ id: "a", cell_type: "markdown", source: "x", metadata: {}, attachments: IMAGE }] };
    server.version = 2;
    const sum = sumOf(new Notebook(server.document));
    socket.say({ type: "edit", by: "bo", seq: 1, ops: [{ op: "cell", id: "a", cell_type: "markdown", source: "x", metadata: {} }] });
    socket.say({ type: "edit", by: "bo", seq: 2, ops: [{ op: "saved", version: 2, sum }] });
    await vi.advanceTimersByTimeAsync(10);
    expect([gets(), page.autosave.version.value, page.autosave.dirty]).toEqual([1, 2, false]);
    expect([notebook.metadata, page.autosave.baseDocument().metadata]).toEqual([{ kernelspec: { name: "ir" } }, { kernelspec: { name: "ir" } }]);
    socket.say({ type: "edit", by: "bo", seq: 3, ops: [{ op: "saved", version: 3, sum }] });
    await vi.advanceTimersByTimeAsync(5000);
    expect([gets(), page.autosave.version.value]).toEqual([1, 3]);
    state(ME);
    server.version = 3;
    notebook.setSource(notebook.cells.value[0]!, "xy");
    await page.autosave.flush();
    const [method, , body] = request.mock.calls.at(-1)!;
    expect([method, body.cells, body.metadata]).toEqual(["PATCH", [{ id: "a", cell_type: "markdown", source: "xy", metadata: {}, attachments: IMAGE }], undefined]);
  });

  it("neither edits nor runs once the notebook is in another language, and goes on if it is back", () => {
    const { live, state, socket } = open();
    state(null, { pool: "python" });
    expect([live.moved.value, live.mayEdit.value]).toEqual([false, true]);
    const takes = socket.of("take").length;
    state(null, { pool: "r" });
    expect([live.moved.value, live.mayEdit.value, live.readOnly.value, socket.of("take").length]).toEqual([true, false, true, takes]);
    state(null, { pool: "python" });
    expect([live.moved.value, live.readOnly.value]).toEqual([false, false]);
  });

  it("is read only while another edits, who is followed", async () => {
    const { live, socket, state, notebook, cell, page } = open();
    state(BO);
    expect(live.readOnly.value).toBe(true);
    socket.say({ type: "edit", by: "bo", seq: 7, ops: [{ op: "patch", id: "a", length: 1, at: 1, delete: 0, insert: "!" }] });
    expect(cell.source.value).toBe("x!");
    expect(page.autosave.dirty).toBe(false);
    socket.say({ type: "edit", by: "bo", seq: 8, ops: [{ op: "saved", version: 2, sum: sumOf(notebook) }] });
    expect(page.autosave.version.value).toBe(2);
    expect(socket.of("resync")).toEqual([]);
  });

  it("reads the document when something was missed", async () => {
    const { socket, state, cell, page } = open();
    state(BO);
    const op = (insert: string, length: number) => [{ op: "patch", id: "a", length, at: length, delete: 0, insert }];
    socket.say({ type: "edit", by: "bo", seq: 1, ops: op("1", 1) });
    socket.say({ type: "edit", by: "bo", seq: 3, ops: op("3", 3) });
    expect(socket.of("resync").length).toBe(1);
    expect(cell.source.value, "nothing is applied any more").toBe("x1");
    server = { version: 2, source: "x123" };
    socket.say({ type: "edit", by: "bo", seq: 4, ops: [{ op: "saved", version: 2, sum: "other" }] });
    await vi.advanceTimersByTimeAsync(10);
    expect([cell.source.value, page.autosave.version.value]).toEqual(["x123", 2]);
    socket.say({ type: "edit", by: "bo", seq: 5, ops: op("4", 4) });
    expect(cell.source.value).toBe("x1234");
  });

  it("reads a version that was saved elsewhere", async () => {
    const { state, cell } = open("view");
    server = { version: 5, source: "restored" };
    state(null);
    await vi.advanceTimersByTimeAsync(1000);
    expect(cell.source.value).toBe("restored");
  });

  it("saves before it lets go to whoever takes over", async () => {
    const { live, socket, state, notebook, cell } = open();
    state(ME);
    notebook.setSource(cell, "last words");
    socket.say({ type: "flush", by: "Bo" });
    await vi.advanceTimersByTimeAsync(50);
    expect(server.source).toBe("last words");
    expect(socket.of("release").length).toBe(1);
    state(BO);
    expect(live.readOnly.value).toBe(true);
  });

  it("does not let go of what could not be saved, and never throws it away", async () => {
    const { socket, state, notebook, cell, page } = open();
    state(ME);
    server.fails = true;
    notebook.setSource(cell, "mine");
    socket.say({ type: "flush", by: "Bo" });
    await vi.advanceTimersByTimeAsync(4000);
    expect(socket.of("release")).toEqual([]);
    server = { version: 3, source: "theirs", fails: true };
    state(BO);
    await vi.advanceTimersByTimeAsync(3000);
    expect(cell.source.value).toBe("mine");
    expect(page.autosave.state.value.kind).toBe("conflict");
  });

  it("gives way to the tab of the same person that is typed in, once the other is idle", async () => {
    const { live, socket, state, notebook, cell } = open();
    state({ ...BO, same_person: true });
    expect(live.readOnly.value).toBe(false);
    socket.say({ type: "edit", by: "bo", seq: 1, ops: [{ op: "patch", id: "a", length: 1, at: 1, delete: 0, insert: "!" }] });
    expect(live.readOnly.value, "the other is being typed in").toBe(true);
    await vi.advanceTimersByTimeAsync(2500);
    expect(live.readOnly.value).toBe(false);
    notebook.setSource(cell, "here");
    expect(socket.of("take").at(-1)).toEqual({ type: "take", over: false });
  });

  it("asks to take over, once, and says so when it is refused", () => {
    const { live, socket, state, page } = open();
    state(BO);
    live.take(true);
    expect([socket.of("take").at(-1)!.over, live.asking.value]).toEqual([true, true]);
    socket.say({ type: "error", code: "busy", message: "Somebody else is just taking over." });
    expect(live.asking.value).toBe(false);
    expect(page.say).toHaveBeenCalledWith("Somebody else is just taking over.");
  });

  it("goes to the session that somebody else has opened", () => {
    const { state, page } = open("view");
    state(BO, { session: "s2" });
    expect(page.session.meet).toHaveBeenCalledWith("s2");
  });

  it("says that the notebook is gone and keeps what is on the page", () => {
    const { live, socket, cell } = open();
    socket.onclose!({ code: 4404 });
    expect([live.gone.value, live.readOnly.value, cell.source.value]).toEqual([true, true, "x"]);
  });

  it("shows a person once, however many tabs they have", () => {
    expect(onePerPerson([person("a"), person("b"), person("c", 2)]).map((one) => one.tabs)).toEqual([["a", "b"], ["c"]]);
    expect(difference([], [])).toEqual([]);
  });
});
