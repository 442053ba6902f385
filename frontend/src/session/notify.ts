// Words of the system's own, outside the page: only where somebody asked for them, and only while the page is not seen.

import { signal } from "@preact/signals";

const KEPT = "notifications";

function available(): boolean {
  return typeof Notification !== "undefined" && isSecureContext;
}

/** Whether somebody wants them in this browser, and the browser allows it. */
export const wanted = signal(available() && localStorage.getItem(KEPT) === "on" && Notification.permission === "granted");

/** Turn them on, which the browser may ask about, or off. Returns what to say when that is not possible. */
export async function want(on: boolean): Promise<string> {
  localStorage.setItem(KEPT, on ? "on" : "off");
  wanted.value = false;
  if (!on) return "";
  if (!available()) return "This browser shows notifications of pages with a secure address (https) only.";
  wanted.value = (await Notification.requestPermission()) === "granted";
  return wanted.value ? "" : "The browser does not allow notifications of this site: change that in its settings.";
}

/** Tell who looks at something else. A newer word on the same subject takes the place of the older. */
export function notify(title: string, words: string, subject: string): void {
  if (!wanted.value || document.visibilityState === "visible") return;
  try {
    const shown = new Notification(title, { body: words, tag: subject });
    shown.onclick = () => (window.focus(), shown.close());
  } catch {
    // Some browsers of phones have the permission and no such constructor.
  }
}
