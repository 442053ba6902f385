// The place of the terminals while their code is loaded: so that a reloaded page is whole at once, and its button is not
// pressed again by who sees nothing yet.

import type { VNode } from "preact";
import { height, place, width } from "./settings";

// On a narrow screen there is no place at the right.
export const WIDE = matchMedia("(min-width: 901px)");

export function TerminalPlace(): VNode {
  const right = WIDE.matches && place.value === "right";
  return (
    <section id="terminal" class={`dock${right ? " right" : ""}`} aria-label="Terminal" aria-busy="true" tabIndex={-1} style={right ? { width: `${width.value}px` } : { height: `${height.value}px` }}>
      <p class="dock-empty muted">The terminal is being loaded…</p>
    </section>
  );
}
