import { describe, expect, it } from "vitest";
import { backoff, LastingSocket, type SocketEvents, type Surroundings } from "./socket";

class FakeSocket {
  readyState = 0;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) {}
  send(data: string) { this.sent.push(data); }
  close() { this.readyState = 3; }
  accept() { this.readyState = 1; this.onopen?.(); }
  say(message: unknown) { this.onmessage?.({ data: JSON.stringify(message) }); }
  fail(code = 1006) { this.readyState = 3; this.onclose?.({ code }); }
}

function line() {
  const sockets: FakeSocket[] = [];
  const timers = new Map<number, { callback: () => void; milliseconds: number }>();
  const heard: unknown[] = [];
  const ends: number[] = [];
  let next = 0;
  let after = 0;
  const around: Surroundings = {
    open: (url) => { const socket = new FakeSocket(url); sockets.push(socket); return socket as unknown as WebSocket; },
    setTimer: (callback, milliseconds) => (timers.set(++next, { callback, milliseconds }), next),
    clearTimer: (timer) => void timers.delete(timer as number),
    random: () => 1,
  };
  const events: SocketEvents = {
    url: () => `?after=${after}`, onOpen: () => heard.push("open"), onWaiting: (delay) => heard.push(`wait ${delay}`),
    onEnd: (code) => ends.push(code),
    onMessage: (message) => { after = (message as { seq: number }).seq; heard.push(message); },
  };
  const socket = new LastingSocket(events, around);
  /** Let the timer with the shortest time fire. */
  const tick = () => { const [id, timer] = [...timers].sort((a, b) => a[1].milliseconds - b[1].milliseconds)[0]!; timers.delete(id); timer.callback(); return timer.milliseconds; };
  return { socket, sockets, heard, ends, tick, timers };
}

describe("a line to a session", () => {
  it("comes back after a break and asks for what it missed", () => {
    const { sockets, tick } = line();
    sockets[0]!.accept();
    sockets[0]!.say({ seq: 5 });
    sockets[0]!.fail();
    tick();
    expect(sockets.map((each) => each.url)).toEqual(["?after=0", "?after=5"]);
  });

  it("never gives up, and waits longer each time up to a bound", () => {
    const { sockets, tick } = line();
    const delays = Array.from({ length: 40 }, () => { sockets.at(-1)!.fail(); return tick(); });
    expect(delays.slice(0, 4)).toEqual([300, 600, 1200, 2400]);
    expect(Math.max(...delays)).toBe(20_000);
    expect(sockets).toHaveLength(41);
  });

  it("spreads its attempts", () => expect(backoff(3, 0)).toBeLessThan(backoff(3, 0.99)));

  it("stops when the server says that the session is over", () => {
    const { sockets, ends, timers } = line();
    sockets[0]!.fail(4409);
    expect(ends).toEqual([4409]);
    expect(timers.size).toBe(0);
  });

  it("takes a silent line for dead", () => {
    const { sockets, tick, timers } = line();
    sockets[0]!.accept();
    expect(tick()).toBe(20_000);
    expect(sockets[0]!.sent).toEqual(['{"type":"ping"}']);
    [...timers.values()].find((timer) => timer.milliseconds === 50_000)!.callback();
    expect(sockets[0]!.readyState).toBe(3);
  });

  it("says when it cannot send", () => {
    const { socket, sockets } = line();
    expect(socket.send({ type: "ping" })).toBe(false);
    sockets[0]!.accept();
    expect(socket.send({ type: "ping" })).toBe(true);
  });

  it("hurries only while it waits", () => {
    const { socket, sockets } = line();
    socket.hurry();
    expect(sockets).toHaveLength(1);
    sockets[0]!.fail();
    socket.hurry();
    expect(sockets).toHaveLength(2);
  });

  it("keeps quiet about frames that are not JSON", () => {
    const { sockets, heard } = line();
    sockets[0]!.onmessage?.({ data: "{" });
    expect(heard).toEqual([]);
  });
});
