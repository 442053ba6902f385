// Saves the document a moment after the last edit, one request at a time, always saying which version it was based on.

import { effect, signal, type Signal } from "@preact/signals";
import { ApiError, ask } from "../api";
import type { Notebook } from "./document";

export type SaveState =
  | { kind: "saved" | "edited" | "saving" }
  | { kind: "failed"; message: string }
  /** Somebody saved in between; nothing more is saved until the user has chosen. */
  | { kind: "conflict"; message: string; theirs: number };

const QUIET = 500;
// What a browser still sends for a page that is being left.
const LAST_WORDS = 60_000;
const RETRY = 4000;

export class Autosave {
  readonly state = signal<SaveState>({ kind: "saved" });
  /** What the page shows, with the edits that are not saved yet. */
  readonly version: Signal<number>;
  private saved: number;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;

  constructor(
    private readonly url: string,
    private readonly notebook: Notebook,
    version: number,
    private readonly request: typeof ask = ask,
  ) {
    this.version = signal(version);
    this.saved = notebook.edits.value;
    effect(() => {
      if (notebook.edits.value !== this.saved && this.state.peek().kind !== "conflict") this.schedule(QUIET);
    });
  }

  get dirty(): boolean {
    return this.notebook.edits.peek() !== this.saved;
  }

  /** Whether leaving the page now would lose something that `leave` cannot save. */
  get atRisk(): boolean {
    return this.dirty && (this.state.peek().kind !== "edited" || JSON.stringify(this.notebook).length > LAST_WORDS);
  }

  /** The page is left: what is small enough is saved by the browser after it is gone. */
  leave(): void {
    if (!this.atRisk) void this.flush({ keepalive: true });
  }

  /** Save now, as on Ctrl+S. */
  async flush(options: RequestInit = {}): Promise<void> {
    clearTimeout(this.timer);
    if (this.running || this.state.peek().kind === "conflict" || !this.dirty) return;
    this.running = true;
    this.state.value = { kind: "saving" };
    const edits = this.notebook.edits.peek();
    try {
      const { body } = await this.request<{ version: number }>("PUT", this.url, { version: this.version.peek(), document: this.notebook }, options);
      this.saved = edits;
      this.version.value = body.version;
      this.state.value = { kind: this.dirty ? "edited" : "saved" };
    } catch (error) {
      this.fail(error as ApiError);
    } finally {
      this.running = false;
      const after = this.state.peek().kind;
      if (after !== "conflict" && this.dirty) this.schedule(after === "failed" ? RETRY : QUIET);
    }
  }

  /** Overwrite what was saved in between. */
  async keepMine(): Promise<void> {
    const state = this.state.peek();
    if (state.kind !== "conflict") return;
    this.version.value = state.theirs;
    this.state.value = { kind: "edited" };
    await this.flush();
  }

  /** The page shows this saved version now, and nothing of its own. */
  adopt(version: number): void {
    clearTimeout(this.timer);
    this.saved = this.notebook.edits.peek();
    this.version.value = version;
    this.state.value = { kind: "saved" };
  }

  private fail(error: ApiError): void {
    const theirs = Number(error.body?.version);
    if (error.status === 409 && theirs) this.state.value = { kind: "conflict", message: error.message, theirs };
    else this.state.value = { kind: "failed", message: error.message };
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer);
    if (this.state.peek().kind === "saved") this.state.value = { kind: "edited" };
    this.timer = setTimeout(() => void this.flush(), delay);
  }
}
