// Comms: the lines over which widgets and their kernel talk. What each comm last said is kept as one state, so that a frame
// that comes later, or comes again, is as the others are. Nothing here knows a frame or a socket.

import type { LogEntry } from "../protocol";

export type BufferPath = (string | number)[];

/** A widget's model as far as the log tells: its state, and the buffers that belong into it, in base64. */
export interface CommRecord {
  id: string;
  target: string;
  state: Record<string, unknown>;
  buffers: { path: BufferPath; data: string }[];
}

/** What happened to a comm. `parent` is the message that it answers. */
export type CommEvent =
  | { type: "message"; id: string; data: Record<string, unknown>; buffers: string[]; parent: string }
  | { type: "close"; id: string }
  | { type: "idle"; parent: string }
  | { type: "reset" };

const MOST_COMMS = 20_000;
const MODEL = /^IPY_MODEL_(.+)$/;

export class Comms {
  private records = new Map<string, CommRecord>();
  /** Those of kernels that are gone. */
  private former = new Map<string, CommRecord>();
  /** The message whose output an Output widget takes, and that widget. */
  private capturing = new Map<string, string>();
  private listeners = new Set<(event: CommEvent) => void>();

  /** Take a message of the log; false if it is not about comms. */
  apply(entry: LogEntry): boolean {
    const { content } = entry;
    const id = typeof content.comm_id === "string" ? content.comm_id : "";
    const parent = entry.parent_header.msg_id ?? "";
    switch (entry.header.msg_type) {
      case "comm_open":
        if (id && this.records.size < MOST_COMMS) this.open(id, content, entry.buffers ?? []);
        return true;
      case "comm_msg": {
        const data = objectOr(content.data);
        this.merge(id, data, entry.buffers ?? []);
        this.emit({ type: "message", id, data, buffers: entry.buffers ?? [], parent });
        return true;
      }
      case "comm_close":
        this.records.delete(id);
        this.emit({ type: "close", id });
        return true;
      case "status":
        if (content.execution_state === "idle") this.emit({ type: "idle", parent });
        return true;
    }
    return false;
  }

  listen(listener: (event: CommEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  has(id: string): boolean {
    return this.records.has(id);
  }

  /** A model and all that it refers to, those that are named in `known` left out. */
  closure(root: string, known: ReadonlySet<string> = new Set()): CommRecord[] {
    return closureIn(this.records, root, known);
  }

  /** The same of a model whose kernel is gone: as it last was. */
  formerly(root: string): CommRecord[] {
    return closureIn(this.former, root);
  }

  /** The Output widget that takes what this message prints. */
  capturer(parent: string): string | undefined {
    return this.capturing.get(parent);
  }

  /** An Output widget shows these outputs now. */
  setOutputs(id: string, outputs: unknown[]): void {
    const record = this.records.get(id);
    if (!record) return;
    record.state = { ...record.state, outputs };
    this.emit({ type: "message", id, data: { method: "update", state: { outputs } }, buffers: [], parent: "" });
  }

  outputsOf(id: string): unknown[] {
    const outputs = this.records.get(id)?.state.outputs;
    return Array.isArray(outputs) ? outputs : [];
  }

  /** The kernel is another one: its comms are gone with the old. */
  reset(): void {
    if (!this.records.size) return;
    if (this.former.size + this.records.size > MOST_COMMS) this.former.clear();
    for (const record of this.records.values()) this.former.set(record.id, record);
    this.records.clear();
    this.capturing.clear();
    this.emit({ type: "reset" });
  }

  private open(id: string, content: Record<string, unknown>, buffers: string[]): void {
    const record: CommRecord = { id, target: String(content.target_name ?? ""), state: {}, buffers: [] };
    this.records.set(id, record);
    this.merge(id, { method: "update", ...objectOr(content.data) }, buffers);
  }

  private merge(id: string, data: Record<string, unknown>, buffers: string[]): void {
    const record = this.records.get(id);
    if (!record || (data.method !== "update" && data.method !== "echo_update")) return;
    const state = objectOr(data.state);
    record.state = { ...record.state, ...state };
    const paths = Array.isArray(data.buffer_paths) ? (data.buffer_paths as BufferPath[]) : [];
    const changed = new Set([...Object.keys(state), ...paths.map((path) => String(path[0]))]);
    record.buffers = record.buffers.filter((buffer) => !changed.has(String(buffer.path[0])));
    paths.forEach((path, index) => buffers[index] !== undefined && record.buffers.push({ path, data: buffers[index] }));
    if (record.state._model_name === "OutputModel" && typeof state.msg_id === "string") this.capture(id, state.msg_id);
  }

  private capture(id: string, parent: string): void {
    for (const [message, widget] of this.capturing) if (widget === id) this.capturing.delete(message);
    if (parent) this.capturing.set(parent, id);
  }

  private emit(event: CommEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

export function closureIn(records: ReadonlyMap<string, CommRecord>, root: string, known: ReadonlySet<string> = new Set()): CommRecord[] {
  const found = new Map<string, CommRecord>();
  const waiting = [root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const record = records.get(id);
    if (!record || found.has(id) || known.has(id)) continue;
    found.set(id, record);
    references(record.state, waiting);
  }
  return [...found.values()];
}

function objectOr(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function references(value: unknown, found: string[]): void {
  if (typeof value === "string") {
    const model = MODEL.exec(value)?.[1];
    if (model) found.push(model);
  } else if (Array.isArray(value)) value.forEach((inner) => references(inner, found));
  else if (typeof value === "object" && value !== null) Object.values(value).forEach((inner) => references(inner, found));
}
