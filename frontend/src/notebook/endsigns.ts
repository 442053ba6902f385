// Signs for somebody who looks elsewhere while a long run ends: in the tab's title, and, if wanted, from the system.

import { signal } from "@preact/signals";

const LONG = 8;
const KEPT = "thermae-notify";

export class EndSigns {
  /** Stands before the title until the page is looked at again. */
  readonly sign = signal("");
  readonly wanted = signal(kept() && permitted());

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.sign.value = "";
    });
  }

  /** Returns whether this was worth a sign: nobody looks, it took long, and nothing else is waiting. */
  ended(title: string, words: string, well: boolean, seconds: number, last: boolean): boolean {
    if (document.visibilityState === "visible" || seconds < LONG || (well && !last)) return false;
    this.sign.value = well ? "✓ " : "✗ ";
    if (this.wanted.value) this.show(title, words);
    return true;
  }

  /** Turn the system's notifications on or off; answers with words on what is so now. */
  async toggle(): Promise<string> {
    if (this.wanted.value) {
      this.keep(false);
      return "Notifications are off.";
    }
    if (!("Notification" in window) || !isSecureContext) return "This browser shows notifications only for sites with HTTPS.";
    if ((await Notification.requestPermission()) !== "granted") return "The browser does not allow notifications here: allow them for this site first.";
    this.keep(true);
    return "When a long run ends while you look elsewhere, the system will tell you.";
  }

  private keep(on: boolean): void {
    this.wanted.value = on;
    localStorage.setItem(KEPT, on ? "on" : "off");
  }

  private show(title: string, words: string): void {
    try {
      const shown = new Notification(title, { body: words, tag: "thermae-run" });
      shown.onclick = () => (focus(), shown.close());
    } catch {
      // Some phones only let service workers notify: the sign in the title is there all the same.
    }
  }
}

function kept(): boolean {
  return localStorage.getItem(KEPT) === "on";
}

function permitted(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}
