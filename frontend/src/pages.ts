// The list of notebooks: the states of the languages are refreshed while somebody looks.

import "./chrome";

const pools = document.getElementById("pools");

async function refresh(): Promise<void> {
  if (!pools || document.visibilityState !== "visible" || pools.contains(document.activeElement)) return;
  const response = await fetch(pools.dataset.url!, { credentials: "same-origin" }).catch(() => null);
  if (response?.ok && !response.redirected) pools.innerHTML = await response.text();
}

if (pools) setInterval(() => void refresh(), 4000);

for (const button of document.querySelectorAll("[aria-disabled=true]")) button.addEventListener("click", (event) => event.preventDefault());
