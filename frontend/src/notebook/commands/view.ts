// Commands that go somewhere, and those that change only what is seen.

import type { PageCommand } from "../commands";
import { PANELS, type PanelName } from "../../components/panels";

/** Scroll the cells by nearly a screen. */
function scroll(by: -1 | 1): void {
  const list = document.getElementById("cells");
  list?.scrollBy({ top: by * list.clientHeight * 0.85 });
}

const panels: PageCommand[] = (Object.keys(PANELS) as PanelName[]).map((name) => ({
  id: `view.${name}`, title: `Show or hide: ${PANELS[name].title}`, group: "View",
  checked: (page) => page.panel.value === name,
  run: (page) => page.togglePanel(name),
}));

export const VIEW_COMMANDS: PageCommand[] = [
  { id: "notebook.save", title: "Save now", group: "Notebook", keys: ["Ctrl S"], where: "page", edits: true, run: (page) => void page.save() },
  { id: "notebook.list", title: "Go to the list of notebooks", group: "Notebook", run: (page) => location.assign(page.addresses.list) },
  { id: "view.palette", title: "Find a command", group: "View", keys: ["Ctrl Shift P", "Ctrl Shift C", "F1"], where: "page", unlisted: true, run: (page) => void (page.dialog.value = "palette") },
  { id: "view.keys", title: "List of keys", group: "View", keys: ["?", "H"], run: (page) => void (page.dialog.value = "keys") },
  ...panels,
  { id: "terminal.show", title: "Go to the terminal", group: "Terminal", keys: ["Ctrl Shift `"], where: "page", run: (page) => goToTerminal(() => page.openTerminal(), () => page.go(page.selection.index)) },
  { id: "view.numbers", title: "Line numbers", group: "View", keys: ["L", "Shift L"], checked: (page) => page.lineNumbers.value, run: (page) => page.toggleLineNumbers() },
  { id: "view.output", title: "Hide or show outputs of the selected cells", group: "View", keys: ["O"], edits: true, run: (page) => page.structure.toggle("output") },
  { id: "view.input", title: "Hide or show the text of the selected cells", group: "View", edits: true, run: (page) => page.structure.toggle("input") },
  { id: "view.hideOutputs", title: "Hide all outputs", group: "View", edits: true, run: (page) => page.structure.hide("output", true) },
  { id: "view.showOutputs", title: "Show all outputs", group: "View", edits: true, run: (page) => page.structure.hide("output", false) },
  { id: "view.hideCode", title: "Hide all code", group: "View", edits: true, run: (page) => page.structure.hide("input", true, page.notebook.cells.value.filter((cell) => cell.type.value === "code")) },
  { id: "view.showCode", title: "Show all code", group: "View", edits: true, run: (page) => page.structure.hide("input", false) },
  { id: "view.previous", title: "Go to the cell above", group: "View", keys: ["↑", "K"], unlisted: true, run: (page) => page.go(page.selection.index - 1) },
  { id: "view.next", title: "Go to the cell below", group: "View", keys: ["↓", "J"], unlisted: true, run: (page) => page.go(page.selection.index + 1) },
  { id: "view.first", title: "Go to the first cell", group: "View", keys: ["Home", "Ctrl Home"], unlisted: true, run: (page) => page.go(0) },
  { id: "view.last", title: "Go to the last cell", group: "View", keys: ["End", "Ctrl End"], unlisted: true, run: (page) => page.go(Infinity) },
  { id: "view.scrollDown", title: "Scroll down", group: "View", keys: ["Space"], unlisted: true, run: () => scroll(1) },
  { id: "view.scrollUp", title: "Scroll up", group: "View", keys: ["Shift Space"], unlisted: true, run: () => scroll(-1) },
];

/** The same key leads there and back. */
function goToTerminal(there: () => void, back: () => void): void {
  if (document.activeElement?.closest("#terminal")) back();
  else there();
}
