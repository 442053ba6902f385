// The list of notebooks: the states of the languages are refreshed while somebody looks, and a search finds as one types.

import "./chrome";
import { setUpImport } from "./importing";
import "./passkeys";

const pools = document.getElementById("pools");

async function refresh(): Promise<void> {
  if (!pools || document.visibilityState !== "visible" || pools.contains(document.activeElement)) return;
  const response = await fetch(pools.dataset.url!, { credentials: "same-origin" }).catch(() => null);
  if (response?.ok && !response.redirected) pools.innerHTML = await response.text();
}

if (pools) setInterval(() => void refresh(), 4000);


setUpImport();

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-confirm]")) form.addEventListener("submit", (event) => !confirm(form.dataset.confirm) && event.preventDefault());
for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy!) as HTMLInputElement;
  // A browser lends its clipboard to secure pages only: elsewhere the field is there to copy from.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => void navigator.clipboard.writeText(field.value).then(() => (button.textContent = "Copied")));
  field.addEventListener("focus", () => field.select());
}
for (const field of document.querySelectorAll<HTMLInputElement>("[data-select-all]")) field.addEventListener("focus", () => field.select());
document.addEventListener("click", (event) => {
  if ((event.target as Element).closest("[aria-disabled=true]")) event.preventDefault();
});

const form = document.querySelector<HTMLFormElement>("[data-search]");
const found = document.getElementById("found");
if (form && found) searchAsOneTypes(form, found);

/** The form works by itself; here it also answers each pause in typing, and the address stays one that can be kept. */
function searchAsOneTypes(form: HTMLFormElement, found: HTMLElement): void {
  const told = document.querySelector<HTMLElement>("[data-search-told]")!;
  let timer = 0;
  let asking: AbortController | undefined;
  form.querySelector<HTMLElement>("[data-search-button]")!.hidden = true;

  const search = async () => {
    clearTimeout(timer);
    asking?.abort();
    asking = new AbortController();
    const query = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const address = `${form.action}?${query}`;
    const response = await fetch(`${address}&part=list`, { credentials: "same-origin", signal: asking.signal }).catch(() => null);
    if (!response) return;
    // Signed out meanwhile, or broken: the page itself says so.
    if (!response.ok || response.redirected) return form.submit();
    found.innerHTML = await response.text();
    history.replaceState(null, "", address);
    const count = Number(found.querySelector<HTMLElement>("[data-count]")?.dataset.count ?? 0);
    told.textContent = count === 1 ? "1 notebook found" : `${count || "No"} notebooks found`;
  };
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void search(), event.target instanceof HTMLSelectElement ? 0 : 180);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void search();
  });
}
