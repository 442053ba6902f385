// A path as text in the cell, where the cursor is.

import { EditorView } from "@codemirror/view";
import type { Page } from "../notebook/page";

/** As a string of the language: quotes and backslashes are escaped alike in all of ours. */
export function quoted(path: string): string {
  return JSON.stringify(path);
}

export function insertIntoCell(page: Page, path: string): void {
  if (page.readOnly.value) return page.refuseEdit();
  const cell = page.current;
  const text = cell.type.value === "code" ? quoted(path) : path;
  const dom = document.querySelector<HTMLElement>(`[data-cell="${CSS.escape(cell.id)}"] .cm-editor`);
  const editor = dom && EditorView.findFromDOM(dom);
  if (editor) editor.dispatch(editor.state.replaceSelection(text));
  else page.notebook.setSource(cell, cell.source.value + text);
  page.edit(cell);
  page.tell("Path inserted");
}
