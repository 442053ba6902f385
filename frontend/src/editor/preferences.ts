// What a person has chosen for all editors; kept in this browser.

import { signal } from "@preact/signals";

const KEY = "line-numbers";

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

export const lineNumbersShown = signal(stored());

export function toggleLineNumbers(): void {
  lineNumbersShown.value = !lineNumbersShown.value;
  try {
    localStorage.setItem(KEY, lineNumbersShown.value ? "on" : "off");
  } catch {
    // A browser that keeps nothing forgets it with the page.
  }
}
