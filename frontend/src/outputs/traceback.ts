// From a line of a traceback to the place in a cell that it speaks of.

import { EditorView } from "@codemirror/view";
import type { Page } from "../notebook/page";

export interface Place {
  /** The count of the run, or null for the cell that printed this. */
  count: number | null;
  line: number;
}

/** The place that a line of a traceback names; null if it names none. */
export function placeIn(text: string): Place | null {
  // IPython: `Cell In[3], line 2`, and its older `Input In [3], in <cell line: 2>()`.
  const python = /(?:Cell|Input) In\s?\[(\d+)\],? (?:line (\d+)|in <cell line: (\d+)>)/.exec(text);
  if (python) return { count: Number(python[1]), line: Number(python[2] ?? python[3]) };
  // Deno names what it was given so, and bash by its own name.
  const own = /^\s*at (?:.*\()?<anonymous>:(\d+):\d+\)?$/.exec(text) ?? /^(?:bash|-bash|\/bin\/bash): line (\d+): /.exec(text);
  return own ? { count: null, line: Number(own[1]) } : null;
}

/** What a line of the traceback of `own` leads to, as long as that cell is there and has not been run again since. */
export function referenceOf(page: Page, own: string) {
  return (text: string): { label: string; go(): void } | null => {
    const place = placeIn(text);
    const cell = place && (place.count === null ? own : cellOf(page, place.count));
    const index = cell ? page.notebook.indexOf(cell) : -1;
    if (!place || !cell || index < 0) return null;
    const line = place.line + (place.count === null ? 0 : blankAbove(page.notebook.find(cell)!.source.peek()));
    return { label: `Go to line ${line} of cell ${index + 1}`, go: () => goTo(page, cell, line) };
  };
}

/** IPython counts from the first line that is not blank. */
export function blankAbove(source: string): number {
  return /^(?:[^\S\n]*\n)*/.exec(source)![0].split("\n").length - 1;
}

/** Two cells of two sessions may bear one count: the one that ran last is meant. */
function cellOf(page: Page, count: number): string | undefined {
  let found: { cell: string; at: number } | undefined;
  for (const { id } of page.notebook.cells.peek()) {
    const execution = page.shownOf(id).peek().execution;
    const at = execution?.startedAt ?? 0;
    if (execution?.count === count && (!found || at > found.at)) found = { cell: id, at };
  }
  return found?.cell;
}

function goTo(page: Page, cell: string, line: number, patience = 20): void {
  const found = page.notebook.find(cell);
  if (!found) return page.say("This cell was deleted.");
  page.edit(found);
  const select = () => {
    const dom = document.querySelector<HTMLElement>(`[data-cell="${CSS.escape(cell)}"] .cm-editor`);
    const view = dom && EditorView.findFromDOM(dom);
    // An editor comes into being when its cell is near.
    if (!view) return patience-- > 0 && void setTimeout(select, 50);
    const { from, to } = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
    view.dispatch({ selection: { anchor: from, head: to }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    view.focus();
  };
  requestAnimationFrame(select);
}
