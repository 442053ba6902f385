// Figures of this page, kept current: what the server wrote into it is told anew by its own address with "figures" below.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const EVERY = 5000;
  const figures = document.querySelectorAll("[data-figure]");
  const heading = document.querySelector("#content > h1");
  if (!figures.length || !heading) return;

  const address = new URL("figures", location.href);
  address.search = location.search;
  const label = document.createElement("label");
  const choice = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
  const told = document.createElement("span");
  label.className = "live-choice";
  told.setAttribute("role", "status");
  label.append(choice, " Keep the figures current");
  const line = document.createElement("p");
  line.append(label, " ", told);
  heading.after(line);

  async function refresh() {
    const answer = await fetch(address, { headers: { Accept: "application/json" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const current = (await answer.json()).figures;
    for (const place of figures) {
      const text = current[place.dataset.figure];
      if (text !== undefined && place.textContent !== text) place.textContent = text;
    }
  }

  async function tick() {
    if (!document.hidden && choice.checked) {
      try {
        await refresh();
        told.textContent = "";
      } catch {
        told.textContent = "They cannot be refreshed now: this is what was known last.";
      }
    }
    setTimeout(tick, EVERY);
  }
  setTimeout(tick, EVERY);
});
