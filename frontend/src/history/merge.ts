// Edits of two tabs that began at the same state, put together by cell. Where both touched the same, nobody guesses.

import type { NotebookCell, NotebookDocument } from "../notebook/document";
import { canonical, sourceOf } from "./compare";

export interface Merge {
  document: NotebookDocument;
  /** Ids of cells that both changed differently; `order` and `metadata` stand for the notebook's own. Empty: all went well. */
  conflicts: string[];
  /** How many cells come from the other side. */
  taken: number;
}

/** Where there are conflicts, the document has mine. */
export function merge(base: NotebookDocument, mine: NotebookDocument, theirs: NotebookDocument): Merge {
  const conflicts: string[] = [];
  let taken = 0;
  const [before, ours, others] = [base, mine, theirs].map((each) => new Map(each.cells.map((cell) => [cell.id, cell]))) as [Cells, Cells, Cells];
  const chosen = new Map<string, NotebookCell>();
  for (const id of new Set([...ours.keys(), ...others.keys(), ...before.keys()])) {
    const [was, my, their] = [before.get(id), ours.get(id), others.get(id)];
    const [a, b, c] = [was, my, their].map((cell) => (cell ? content(cell) : ""));
    const both = b === c || c === a;
    if (!both && b !== a) conflicts.push(id);
    if (!both && b === a) taken++;
    const cell = both || b !== a ? my : their;
    if (cell) chosen.set(id, cell);
  }
  const order = mergedOrder(keys(before), keys(ours), keys(others), chosen, conflicts);
  return { document: { ...mine, metadata: mergedMetadata(base, mine, theirs, conflicts), cells: order.map((id) => chosen.get(id)!) }, conflicts, taken };
}

type Cells = Map<string, NotebookCell>;

function keys(cells: Cells): string[] {
  return [...cells.keys()];
}

/** All that a person edits. */
function content(cell: NotebookCell): string {
  return canonical([cell.cell_type, sourceOf(cell), cell.metadata ?? {}, cell.attachments ?? {}]);
}

/** The order of the side that moved cells, with the other side's new ones behind the cells that they follow there. */
function mergedOrder(base: string[], mine: string[], theirs: string[], chosen: Cells, conflicts: string[]): string[] {
  const common = (order: string[]) => order.filter((id) => base.includes(id) && mine.includes(id) && theirs.includes(id)).join("\n");
  const [was, my, their] = [common(base), common(mine), common(theirs)];
  if (my !== was && their !== was && my !== their) conflicts.push("order");
  const [lead, other] = my === was && their !== was ? [theirs, mine] : [mine, theirs];
  const order = [...lead];
  other.forEach((id, index) => {
    if (order.includes(id)) return;
    const after = other.slice(0, index).findLast((each) => order.includes(each));
    order.splice(after === undefined ? 0 : order.indexOf(after) + 1, 0, id);
  });
  return order.filter((id) => chosen.has(id));
}

function mergedMetadata(base: NotebookDocument, mine: NotebookDocument, theirs: NotebookDocument, conflicts: string[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(mine.metadata), ...Object.keys(theirs.metadata)])) {
    const [was, my, their] = [base, mine, theirs].map((each) => canonical(each.metadata[key]));
    if (my !== their && their !== was && my !== was && !conflicts.includes("metadata")) conflicts.push("metadata");
    const from = my === was ? theirs : mine;
    if (key in from.metadata) merged[key] = from.metadata[key];
  }
  return merged;
}
