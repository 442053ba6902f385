// Light, dark, more contrast, or the system's choice. Kept in a cookie, so that the server draws the page right at once.

import { effect, signal } from "@preact/signals";

export type Theme = "light" | "dark" | "contrast" | "system";

const CHOICES: readonly string[] = ["light", "dark", "contrast"];
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => (systemDark.value = system.matches));

function chosen(): Theme {
  const value = document.documentElement.dataset.theme ?? "";
  return CHOICES.includes(value) ? (value as Theme) : "system";
}

export const theme = signal<Theme>(chosen());
export const darkNow = signal(false);
effect(() => {
  // More contrast is light or dark as the system is.
  darkNow.value = theme.value === "dark" || (theme.value !== "light" && systemDark.value);
});

export function choose(next: Theme): void {
  theme.value = next;
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`;
}
