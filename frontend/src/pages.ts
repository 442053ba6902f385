// The list of notebooks: the states of the languages are refreshed while somebody looks.

import "./chrome";
import { setUpImport } from "./importing";

const pools = document.getElementById("pools");

async function refresh(): Promise<void> {
  if (!pools || document.visibilityState !== "visible" || pools.contains(document.activeElement)) return;
  const response = await fetch(pools.dataset.url!, { credentials: "same-origin" }).catch(() => null);
  if (response?.ok && !response.redirected) pools.innerHTML = await response.text();
}

if (pools) setInterval(() => void refresh(), 4000);

for (const button of document.querySelectorAll("[aria-disabled=true]")) button.addEventListener("click", (event) => event.preventDefault());

setUpImport();

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-confirm]")) form.addEventListener("submit", (event) => !confirm(form.dataset.confirm) && event.preventDefault());
