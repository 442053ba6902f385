// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PtyLine } from "./line";

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
  const terminal = { rows: 24, cols: 80, write: (data: string | Uint8Array) => void drawn.push(typeof data === "string" ? data : new TextDecoder().decode(data)), reset: () => void drawn.push("RESET") };
  const line = new PtyLine("s", "1", terminal);
  return { line, drawn, socket: FakeSocket.made.at(-1)! };
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
  it("comes back after a break, but not after the session's end", () => {
    const { socket } = open();
    socket.onclose!({ code: 1006 });
    vi.advanceTimersByTime(5000);
    expect(FakeSocket.made).toHaveLength(2);
    FakeSocket.made[1]!.onclose!({ code: 4409 });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.made).toHaveLength(2);
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
