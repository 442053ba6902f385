// Signs for somebody who looks elsewhere while a long run ends: in the tab's title, and, if wanted, from the system.

import { signal } from "@preact/signals";
import { notify } from "../session/notify";

const LONG = 8;

export class EndSigns {
  /** Stands before the title until the page is looked at again. */
  readonly sign = signal("");

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.sign.value = "";
    });
  }

  /** Returns whether this was worth a sign: nobody looks, it took long, and nothing else is waiting. */
  ended(title: string, words: string, well: boolean, seconds: number, last: boolean): boolean {
    if (document.visibilityState === "visible" || seconds < LONG || (well && !last)) return false;
    this.sign.value = well ? "✓ " : "✗ ";
    notify(title, words, "thermae-run");
    return true;
  }
}
