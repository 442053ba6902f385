// How terminals look and behave in this browser. Kept here, not on the server: it is a matter of the screen at hand.

import { effect, signal, type Signal } from "@preact/signals";

function kept<T extends string | number | boolean>(name: string, usual: T, valid: (value: T) => boolean): Signal<T> {
  let first = usual;
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(name) ?? "null");
    if (typeof stored === typeof usual && valid(stored as T)) first = stored as T;
  } catch {
    // Whatever it was, it is no setting of ours.
  }
  const made = signal(first);
  effect(() => localStorage.setItem(name, JSON.stringify(made.value)));
  return made;
}

export const FONT = { smallest: 8, usual: 13, largest: 32 };
const any = () => true;

export const place = kept<"bottom" | "right">("terminal-place", "bottom", (value) => value === "bottom" || value === "right");
export const height = kept<number>("terminal-height", 280, (value) => value >= 120 && value < 10_000);
export const width = kept<number>("terminal-width", 480, (value) => value >= 240 && value < 10_000);
export const fontSize = kept<number>("terminal-font", FONT.usual, (value) => value >= FONT.smallest && value <= FONT.largest);
/** Each line is kept as text that a screen reader can walk through. */
export const screenReader = kept<boolean>("terminal-reader", false, any);
export const copyOnSelect = kept<boolean>("terminal-copy", false, any);

export function resizeFont(step: number): void {
  fontSize.value = step === 0 ? FONT.usual : Math.min(FONT.largest, Math.max(FONT.smallest, fontSize.value + step));
}
