// What every page has: the account menu with its theme switch, and menus that close as people expect.

import "./styles/main.css";
import { effect } from "@preact/signals";
import { choose, theme, type Theme } from "./theme";

for (const group of document.querySelectorAll<HTMLElement>("[data-theme-switch]")) {
  group.hidden = false;
  group.addEventListener("click", (event) => {
    const button = (event.target as Element).closest("button");
    if (button) choose(button.value as Theme);
  });
  effect(() => {
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === theme.value));
  });
}

const openMenus = () => document.querySelectorAll<HTMLDetailsElement>("details.menu[open]");
addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target as Node)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});
