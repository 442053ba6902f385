// The browser's side of docs/protocol.md §3: what comes over the socket and what may be sent.

export type ExecutionStatus = "queued" | "running" | "ok" | "error" | "aborted" | "cancelled" | "lost";

export interface ExecutionStateContent {
  state: ExecutionStatus;
  position: number;
  execution_count: number | null;
  queued_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  error: { ename: string; evalue: string } | null;
  reason: string | null;
  cell: string;
}

export interface KernelStateContent {
  state: "starting" | "idle" | "busy" | "restarting" | "dead";
  reason: null | "out_of_memory" | "killed" | "exited" | "start_failed";
  exit_code: number | null;
  detail: string;
  kernel: string;
}

export type MimeBundle = Record<string, unknown>;

/** An entry of the log: numbered without gaps, so that nothing is missed and nothing is applied twice. */
export interface LogEntry {
  seq: number;
  context: string;
  channel: "iopub" | "shell" | "stdin" | "control" | "agent";
  header: { msg_id?: string; msg_type: string; date?: string };
  parent_header: { msg_id?: string };
  metadata?: Record<string, unknown>;
  content: Record<string, unknown>;
  /** In base64. */
  buffers?: string[];
}

export interface SessionStateMessage {
  channel: "session";
  type: "state";
  state: "starting" | "ready" | "leased" | "stopping" | "gone";
  phase?: string;
  position?: number;
  expires_at?: number | null;
  ends_at?: number | null;
  cooldown?: number;
  reason?: string;
  detail?: string;
  message?: string;
  /** While it starts: what was asked for already and runs as soon as there is a sandbox. */
  waiting?: { id: string; cell: string; position: number; queued_at: number }[];
}

export interface Usage {
  cpu: number;
  memory: number;
  memory_limit: number;
  pids: number;
  pids_limit: number;
  disk: number;
  disk_limit: number;
}

export type SessionMessage =
  | SessionStateMessage
  | ({ channel: "session"; type: "usage" } & Usage)
  | { channel: "session"; type: "reply"; id: string; content: Record<string, unknown> }
  | { channel: "session"; type: "error"; id: string | null; code: string; message: string }
  | { channel: "session"; type: "pong" };

export type ClientMessage =
  | { type: "execute"; id: string; code: string; cell: string; stop_on_error: boolean }
  | { type: "cancel"; id: string }
  | { type: "interrupt" | "restart" | "keep_alive" | "close" | "ping" }
  | { type: "input"; value: string }
  | { type: "complete" | "inspect" | "is_complete"; id: string; code: string; cursor_pos: number; detail_level?: number }
  | { type: "ask"; id: string; about: string; arguments: Record<string, unknown> }
  | { type: "comm"; id: string; msg_type: "comm_msg" | "comm_close"; content: Record<string, unknown> }
  | { type: "watch_usage"; on: boolean };

export function isLogEntry(message: unknown): message is LogEntry {
  const entry = message as Partial<LogEntry> | null;
  return typeof entry?.seq === "number" && typeof entry.header?.msg_type === "string" && typeof entry.content === "object" && entry.content !== null;
}

/** A version 4 UUID; `crypto.randomUUID` is missing on pages served over plain HTTP from another machine. */
export function uuid(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
