// The bytes between a terminal and its PTY.

import type { Terminal } from "@xterm/xterm";
import { backoff, FINAL_CODES } from "../session/socket";

// So many key presses are kept while the line is being made.
const MOST_EARLY = 1000;

export class PtyLine {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private timer = 0;
  private closed = false;
  private ended = false;
  private early: (string | Uint8Array<ArrayBuffer>)[] = [];
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly session: string,
    private readonly name: string,
    private readonly terminal: Pick<Terminal, "rows" | "cols" | "write" | "reset">,
  ) {
    this.connect();
  }

  type(text: string): void {
    if (this.ended) return this.again();
    this.send(this.encoder.encode(text));
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
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
    else if (this.socket?.readyState === WebSocket.CONNECTING && this.early.length < MOST_EARLY) this.early.push(data);
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { rows, cols } = this.terminal;
    const socket = new WebSocket(`${scheme}://${location.host}/ws/sessions/${this.session}/terminals/${this.name}?rows=${rows}&cols=${cols}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.early = [];
    socket.onopen = () => {
      for (const data of this.early.splice(0)) socket.send(data);
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      this.attempt = 0;
      if (typeof event.data === "string") this.notice(event.data);
      else this.terminal.write(new Uint8Array(event.data));
    };
    socket.onclose = (event) => {
      if (this.closed || this.ended) return;
      if (FINAL_CODES.has(event.code)) return this.end("The session has ended.", false);
      this.timer = window.setTimeout(() => this.connect(), backoff(this.attempt++, Math.random()));
    };
  }

  private notice(text: string): void {
    let notice: { replay?: unknown; exit?: unknown };
    try {
      notice = JSON.parse(text) as typeof notice;
    } catch {
      return;
    }
    // What follows is all that is known of the screen: what is drawn now would be there twice.
    if (notice.replay !== undefined) this.terminal.reset();
    if (notice.exit !== undefined) this.end(`The shell ended with code ${Number(notice.exit)}. Press a key for a new one.`, true);
  }

  private end(words: string, again: boolean): void {
    this.ended = again;
    this.closed = !again;
    this.terminal.write(`\r\n\x1b[2m${words}\x1b[0m\r\n`);
  }

  private again(): void {
    this.ended = false;
    this.socket?.close();
    this.terminal.reset();
    this.connect();
  }
}
