// The sign of a session's state.

import type { VNode } from "preact";
import type { Sign } from "../session/words";

/** Each state has a shape of its own: nobody needs to tell colours apart. */
export function StateSign({ sign }: { sign: Sign }): VNode {
  return (
    <svg class={`sign ${sign}`} width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      {sign === "idle" && <circle cx="7" cy="7" r="4.500" fill="none" stroke="currentColor" stroke-width="2" />}
      {sign === "busy" && <circle cx="7" cy="7" r="5.500" fill="currentColor" />}
      {sign === "starting" && <path d="M7 1.500a5.500 5.500 0 1 0 5.500 5.500" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />}
      {sign === "off" && <path d="M3 7h8" stroke="currentColor" stroke-width="2" stroke-linecap="round" />}
      {sign === "warning" && <path d="M7 1.500 13 12.500H1z" fill="currentColor" />}
      {sign === "ended" && <path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2" stroke-linecap="round" />}
    </svg>
  );
}
