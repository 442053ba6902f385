// What of a session needs a person's attention soon: its end, and limits that are nearly reached.

import type { Usage } from "../protocol";
import { duration, size } from "./words";

export interface Times {
  /** When it ends if nothing more happens, and when it ends whatever happens; milliseconds since 1970. */
  expiresAt: number | null;
  endsAt: number | null;
  /** Seconds of idleness after which it ends. */
  cooldown: number | null;
}

export interface Countdown {
  seconds: number;
  /** Nothing puts this end off. */
  hard: boolean;
  /** It is to be seen without looking for it. */
  near: boolean;
}

const SOON = 300;

/** The next end of a session. A running cell is use, so while one runs only the hard end counts. */
export function countdown({ expiresAt, endsAt, cooldown }: Times, busy: boolean, now: number): Countdown | null {
  const hard = endsAt !== null && (busy || expiresAt === null || endsAt <= expiresAt);
  const end = hard ? endsAt : busy ? null : expiresAt;
  if (end === null) return null;
  const seconds = Math.max(0, (end - now) / 1000);
  // Where a session is kept for less than twice as long, the second half of that is near.
  return { seconds, hard, near: seconds <= (hard || cooldown === null ? SOON : Math.min(SOON, cooldown / 2)) };
}

/** "4:59", as on a clock. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Whole seconds, also where there are few. */
export function left(seconds: number): string {
  return seconds < 10 ? `${Math.round(Math.max(0, seconds))} s` : duration(Math.round(seconds));
}

/** When it ends, as a sentence. */
export function endInWords(next: Countdown | null, busy: boolean, endsAt: number | null, now: number): string {
  const last = endsAt === null ? "" : ` Its hard end is in ${left((endsAt - now) / 1000)}.`;
  if (next?.hard) return `Ends in ${left(next.seconds)}, whatever happens.`;
  if (busy) return `A running cell counts as use: it does not end while one runs.${last}`;
  return next ? `Ends in ${left(next.seconds)} if nothing happens. A running cell counts as use.` : "";
}

const FULL = { memory: 0.85, disk: 0.9 };
// A warning stays until there is clearly room again: figures go up and down.
const ROOM = 0.05;

export type Limit = keyof typeof FULL;

export function share(usage: Usage | null, of: Limit): number {
  const limit = usage?.[`${of}_limit`];
  return usage && limit ? usage[of] / limit : 0;
}

/** Whether to warn of a limit; `warned` says whether that is done already. */
export function nearlyFull(usage: Usage | null, of: Limit, warned = false): boolean {
  return share(usage, of) >= FULL[of] - (warned ? ROOM : 0);
}

/** "210 MiB of 512 MiB, 41 percent". */
export function usedInWords(usage: Usage, of: Limit): string {
  return `${size(usage[of])} of ${size(usage[`${of}_limit`])}, ${Math.round(share(usage, of) * 100)} percent`;
}

/** The largest of the kernel's variables, of an answer that may be anything. */
export function largest(answer: Record<string, unknown> | null, most = 3): string[] {
  const listed = Array.isArray(answer?.variables) ? (answer.variables as unknown[]) : [];
  const sized = listed
    .map((each) => each as { name?: unknown; size?: unknown; bytes?: unknown } | null)
    .map((each) => ({ name: each?.name, bytes: Number(each?.bytes ?? each?.size ?? NaN) }))
    .filter((each): each is { name: string; bytes: number } => typeof each.name === "string" && each.bytes >= 1 << 20);
  return sized
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, most)
    .map(({ name, bytes }) => `${name} (${size(bytes)})`);
}
