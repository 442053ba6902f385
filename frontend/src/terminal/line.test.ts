// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exitInWords, PtyLine } from "./line";

class FakeSocket {
  static made: FakeSocket[] = [];
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  readyState = 1;
  sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) { FakeSocket.made.push(this); }
  send(data: unknown) { this.sent.push(data); }
  close() { this.readyState = 3; }
}

function open() {
  const drawn: string[] = [];
  const terminal = { rows: 24, cols: 80, write: (data: string | Uint8Array, done?: () => void) => {
    if (data.length) drawn.push(typeof data === "string" ? data : new TextDecoder().decode(data));
    done?.();
  }, reset: () => void drawn.push("RESET"), buffer: { active: { type: "normal" } } } as unknown as ConstructorParameters<typeof PtyLine>[2];
  const ends: (string | null)[] = [];
  const line = new PtyLine("s", "1", terminal, (words) => void ends.push(words));
  return { line, drawn, ends, terminal, socket: FakeSocket.made.at(-1)! };
}

describe("the line to a terminal", () => {
  beforeEach(() => {
    FakeSocket.made = [];
    vi.stubGlobal("WebSocket", FakeSocket);
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("sends what is typed as bytes and sizes as JSON", () => {
    const { line, socket } = open();
    line.type("é");
    line.resize(10, 40);
    expect(Array.from(socket.sent[0] as Uint8Array)).toEqual([0xc3, 0xa9]);
    expect(socket.sent[1]).toBe('{"resize":[10,40]}');
    expect(socket.url).toContain("/ws/sessions/s/terminals/1?rows=24&cols=80");
  });
  it("keeps what is typed while the line is being made", () => {
    const { line, socket } = open();
    socket.readyState = FakeSocket.CONNECTING;
    line.type("l");
    expect(socket.sent).toEqual([]);
    socket.readyState = FakeSocket.OPEN;
    socket.onopen!();
    line.type("s");
    expect(socket.sent.map((data) => new TextDecoder().decode(data as Uint8Array))).toEqual(["l", "s"]);
  });
  it("clears what is drawn before a replay", () => {
    const { drawn, socket } = open();
    socket.onmessage!({ data: '{"replay": 5}' });
    socket.onmessage!({ data: new TextEncoder().encode("hello").buffer });
    expect(drawn).toEqual(["RESET", "hello"]);
  });
  it("answers nothing of a replay, and lets a full-screen program draw itself anew", () => {
    const { line, socket, terminal } = open();
    socket.onmessage!({ data: '{"replay": 8}' });
    expect(line.repeats).toBe(true);
    (terminal.buffer.active as { type: string }).type = "alternate";
    socket.onmessage!({ data: new TextEncoder().encode("half").buffer });
    expect([line.repeats, socket.sent]).toEqual([true, []]);
    socket.onmessage!({ data: new TextEncoder().encode("half").buffer });
    expect(line.repeats).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(socket.sent).toEqual(['{"resize":[23,80]}', '{"resize":[24,80]}']);
  });
  it("sends no size after a replay of a shell", () => {
    const { line, socket } = open();
    socket.onmessage!({ data: '{"replay": 0}' });
    expect(line.repeats).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(socket.sent).toEqual([]);
  });
  it("comes back after a break, but not after the session's end", () => {
    const { socket } = open();
    socket.onclose!({ code: 1006 });
    vi.advanceTimersByTime(5000);
    expect(FakeSocket.made).toHaveLength(2);
    FakeSocket.made[1]!.onclose!({ code: 4409 });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.made).toHaveLength(2);
  });
  it("says once in each break that what is typed is not sent, also while it is tried again in vain", () => {
    const { line, socket, drawn } = open();
    const last = () => FakeSocket.made.at(-1)!;
    const lost = (socket: FakeSocket) => {
      socket.readyState = 3;
      socket.onclose!({ code: 1006 });
    };
    lost(socket);
    line.resize(10, 40);
    expect(drawn).toEqual([]);
    line.type("a");
    line.type("b");
    expect(drawn).toEqual([expect.stringContaining("what you type is not sent")]);
    vi.advanceTimersByTime(5000);
    last().onmessage!({ data: '{"replay": 0}' });
    lost(last());
    vi.advanceTimersByTime(5000);
    last().readyState = FakeSocket.CONNECTING;
    line.resize(10, 40);
    lost(last());
    vi.advanceTimersByTime(5000);
    expect(drawn.length, "a size is no loss").toBe(2);
    last().readyState = FakeSocket.CONNECTING;
    line.type("c");
    lost(last());
    vi.advanceTimersByTime(5000);
    expect(drawn.slice(1)).toEqual(["RESET", expect.stringContaining("what you type is not sent")]);
  });
  it("waits for who has been signed out, and tells why others are refused", () => {
    const { socket, ends } = open();
    socket.onclose!({ code: 4401 });
    vi.advanceTimersByTime(30_000);
    expect(FakeSocket.made).toHaveLength(2);
    FakeSocket.made[1]!.onclose!({ code: 4403, reason: "This pool offers no terminal." } as never);
    expect(ends).toEqual(["This pool offers no terminal."]);
  });
  it("is made anew when the page's own line was down, and hears nothing of the old one", () => {
    const { line, socket, drawn } = open();
    line.renew();
    expect(FakeSocket.made).toHaveLength(2);
    expect([socket.readyState, socket.onmessage]).toEqual([3, null]);
    expect(drawn).toEqual([]);
  });
  it("says in words how a shell ended", () => {
    expect([0, 3, -9, 137, -1].map(exitInWords)).toEqual(["The shell ended.", "The shell ended with code 3.", "The shell was killed, perhaps because the memory was full.", "The shell was killed, perhaps because the memory was full.", "The shell was ended by signal 1."]);
  });
  it("starts a new shell at a key press after the old one ended", () => {
    const { line, socket } = open();
    socket.onmessage!({ data: '{"exit": 0}' });
    socket.onclose!({ code: 1000 });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.made).toHaveLength(1);
    line.type("x");
    expect(FakeSocket.made).toHaveLength(2);
  });
});
