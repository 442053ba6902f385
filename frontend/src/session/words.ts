// The state of a session in words, with a sign whose shape says the same as its colour.

import type { KernelStateContent, SessionStateMessage } from "../protocol";

export type Line = "none" | "connecting" | "open" | "waiting" | "signed out";

export interface SessionView {
  /** none: not asked for; opening: asked; refused: no sandbox was to be had; waiting: the server runs what was asked for
      when there is a place; then the server's own states. */
  state: "none" | "opening" | "refused" | "waiting" | SessionStateMessage["state"];
  line: Line;
  phase: string;
  position: number;
  reason: string;
  /** The server's own sentence, where it sent one. */
  message: string;
  kernel: KernelStateContent | null;
}

export type Sign = "idle" | "busy" | "starting" | "off" | "warning" | "ended";

export interface Words {
  sign: Sign;
  label: string;
  /** A sentence or two, or "". */
  detail: string;
}

const PHASES: Record<string, string> = {
  queued: "Waiting for a free place",
  creating: "Creating a sandbox",
  "starting kernel": "Starting the kernel",
  "starting container": "Starting the container",
  "waiting for files": "Putting kept files back",
  "restoring files": "Putting kept files back",
};

const REASONS: Record<string, string> = {
  cooldown: "It was idle for too long, so its sandbox was given back. Run a cell to start a new one.",
  max_alive: "It reached the longest time that a session may live. Run a cell to start a new one.",
  closed: "It was ended by you or an administrator. Run a cell to start a new one.",
  start_failed: "Its sandbox could not be started.",
  start_timeout: "Its sandbox took too long to start.",
  out_of_memory: "Its sandbox used more memory than it has.",
  killed: "Its processes were killed from inside.",
  exited: "Its container ended by itself.",
  unhealthy: "Its container failed its health checks.",
  lost: "Its sandbox vanished from the machine.",
};

const KERNEL_DEATHS: Record<string, string> = {
  out_of_memory: "The kernel used more memory than the sandbox has.",
  killed: "The kernel was killed.",
  exited: "The code ended the kernel.",
  start_failed: "The kernel could not be started.",
};

/** Why a session ended, as a sentence. */
export function reasonInWords(reason: string): string {
  return REASONS[reason] ?? "";
}

export function describe(view: SessionView): Words {
  if (view.line === "signed out") return { sign: "warning", label: "Signed out", detail: "Sign in again in another tab: this page goes on by itself." };
  if (view.state === "none") return { sign: "off", label: "Not started", detail: "Run a cell to start." };
  if (view.state === "refused") return { sign: "warning", label: "No sandbox", detail: view.message };
  if (view.state === "waiting") return { sign: "starting", label: "Waiting for a place", detail: view.message };
  if (view.state === "stopping" || view.state === "gone") {
    const why = view.message || reasonInWords(view.reason);
    return { sign: "ended", label: view.state === "gone" ? "Ended" : "Ending", detail: why };
  }
  if (view.line === "waiting") return { sign: "warning", label: "Disconnected", detail: "Trying to connect again. Code that runs goes on running." };
  if (view.state === "opening") return { sign: "starting", label: "Starting", detail: "Asking for a sandbox." };
  if (view.state === "starting") {
    const phase = PHASES[view.phase] ?? "Starting";
    const place = view.position > 0 ? ` (number ${view.position} in the queue)` : "";
    return { sign: "starting", label: phase, detail: `${phase}${place}.` };
  }
  if (view.line !== "open") return { sign: "starting", label: "Connecting", detail: "" };
  return kernelInWords(view.kernel);
}

/** "Trying again in 4 s.", or that it is being tried. */
export function retryInWords(retryAt: number | null, now: number): string {
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…";
}

/** Why the server would not let this page have its session: by the code that it closed the line with. */
export const REFUSALS: Record<number, string> = {
  4400: "The server did not understand this page: load it again.",
  4403: "You may not use this session any more: ask an owner of your organisation for the role.",
};
export const UNKNOWN = "There is no such session for you: it may belong to somebody else who was signed in here. Run a cell to start a new one.";

/** The same of a container, which has no kernel and no cells. */
export function containerInWords(view: SessionView): Words {
  if (view.state === "none" || view.state === "opening") return { sign: "starting", label: "Starting", detail: "Asking for a container." };
  const words = describe({ ...view, kernel: null });
  if (view.state === "leased" && view.line === "open") return { sign: "idle", label: "Running", detail: "" };
  // While it starts, the sentence says the label again, unless there is a queue.
  const detail = view.state === "starting" && !view.position ? "" : words.detail;
  return { ...words, detail: detail.replace(" Run a cell to start a new one.", "").replace(" Code that runs goes on running.", "") };
}

function kernelInWords(kernel: KernelStateContent | null): Words {
  switch (kernel?.state) {
    case "busy":
      return { sign: "busy", label: "Busy", detail: "" };
    case "restarting":
      return { sign: "starting", label: "Restarting", detail: "" };
    case "starting":
      return { sign: "starting", label: "Starting the kernel", detail: "" };
    case "dead": {
      const why = KERNEL_DEATHS[kernel.reason ?? ""] ?? "The kernel died.";
      const code = kernel.exit_code === null || kernel.reason !== "exited" ? "" : ` Exit code ${kernel.exit_code}.`;
      return { sign: "ended", label: "Kernel died", detail: `${why}${code} Restart it to go on; files are kept, variables are lost.` };
    }
    default:
      return { sign: "idle", label: "Idle", detail: "" };
  }
}

const UNDONE: Record<string, string> = {
  error_before: "a cell before it failed",
  restarted: "the kernel was restarted",
  out_of_memory: "the kernel ran out of memory",
  killed: "the kernel was killed",
  exited: "the kernel ended",
  start_failed: "the kernel could not be started",
  timeout: "it took longer than allowed",
};

/** Why a cell was not run, or not to its end: the rest of a sentence. */
export function undoneInWords(reason: string): string {
  const words = UNDONE[reason] ?? reason;
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** "2 s", "1 min 5 s", "2 h 3 min". */
export function duration(seconds: number): string {
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return `${Math.floor(whole / 3600)} h${Math.floor((whole % 3600) / 60) ? ` ${Math.floor((whole % 3600) / 60)} min` : ""}`;
}

/** "512 MiB". */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 || bytes >= 99.5 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}
