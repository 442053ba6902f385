// Commands that select and change cells.

import type { PageCommand } from "../commands";
import type { Page } from "../page";

const headings: PageCommand[] = [1, 2, 3, 4, 5, 6].map((level) => ({
  id: `cell.heading${level}`, title: `Make it a heading of level ${level}`, group: "Cell", keys: [String(level)], edits: true, unlisted: level > 3,
  available: (page) => page.selection.cells.value.some((cell) => cell.type.value === "markdown"),
  run: (page) => page.structure.heading(level),
}));

const canMergeAbove = (page: Page) => page.selection.index > 0;
const canMergeBelow = (page: Page) => page.selection.several || page.selection.index < page.notebook.cells.value.length - 1;

export const CELL_COMMANDS: PageCommand[] = [
  { id: "edit.undo", title: "Undo a change of cells", group: "Edit", keys: ["Z", "Ctrl Z"], edits: true, available: (page) => page.notebook.undoable.value > 0, run: (page) => page.structure.undo() },
  { id: "edit.redo", title: "Redo a change of cells", group: "Edit", keys: ["Shift Z", "Ctrl Shift Z", "Ctrl Y"], edits: true, available: (page) => page.notebook.redoable.value > 0, run: (page) => page.structure.redo() },
  { id: "edit.cut", title: "Cut cells", group: "Edit", keys: ["X"], edits: true, run: (page) => page.structure.cut() },
  { id: "edit.copy", title: "Copy cells", group: "Edit", keys: ["C"], run: (page) => page.structure.copy() },
  { id: "edit.paste", title: "Paste cells below", group: "Edit", keys: ["V"], edits: true, run: (page) => page.structure.paste("below") },
  { id: "edit.pasteAbove", title: "Paste cells above", group: "Edit", keys: ["Shift V"], edits: true, run: (page) => page.structure.paste("above") },
  { id: "edit.delete", title: "Delete cells", group: "Edit", keys: ["D D"], edits: true, run: (page) => page.structure.remove() },
  { id: "edit.selectAll", title: "Select all cells", group: "Edit", keys: ["Ctrl A"], run: (page) => page.selection.select(page.notebook.cells.value) },
  { id: "edit.extendUp", title: "Select the cell above as well", group: "Edit", keys: ["Shift ↑", "Shift K"], unlisted: true, run: (page) => page.selection.extendTo(page.selection.index - 1) },
  { id: "edit.extendDown", title: "Select the cell below as well", group: "Edit", keys: ["Shift ↓", "Shift J"], unlisted: true, run: (page) => page.selection.extendTo(page.selection.index + 1) },
  { id: "edit.extendTop", title: "Select all cells up to the first", group: "Edit", keys: ["Shift Home"], unlisted: true, run: (page) => page.selection.extendTo(0) },
  { id: "edit.extendBottom", title: "Select all cells down to the last", group: "Edit", keys: ["Shift End"], unlisted: true, run: (page) => page.selection.extendTo(Infinity) },
  { id: "edit.find", title: "Find and replace in all cells", group: "Edit", keys: ["Ctrl F", "F"], where: "notebook", run: (page) => page.find.open() },

  { id: "cell.insertAbove", title: "Insert a code cell above", group: "Cell", keys: ["A"], edits: true, run: (page) => page.structure.insert(page.selection.first, "code", "command") },
  { id: "cell.insertBelow", title: "Insert a code cell below", group: "Cell", keys: ["B"], edits: true, run: (page) => page.structure.insert(page.selection.end, "code", "command") },
  { id: "cell.insertText", title: "Insert a Markdown cell below", group: "Cell", edits: true, run: (page) => page.structure.insert(page.selection.end, "markdown") },
  { id: "cell.insertRaw", title: "Insert a raw cell below", group: "Cell", edits: true, run: (page) => page.structure.insert(page.selection.end, "raw") },
  { id: "cell.edit", title: "Edit the cell", group: "Cell", keys: ["Enter"], edits: true, unlisted: true, run: (page) => page.edit(page.current) },
  { id: "cell.toCode", title: "Make it code", group: "Cell", keys: ["Y"], edits: true, run: (page) => page.structure.changeType("code") },
  { id: "cell.toMarkdown", title: "Make it Markdown", group: "Cell", keys: ["M"], edits: true, run: (page) => page.structure.changeType("markdown") },
  { id: "cell.toRaw", title: "Make it raw", group: "Cell", keys: ["R"], edits: true, run: (page) => page.structure.changeType("raw") },
  ...headings,
  { id: "cell.moveUp", title: "Move cells up", group: "Cell", keys: ["Ctrl Shift ↑", "Alt ↑"], edits: true, available: (page) => page.selection.first > 0, run: (page) => page.structure.move(-1) },
  { id: "cell.moveDown", title: "Move cells down", group: "Cell", keys: ["Ctrl Shift ↓", "Alt ↓"], edits: true, available: (page) => page.selection.end < page.notebook.cells.value.length, run: (page) => page.structure.move(1) },
  { id: "cell.split", title: "Split the cell at the cursors", group: "Cell", keys: ["Ctrl Shift -"], where: "notebook", edits: true, run: (page) => page.structure.split(page.current) },
  { id: "cell.merge", title: "Merge the selected cells, or with the one below", group: "Cell", keys: ["Shift M"], edits: true, available: canMergeBelow, run: (page) => page.structure.merge("selected") },
  { id: "cell.mergeAbove", title: "Merge with the cell above", group: "Cell", keys: ["Ctrl Backspace"], edits: true, available: canMergeAbove, run: (page) => page.structure.merge("above") },
  { id: "cell.mergeBelow", title: "Merge with the cell below", group: "Cell", keys: ["Ctrl Shift M"], edits: true, available: canMergeBelow, run: (page) => page.structure.merge("below") },
];
