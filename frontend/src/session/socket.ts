// One line to one session that never gives up: it comes back after any break and asks for what it missed.

export interface SocketEvents {
  /** Where to connect now; read again at every attempt, so that it can carry the last seq. */
  url(): string;
  onOpen(): void;
  onMessage(message: unknown): void;
  /** The line broke; the next attempt is in `delay` milliseconds. */
  onWaiting(delay: number): void;
  /** The server ended it for good: one of the codes in FINAL_CODES. */
  onEnd(code: number): void;
}

export interface Surroundings {
  open(url: string): WebSocket;
  setTimer(callback: () => void, milliseconds: number): unknown;
  clearTimer(timer: unknown): void;
  random(): number;
}

const BROWSER: Surroundings = {
  open: (url) => new WebSocket(url),
  setTimer: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimer: (timer) => clearTimeout(timer as number),
  random: Math.random,
};

/** Bad request, not signed in, not allowed, no such session, session ended: trying again would change nothing. */
export const FINAL_CODES = new Set([4400, 4401, 4403, 4404, 4409]);

const FIRST_DELAY = 300;
const LONGEST_DELAY = 20_000;
const PING_EVERY = 20_000;
// A line that says nothing for this long, pings included, is dead even if nobody told us.
const SILENCE = 50_000;
const ANSWER_WITHIN = 5000;

/** Full jitter: after a restart of the server not all tabs come at once. */
export function backoff(attempt: number, random: number): number {
  return Math.round(Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 10)) * (0.5 + random / 2));
}

export class LastingSocket {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private retry: unknown = null;
  private pinger: unknown = null;
  private silence: unknown = null;
  private closed = false;

  constructor(
    private readonly events: SocketEvents,
    private readonly around: Surroundings = BROWSER,
  ) {
    this.connect();
  }

  get isOpen(): boolean {
    return this.socket?.readyState === 1;
  }

  /** False when the line is down: whoever needs it sent keeps it and sends it after `onOpen`. */
  send(message: object): boolean {
    if (!this.isOpen) return false;
    this.socket!.send(JSON.stringify(message));
    return true;
  }

  /** Do not wait for the next attempt: the network is back, or the tab was woken. */
  hurry(): void {
    if (this.closed || this.retry === null) return;
    this.around.clearTimer(this.retry);
    this.connect();
  }

  /** The network may be gone without a word, or the tab has slept: find out now and not at the next ping. */
  probe(): void {
    if (this.closed) return;
    if (this.retry !== null) return this.hurry();
    this.send({ type: "ping" });
    this.listen(ANSWER_WITHIN);
  }

  /** Drop the line and come back, as after something was missed. */
  reconnect(): void {
    if (this.socket) this.drop(this.socket);
    this.wait();
  }

  close(): void {
    this.closed = true;
    this.around.clearTimer(this.retry);
    if (this.socket) this.drop(this.socket);
  }

  private connect(): void {
    this.retry = null;
    const socket = this.around.open(this.events.url());
    this.socket = socket;
    this.listen();
    socket.onopen = () => {
      this.schedulePing();
      this.events.onOpen();
    };
    socket.onmessage = (event: MessageEvent) => {
      this.attempt = 0;
      this.listen();
      let message: unknown;
      try {
        message = JSON.parse(event.data as string);
      } catch {
        return;
      }
      this.events.onMessage(message);
    };
    socket.onclose = (event: CloseEvent) => {
      this.forget();
      if (this.closed) return;
      if (FINAL_CODES.has(event.code)) {
        this.closed = true;
        this.events.onEnd(event.code);
      } else this.wait();
    };
  }

  private wait(): void {
    if (this.closed) return;
    const delay = backoff(this.attempt++, this.around.random());
    this.retry = this.around.setTimer(() => this.connect(), delay);
    this.events.onWaiting(delay);
  }

  private listen(within = SILENCE): void {
    this.around.clearTimer(this.silence);
    this.silence = this.around.setTimer(() => this.reconnect(), within);
  }

  private schedulePing(): void {
    this.around.clearTimer(this.pinger);
    this.pinger = this.around.setTimer(() => {
      this.send({ type: "ping" });
      this.schedulePing();
    }, PING_EVERY);
  }

  private forget(): void {
    this.around.clearTimer(this.pinger);
    this.around.clearTimer(this.silence);
    this.socket = null;
  }

  private drop(socket: WebSocket): void {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.forget();
  }
}
