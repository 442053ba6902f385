// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Execution } from "../outputs/execution";
import { NotebookSession } from "./session";
import { containerInWords, describe as inWords, duration, size } from "./words";

class FakeSocket {
  static made: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) { FakeSocket.made.push(this); }
  send(data: string) { this.sent.push(JSON.parse(data) as Record<string, unknown>); }
  close() { this.readyState = 3; }
  accept() { this.readyState = 1; this.onopen!(); }
  say(message: unknown) { this.onmessage!({ data: JSON.stringify(message) }); }
  state(state: string, more: object = {}) { this.say({ channel: "session", type: "state", state, ...more }); }
  entry(seq: number, msg_type: string, content: object, id: string, channel = "iopub") {
    this.say({ seq, context: "default", channel, header: { msg_type }, parent_header: { msg_id: id }, content });
  }
  get executed() { return this.sent.filter((message) => message.type === "execute").map((message) => message.code); }
}

let answers: { status: number; body: object; headers?: Record<string, string> }[] = [];
let asked: string[] = [];

async function session(...given: typeof answers) {
  answers = given;
  const seen: Record<string, Execution["state"][]> = {};
  const problems: string[] = [];
  const made = new NotebookSession("python", "notebook-1", (changed) => changed.forEach((each) => (seen[each.cell] ??= []).push(each.state)), (problem) => problems.push(problem));
  return { made, seen, problems };
}
const socket = () => FakeSocket.made.at(-1)!;
const soon = () => vi.advanceTimersByTimeAsync(50);
const LEASED = { status: 201, body: { id: "s1" } };

describe("the session of a notebook", () => {
  beforeEach(() => {
    FakeSocket.made = [];
    asked = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", FakeSocket);
    vi.stubGlobal("fetch", async (url: string, options: RequestInit) => {
      asked.push(`${options.method} ${url}`);
      const { status, body, headers } = answers.shift()!;
      return new Response(JSON.stringify(body), { status, headers: headers ?? {} });
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("sends what is asked for just as the line is there behind what has waited for it", async () => {
    const { made } = await session({ status: 202, body: { id: "s1" } });
    made.run("c1", "one");
    await soon();
    socket().accept();
    made.run("c2", "two");
    socket().state("starting");
    expect(socket().executed).toEqual(["one", "two"]);
  });

  it("is opened by the first run, which waits until there is a sandbox", async () => {
    const { made } = await session({ status: 202, body: { id: "s1", phase: "queued", position: 2 } });
    made.run("c1", "1+1");
    await soon();
    expect(asked).toEqual(["POST /api/v1/sessions"]);
    expect(inWords(made.view.value).label).toBe("Waiting for a free place");
    socket().accept();
    expect(socket().executed).toEqual([]);
    socket().state("starting", { phase: "creating" });
    expect(socket().executed, "the server keeps it until there is one").toEqual(["1+1"]);
    socket().state("leased");
    expect(socket().executed).toEqual(["1+1"]);
    socket().state("leased", { expires_at: 5 });
    expect(socket().executed).toEqual(["1+1"]);
  });

  it("shows what waits at the server for a sandbox, and what was taken out by another tab", async () => {
    const { made, seen } = await session({ status: 202, body: { id: "s1" } });
    void made.open();
    await soon();
    socket().accept();
    const [one, two] = [{ id: "e1", cell: "c1", position: 1, queued_at: 5 }, { id: "e2", cell: "c2", position: 2, queued_at: 6 }];
    socket().state("starting", { waiting: [one, two] });
    expect(seen).toEqual({ c1: ["queued"], c2: ["queued"] });
    socket().state("starting", { waiting: [one] });
    expect(seen.c2).toEqual(["queued", "cancelled"]);
    socket().state("gone", { reason: "start_failed" });
    expect(seen.c1!.at(-1)).toBe("aborted");
  });

  it("sends again what was not heard of before the line broke, and nothing else", async () => {
    const { made } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    const first = made.run("c1", "one");
    made.run("c2", "two");
    socket().entry(1, "execution_state", { state: "running", cell: "c1" }, first.id, "agent");
    socket().onclose!({ code: 1006 });
    expect(inWords(made.view.value).label).toBe("Disconnected");
    made.run("c3", "three");
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket().url).toContain("after=1");
    socket().accept();
    socket().state("leased");
    expect(socket().executed).toEqual(["two", "three"]);
  });

  it("asks again where an entry is missing", async () => {
    const { made } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().entry(1, "stream", { name: "stdout", text: "a" }, "e");
    socket().entry(3, "stream", { name: "stdout", text: "c" }, "e");
    await vi.advanceTimersByTimeAsync(1000);
    expect(FakeSocket.made).toHaveLength(2);
    expect(socket().url).toContain("after=1");
  });

  it("says why it ended, and that what ran is lost", async () => {
    const { made, seen } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    const run = made.run("c1", "loop()");
    socket().entry(1, "execution_state", { state: "running", cell: "c1" }, run.id, "agent");
    made.run("c2", "later()");
    socket().state("gone", { reason: "out_of_memory" });
    expect(seen.c1!.at(-1)).toBe("lost");
    expect(seen.c2!.at(-1)).toBe("aborted");
    expect(inWords(made.view.value)).toMatchObject({ sign: "ended", label: "Ended", detail: "Its sandbox used more memory than it has." });
    expect(made.live).toBe(false);
  });

  it("tries again after a while when all places are taken, as long as something waits", async () => {
    const full = { status: 429, body: { error: "pool_full", message: "All in use." }, headers: { "Retry-After": "2" } };
    const { made, seen } = await session(full, LEASED);
    made.run("c1", "1");
    await soon();
    expect(inWords(made.view.value)).toMatchObject({ label: "No sandbox", detail: "All in use." });
    await vi.advanceTimersByTimeAsync(2100);
    expect(asked).toHaveLength(2);
    expect(seen.c1).toBeUndefined();
  });

  it("says why and gives up where the hours of the month are used up", async () => {
    const spent = { status: 429, body: { error: "quota_reached", message: "Wait until December." }, headers: { "Retry-After": "2500000" } };
    const { made, seen } = await session(spent);
    made.run("c1", "1");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    expect(seen.c1).toEqual(["aborted"]);
    expect(inWords(made.view.value)).toMatchObject({ label: "No sandbox", detail: "Wait until December." });
  });

  it("gives up at once where waiting does not help", async () => {
    const { made, seen } = await session({ status: 404, body: { error: "not_found", message: "There is no such pool." } });
    made.run("c1", "1");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    expect(seen.c1).toEqual(["aborted"]);
  });

  it("answers questions of the editor, or null when there is no answer in time", async () => {
    const { made } = await session(LEASED);
    expect(await made.question("complete", "x", 1)).toBeNull();
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    const answered = made.question("complete", "im", 2);
    socket().say({ channel: "session", type: "reply", id: socket().sent.at(-1)!.id, content: { matches: ["import"] } });
    expect(await answered).toEqual({ matches: ["import"] });
    const silent = made.question("inspect", "im", 2);
    await vi.advanceTimersByTimeAsync(7000);
    expect(await silent).toBeNull();
  });

  it("keeps what waits while one is signed out, and goes on by itself", async () => {
    const { made, seen } = await session(LEASED, { status: 401, body: { error: "not_signed_in", message: "Sign in." } }, { status: 200, body: { id: "s1" } });
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    socket().onclose!({ code: 4401 });
    expect(inWords(made.view.value).label).toBe("Signed out");
    made.run("c1", "x");
    await vi.advanceTimersByTimeAsync(5100);
    expect(FakeSocket.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5100);
    expect(FakeSocket.made).toHaveLength(2);
    socket().accept();
    socket().state("leased");
    expect(socket().executed).toEqual(["x"]);
    expect(seen.c1).toBeUndefined();
    expect(inWords(made.view.value).label).toBe("Idle");
  });

  it("says so when the session is somebody else's, or may not be used any more", async () => {
    const { made } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().onclose!({ code: 4404 });
    expect(inWords(made.view.value)).toMatchObject({ label: "Ended" });
    expect(inWords(made.view.value).detail).toContain("somebody else");
    const other = (await session(LEASED)).made;
    void other.open();
    await soon();
    socket().accept();
    socket().onclose!({ code: 4403 });
    expect(inWords(other.view.value)).toMatchObject({ label: "No sandbox" });
    expect(inWords(other.view.value).detail).toContain("role");
  });

  it("knows since when it is cut off and when it tries again, and tries at once when told to", async () => {
    const { made } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    const at = Date.now();
    socket().onclose!({ code: 1006 });
    expect(made.downSince.value).toBe(at);
    expect(made.retryAt.value).toBeGreaterThan(at);
    made.tryNow();
    expect(FakeSocket.made).toHaveLength(2);
    expect(made.downSince.value).toBe(at);
    socket().accept();
    expect([made.downSince.value, made.retryAt.value]).toEqual([null, null]);
  });

  it("finds out at once that the network went, and not at the next ping", async () => {
    const { made } = await session({ status: 201, body: { id: "own" } });
    // The sessions of other tests hear the browser's events, too.
    const own = () => FakeSocket.made.filter((each) => each.url.includes("/own/")).at(-1)!;
    void made.open();
    await soon();
    own().accept();
    own().state("leased");
    dispatchEvent(new Event("offline"));
    expect(own().sent.at(-1)).toEqual({ type: "ping" });
    await vi.advanceTimersByTimeAsync(5100);
    expect(made.view.value.line).not.toBe("open");
    await vi.advanceTimersByTimeAsync(1000);
    own().accept();
    dispatchEvent(new Event("offline"));
    own().say({ channel: "session", type: "pong" });
    await vi.advanceTimersByTimeAsync(6000);
    expect(made.view.value.line).toBe("open");
  });

  it("is kept running while its line is down, or says that it could not be", async () => {
    const { made, problems } = await session(LEASED, { status: 200, body: {} }, { status: 503, body: { message: "Try later." } });
    made.keepAlive();
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    made.keepAlive();
    expect(socket().sent.at(-1)).toEqual({ type: "keep_alive" });
    socket().onclose!({ code: 1006 });
    made.keepAlive();
    await soon();
    made.keepAlive();
    await soon();
    expect(asked.slice(1)).toEqual(Array(2).fill("POST /api/v1/sessions/s1/keep-alive"));
    expect(problems).toEqual(["Try later."]);
  });

  it("shows a refused execution at its cell and other problems to the user", async () => {
    const { made, seen, problems } = await session(LEASED);
    void made.open();
    await soon();
    socket().accept();
    socket().state("leased");
    const run = made.run("c1", "x");
    socket().say({ channel: "session", type: "error", id: run.id, code: "too_large", message: "Too large." });
    expect(seen.c1).toEqual(["aborted"]);
    socket().say({ channel: "session", type: "error", id: null, code: "unavailable", message: "Try later." });
    socket().say({ channel: "session", type: "error", id: "forgotten", code: "unavailable", message: "Kernel busy." });
    expect(problems).toEqual(["Try later."]);
  });
});

describe("figures in words", () => {
  it("are short", () => {
    expect([0.012, 1.23, 42, 65, 3600, 7500].map(duration)).toEqual(["12 ms", "1.2 s", "42 s", "1 min 5 s", "1 h", "2 h 5 min"]);
    expect([0, 900, 1536, 180 * 2 ** 20, 2 ** 30].map(size)).toEqual(["0 B", "900 B", "1.5 KiB", "180 MiB", "1.0 GiB"]);
  });
});

describe("a container in words", () => {
  const view = { state: "leased", line: "open", phase: "", position: 0, reason: "", message: "", kernel: null } as const;

  it("runs, and is never idle or busy", () => {
    expect(containerInWords(view).label).toBe("Running");
    expect(containerInWords({ ...view, state: "opening", line: "none" }).label).toBe("Starting");
    expect(containerInWords({ ...view, state: "starting", phase: "starting container" }).label).toBe("Starting the container");
    expect(containerInWords({ ...view, state: "starting", phase: "starting container" }).detail).toBe("");
    expect(containerInWords({ ...view, state: "starting", phase: "queued", position: 3 }).detail).toContain("number 3");
  });

  it("ends with a reason that speaks of no cell", () => {
    const { label, detail } = containerInWords({ ...view, state: "gone", reason: "cooldown" });
    expect(label).toBe("Ended");
    expect(detail).toBe("It was idle for too long, so its sandbox was given back.");
  });
});
