// A finger scrolls a terminal: xterm.js itself hears the wheel only.

import type { Terminal } from "@xterm/xterm";

/** A program that has the whole screen is sent arrow keys, as by the wheel. */
export function scrollByTouch(holder: HTMLElement, terminal: Terminal, type: (keys: string) => void): void {
  let last: number | null = null;
  let rest = 0;
  holder.addEventListener("touchstart", (event) => (last = event.touches.length === 1 ? event.touches[0]!.clientY : null), { passive: true });
  holder.addEventListener("touchend", () => (last = null), { passive: true });
  holder.addEventListener(
    "touchmove",
    (event) => {
      if (last === null || event.touches.length !== 1) return;
      const at = event.touches[0]!.clientY;
      const row = holder.clientHeight / terminal.rows;
      rest += (last - at) / row;
      last = at;
      const lines = Math.trunc(rest);
      if (!lines) return;
      rest -= lines;
      event.preventDefault();
      if (terminal.buffer.active.type === "alternate") type((lines > 0 ? "\x1b[B" : "\x1b[A").repeat(Math.min(20, Math.abs(lines))));
      else terminal.scrollLines(lines);
    },
    { passive: false },
  );
}
