// Saves the document a moment after the last edit, one request at a time, always saying which version it was based on.
//
// What is sent are the cells that were changed; the whole document only where most of it was, or the server asks for it.

import { effect, signal, type Signal } from "@preact/signals";
import { type ApiError, ask } from "../api";
import { canonical } from "../history/compare";
import type { Notebook, NotebookCell, NotebookDocument } from "./document";

export type SaveState =
  | { kind: "saved" | "edited" | "saving" }
  | { kind: "failed"; message: string; code: string }
  /** Somebody saved in between; nothing more is saved until that is settled. */
  | { kind: "conflict"; message: string; theirs: number }
  /** It is in the trash; nothing more is saved until it is back. */
  | { kind: "deleted"; message: string };

const QUIET = 500;
// Who types without a pause is saved all the same.
const LONGEST_WAIT = 5000;
// What a browser still sends for a page that is being left.
const LAST_WORDS = 60_000;
const RETRIES = [4000, 8000, 15_000, 30_000];

/** A document as it was saved, in pieces that are cheap to compare. */
interface Snapshot {
  cells: Map<string, string>;
  metadata: string;
}

export class Autosave {
  readonly state = signal<SaveState>({ kind: "saved" });
  /** Of the server's document: the one that this page's edits are based on. */
  readonly version: Signal<number>;
  private saved: number;
  private base: Snapshot;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waitingSince = 0;
  private saving: Promise<void> | null = null;
  private following: Promise<void> | null = null;
  private failures = 0;
  private whole = false;
  /** The server will refuse it until it is edited, or for as long as one may only look on: it is not sent again and again. */
  hopeless = false;
  private replaces = false;

  constructor(
    private readonly url: string,
    private readonly notebook: Notebook,
    version: number,
    private readonly request: typeof ask = ask,
  ) {
    this.version = signal(version);
    this.saved = notebook.edits.value;
    this.base = snapshot(notebook.toJSON());
    effect(() => {
      if (notebook.edits.value !== this.saved && !this.halted) this.schedule(QUIET);
    });
  }

  get dirty(): boolean {
    return this.notebook.edits.peek() !== this.saved;
  }

  /** Nothing is saved before the user, or a merge, has settled something. */
  private get halted(): boolean {
    return ["conflict", "deleted"].includes(this.state.peek().kind);
  }

  /** Whether leaving the page now would lose something that `leave` cannot save. */
  get atRisk(): boolean {
    return this.dirty && (this.state.peek().kind !== "edited" || JSON.stringify(this.change(snapshot(this.notebook.toJSON())).body).length > LAST_WORDS);
  }

  /** The document as it was last saved. */
  baseDocument(): NotebookDocument {
    const cells = [...this.base.cells.values()].map((cell) => JSON.parse(cell) as NotebookCell);
    return { nbformat: 4, nbformat_minor: 5, metadata: JSON.parse(this.base.metadata) as Record<string, unknown>, cells };
  }

  /** The page is left: what is small enough is saved by the browser after it is gone. */
  leave(): void {
    if (!this.atRisk) void this.flush({ keepalive: true });
  }

  /** Save now, as on Ctrl+S. What a save on its way does not hold is saved right after it, once for all who ask. */
  async flush(options: RequestInit = {}): Promise<void> {
    clearTimeout(this.timer);
    if (this.saving) return (this.following ??= this.saving.then(() => this.follow()));
    if (this.halted || !this.dirty) return;
    const edits = this.notebook.edits.peek();
    const now = snapshot(this.notebook.toJSON());
    const { empty, method, body } = this.change(now);
    if (empty) return this.settle(edits, now);
    this.hopeless = false;
    this.state.value = { kind: "saving" };
    this.saving = this.request<{ version: number }>(method, this.url, { version: this.version.peek(), ...body, ...(this.replaces && { replaces: true }) }, options)
      .then((answer) => {
        this.replaces = this.whole = false;
        this.settle(edits, now);
        this.version.value = answer.body.version;
      })
      .catch((error: ApiError) => this.fail(error))
      .finally(() => {
        this.saving = null;
        if (!this.halted && !this.hopeless && this.dirty) this.schedule(this.failures ? RETRIES[Math.min(this.failures, RETRIES.length) - 1]! : QUIET);
      });
    return this.saving;
  }

  private follow(): Promise<void> {
    this.following = null;
    return this.flush();
  }

  /** From now on edits are based on this document of the server's. `replaces`: what it has and the page has not was seen, and goes. */
  rebase(version: number, document: NotebookDocument, replaces = false): void {
    this.version.value = version;
    this.base = snapshot(document);
    this.replaces = replaces;
    this.saved = -1;
    this.state.value = { kind: "edited" };
    void this.flush();
  }

  /** The notebook is back from the trash, at this version. */
  resume(): void {
    this.state.value = { kind: this.dirty ? "edited" : "saved" };
    void this.flush();
  }

  /** It was found out otherwise than by a save. */
  discover(error: ApiError): void {
    this.fail(error);
  }

  private settle(edits: number, now: Snapshot): void {
    this.saved = edits;
    this.base = now;
    this.failures = 0;
    this.waitingSince = 0;
    this.state.value = { kind: this.dirty ? "edited" : "saved" };
  }

  private change(now: Snapshot): { empty: boolean; method: "PUT" | "PATCH"; body: Record<string, unknown> } {
    const changed = [...now.cells].filter(([id, cell]) => this.base.cells.get(id) !== cell);
    const order = [...now.cells.keys()];
    const sameOrder = order.join("\n") === [...this.base.cells.keys()].join("\n");
    const sameMetadata = now.metadata === this.base.metadata;
    if (this.whole || (changed.length > 5 && changed.length > order.length / 2)) return { empty: false, method: "PUT", body: { document: this.notebook } };
    const cells = changed.map(([, cell]) => JSON.parse(cell) as NotebookCell);
    const body = { cells, ...(!sameOrder && { order }), ...(!sameMetadata && { metadata: JSON.parse(now.metadata) as unknown }) };
    return { empty: !changed.length && sameOrder && sameMetadata, method: "PATCH", body };
  }

  /** The page shows this saved version now, and nothing of its own. */
  adopt(version: number): void {
    clearTimeout(this.timer);
    this.saved = this.notebook.edits.peek();
    this.base = snapshot(this.notebook.toJSON());
    this.version.value = version;
    this.state.value = { kind: "saved" };
  }

  private fail(error: ApiError): void {
    const theirs = Number(error.body?.version);
    if (error.status === 409 && theirs) this.state.value = { kind: "conflict", message: error.message, theirs };
    else if (error.status === 410) this.state.value = { kind: "deleted", message: error.message };
    else {
      this.whole = error.code === "unknown_cells" || error.status === 405;
      const readOnly = error.code === "read_only";
      this.hopeless = readOnly || (!this.whole && [400, 413].includes(error.status));
      this.failures = this.whole ? 0 : this.failures + 1;
      // Any other 403: the token against forgery went with the sign-in.
      const code = error.status === 403 && !readOnly ? "signed_out" : error.code;
      const gone = error.status === 404 && "It was deleted for good, or you are signed in as somebody else.";
      this.state.value = { kind: "failed", message: gone || error.message, code };
    }
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer);
    if (this.state.peek().kind === "saved") this.state.value = { kind: "edited" };
    this.waitingSince ||= Date.now();
    const wait = this.failures ? delay : Math.min(delay, Math.max(0, this.waitingSince + LONGEST_WAIT - Date.now()));
    this.timer = setTimeout(() => void this.flush(), wait);
  }
}

function snapshot(document: NotebookDocument): Snapshot {
  const own = (cell: NotebookCell) => ({ ...cell, source: Array.isArray(cell.source) ? cell.source.join("") : cell.source, ...(cell.cell_type === "code" && { outputs: [], execution_count: null }) });
  return { cells: new Map(document.cells.map((cell) => [cell.id, canonical(own(cell))])), metadata: canonical(document.metadata) };
}
