// Uploads and downloads, a few at a time, each with its progress, a way to stop it and, if it failed, to try again.

import { signal } from "@preact/signals";
import { ApiError, csrfHeaders } from "../api";

export type TransferState = "waiting" | "running" | "failed" | "done" | "stopped";

export interface Transfer {
  id: number;
  kind: "upload" | "download";
  name: string;
  done: number;
  /** Bytes in all; null where nobody knows before the end. */
  size: number | null;
  state: TransferState;
  problem: string;
}

/** Does the work; `told` says how far it is. Rejects with ApiError. */
export type Work = (told: (done: number, size: number | null) => void, stop: AbortSignal) => Promise<void>;

const AT_ONCE = 3;
/** How long a transfer that is done stays in the list, in milliseconds. */
const SHOWN = 2500;

export class Transfers {
  readonly list = signal<Transfer[]>([]);
  private works = new Map<number, { work: Work; stop: AbortController; settled(): void }>();
  private number = 0;

  /** Resolves when it is over, whichever way. */
  add(kind: Transfer["kind"], name: string, size: number | null, work: Work): Promise<void> {
    const id = ++this.number;
    this.list.value = [...this.list.value, { id, kind, name, size, done: 0, state: "waiting", problem: "" }];
    return new Promise((settled) => {
      this.works.set(id, { work, stop: new AbortController(), settled });
      this.next();
    });
  }

  stop(id: number): void {
    this.works.get(id)?.stop.abort();
    if (this.find(id)?.state !== "running") this.over(id, "stopped");
  }

  retry(id: number): void {
    const known = this.works.get(id);
    if (!known || this.find(id)?.state !== "failed") return;
    known.stop = new AbortController();
    this.change(id, { state: "waiting", problem: "", done: 0 });
    this.next();
  }

  /** Take what failed, or is over, out of the list. */
  dismiss(id: number): void {
    this.works.delete(id);
    this.list.value = this.list.value.filter((each) => each.id !== id);
  }

  get running(): number {
    return this.list.value.filter((each) => each.state === "running" || each.state === "waiting").length;
  }

  get uploading(): boolean {
    return this.list.value.some((each) => each.kind === "upload" && (each.state === "running" || each.state === "waiting"));
  }

  private next(): void {
    const free = AT_ONCE - this.list.value.filter((each) => each.state === "running").length;
    for (const each of this.list.value.filter((each) => each.state === "waiting").slice(0, Math.max(0, free))) void this.run(each.id);
  }

  private async run(id: number): Promise<void> {
    const known = this.works.get(id)!;
    this.change(id, { state: "running" });
    try {
      await known.work((done, size) => this.change(id, { done, size }), known.stop.signal);
      this.over(id, "done");
    } catch (error) {
      if (known.stop.signal.aborted) this.over(id, "stopped");
      else {
        this.change(id, { state: "failed", problem: error instanceof ApiError ? error.message : "It broke off. Try again." });
        known.settled();
      }
    }
    this.next();
  }

  private over(id: number, state: "done" | "stopped"): void {
    const known = this.works.get(id);
    this.works.delete(id);
    this.change(id, { state });
    known?.settled();
    setTimeout(() => this.dismiss(id), SHOWN);
  }

  private find(id: number): Transfer | undefined {
    return this.list.value.find((each) => each.id === id);
  }

  private change(id: number, part: Partial<Transfer>): void {
    this.list.value = this.list.value.map((each) => (each.id === id ? { ...each, ...part } : each));
  }
}

/** Send a file. `headers` may hold a condition. `fetch` does not tell how far it is, so this is the older way. */
export function sending(url: string, body: Blob, headers: Record<string, string> = {}): Work {
  return (told, stop) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", url);
      for (const [name, value] of Object.entries({ ...csrfHeaders(), "Content-Type": "application/octet-stream", ...headers })) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => told(event.loaded, body.size);
      request.onerror = () => reject(new ApiError(0, "unreachable", "The upload broke off. Check your connection and try again."));
      request.onabort = () => reject(new ApiError(0, "stopped", "Stopped."));
      request.onload = () => (request.status < 300 ? resolve() : reject(problemOf(request.status, request.responseText)));
      stop.addEventListener("abort", () => request.abort());
      request.send(body);
    });
}

/** Fetch a file or an archive, then hand it to `take`. */
export function fetching(url: string, take: (content: Blob) => void): Work {
  return async (told, stop) => {
    let response: Response;
    try {
      response = await fetch(url, { credentials: "same-origin", signal: stop });
    } catch {
      throw new ApiError(0, "unreachable", "The server cannot be reached. Check your connection.");
    }
    if (!response.ok) throw problemOf(response.status, await response.text());
    const length = response.headers.get("Content-Length");
    const size = length === null ? null : Number(length);
    const pieces: BlobPart[] = [];
    let done = 0;
    const reader = response.body!.getReader();
    for (;;) {
      const { done: end, value } = await reader.read();
      if (end) break;
      pieces.push(value);
      done += value.length;
      told(done, size);
    }
    take(new Blob(pieces));
  };
}

function problemOf(status: number, text: string): ApiError {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown };
    return new ApiError(status, String(body.error ?? "refused"), String(body.message ?? `The server refused it (${status}).`));
  } catch {
    return new ApiError(status, "refused", `The server refused it (${status}).`);
  }
}

/** Give a file to the browser's own downloads. */
export function saveAs(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
