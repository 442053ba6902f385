// The bytes between a terminal and its PTY.

import type { Terminal } from "@xterm/xterm";
import { backoff, FINAL_CODES } from "../session/socket";

// So many key presses are kept while the line is being made.
const MOST_EARLY = 1000;
const SIGNED_OUT = 4401;
// Between two sizes, so that a program sees both.
const BETWEEN_SIZES = 120;

type Screen = Pick<Terminal, "rows" | "cols" | "write" | "reset" | "buffer">;

export class PtyLine {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private timer = 0;
  private closed = false;
  private ended = false;
  /** Whether what is being drawn was drawn before, in this tab or another. */
  repeats = false;
  /** Bytes of it that are still to come. */
  private repeating = 0;
  /** That typing is lost was said once since the line broke. */
  private warned = false;
  private early: (string | Uint8Array<ArrayBuffer>)[] = [];
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly session: string,
    private readonly name: string,
    private readonly terminal: Screen,
    /** Why it ended, and whether another can be had in its place; null when there is one again. */
    private readonly onEnd: (words: string | null, again: boolean) => void,
  ) {
    this.connect();
  }

  type(text: string): void {
    if (this.ended) return this.again();
    if (!this.send(this.encoder.encode(text))) this.warn();
  }

  /** Mouse reports of old programs are bytes, not text. */
  typeBinary(text: string): void {
    this.send(Uint8Array.from(text, (character) => character.charCodeAt(0) & 255));
  }

  resize(rows: number, cols: number): void {
    this.send(JSON.stringify({ resize: [rows, cols] }));
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  /** A shell in the place of the one that has ended. */
  again(): void {
    this.ended = this.closed = false;
    this.onEnd(null, true);
    this.terminal.reset();
    this.renew();
  }

  /** Make the line anew: the old one may have been cut without a word. */
  renew(): void {
    if (this.closed || this.ended) return;
    this.drop();
    this.connect();
  }

  private drop(): void {
    clearTimeout(this.timer);
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }

  /** False where it is dropped: who typed blindly for minutes would not want all of it to be run. */
  private send(data: string | Uint8Array<ArrayBuffer>): boolean {
    const state = this.socket?.readyState;
    if (state === WebSocket.OPEN) this.socket!.send(data);
    else if (state === WebSocket.CONNECTING && this.early.length < MOST_EARLY) this.early.push(data);
    else return false;
    return true;
  }

  private warn(): void {
    if (this.warned || this.closed) return;
    this.warned = true;
    this.say("The connection is down: what you type is not sent.");
  }

  private say(words: string): void {
    this.terminal.write(`\r\n\x1b[2m${words}\x1b[0m\r\n`);
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { rows, cols } = this.terminal;
    const socket = new WebSocket(`${scheme}://${location.host}/ws/sessions/${this.session}/terminals/${this.name}?rows=${rows}&cols=${cols}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    // Sizes are no loss: the new line begins with the one that counts.
    if (this.early.some((data) => typeof data !== "string")) this.warn();
    this.early = [];
    socket.onopen = () => {
      for (const data of this.early.splice(0)) socket.send(data);
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      this.attempt = 0;
      this.warned = false;
      if (typeof event.data === "string") this.notice(event.data);
      else this.draw(new Uint8Array(event.data));
    };
    socket.onclose = (event) => {
      if (this.closed || this.ended) return;
      // Whoever signs in again comes back to it, with the page.
      if (FINAL_CODES.has(event.code) && event.code !== SIGNED_OUT) return this.end(event.reason || "The session has ended.", false);
      this.timer = window.setTimeout(() => this.connect(), backoff(this.attempt++, Math.random()));
    };
  }

  private draw(data: Uint8Array): void {
    this.terminal.write(data);
    if (!this.repeating) return;
    this.repeating = Math.max(0, this.repeating - data.length);
    if (!this.repeating) this.terminal.write("", () => this.repeated());
  }

  private repeated(): void {
    this.repeats = false;
    this.redraw();
  }

  /** What is repeated is a part only of what a full-screen program has drawn. It draws all of it when the size changes. */
  private redraw(): void {
    const { rows, cols, buffer } = this.terminal;
    if (buffer.active.type !== "alternate" || rows < 2) return;
    this.resize(rows - 1, cols);
    window.setTimeout(() => this.resize(this.terminal.rows, this.terminal.cols), BETWEEN_SIZES);
  }

  private notice(text: string): void {
    let notice: { replay?: unknown; exit?: unknown };
    try {
      notice = JSON.parse(text) as typeof notice;
    } catch {
      return;
    }
    // What follows is all that is known of the screen: what is drawn now would be there twice.
    if (notice.replay !== undefined) {
      this.terminal.reset();
      this.repeating = Number(notice.replay) || 0;
      this.repeats = this.repeating > 0;
    }
    if (notice.exit !== undefined) this.end(exitInWords(Number(notice.exit)), true);
  }

  private end(words: string, again: boolean): void {
    this.ended = again;
    this.closed = !again;
    this.say(`${words}${again ? " Press a key for a new one." : ""}`);
    this.onEnd(words, again);
  }
}

/** How a shell ended: by itself with a code, or killed by a signal, which is told as a negative number. */
export function exitInWords(code: number): string {
  if (code === -9 || code === 137) return "The shell was killed, perhaps because the memory was full.";
  if (code < 0) return `The shell was ended by signal ${-code}.`;
  return code === 0 ? "The shell ended." : `The shell ended with code ${code}.`;
}
