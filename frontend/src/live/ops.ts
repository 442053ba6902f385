// What was typed, as operations that others can follow. Not a way to merge: one edits, the others apply what comes, in
// order, and read the saved document again whenever something does not fit.

import { batch } from "@preact/signals";
import { canonical } from "../history/compare";
import { Cell, type CellType, type Notebook, type NotebookDocument } from "../notebook/document";

/** A cell as others see it. Outputs are the log's. */
export interface CellImage {
  id: string;
  type: CellType;
  source: string;
  metadata: string;
  /** A digest of them, as they may be large; "" for none. */
  attachments: string;
}

export type Op =
  | { op: "patch"; id: string; length: number; at: number; delete: number; insert: string }
  | { op: "cell"; id: string; cell_type: CellType; source: string; metadata: Record<string, unknown> }
  | { op: "order"; ids: string[] }
  | { op: "saved"; version: number; sum: string };

export function imageOf(notebook: Notebook): CellImage[] {
  return notebook.cells.peek().map((cell) => ({ id: cell.id, type: cell.type.peek(), source: cell.source.peek(), metadata: JSON.stringify(cell.metadata), attachments: attachedTo(cell) }));
}

const digests = new WeakMap<object, string>();

function attachedTo(cell: Cell): string {
  // A code cell is saved without those that it had as another type.
  const attached = cell.type.peek() === "code" ? undefined : cell.attachments;
  if (!attached || !Object.keys(attached).length) return "";
  let known = digests.get(attached);
  if (known === undefined) digests.set(attached, (known = digest(canonical(attached))));
  return known;
}

/** Null where attachments came or went: they are not passed on, and no cell is shown without its own. */
export function difference(before: readonly CellImage[], after: readonly CellImage[]): Op[] | null {
  const known = new Map(before.map((cell) => [cell.id, cell]));
  const ops: Op[] = [];
  for (const cell of after) {
    const old = known.get(cell.id);
    if (cell.attachments !== (old?.attachments ?? "")) return null;
    if (old && old.type === cell.type && old.metadata === cell.metadata) {
      if (old.source !== cell.source) ops.push(patch(cell.id, old.source, cell.source));
    } else {
      ops.push({ op: "cell", id: cell.id, cell_type: cell.type, source: cell.source, metadata: JSON.parse(cell.metadata) as Record<string, unknown> });
    }
  }
  if (before.length !== after.length || before.some((cell, index) => cell.id !== after[index]!.id)) ops.push({ op: "order", ids: after.map((cell) => cell.id) });
  return ops;
}

/** One place where characters went and others came. */
export function patch(id: string, before: string, after: string): Op {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start++;
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return { op: "patch", id, length: before.length, at: start, delete: before.length - start - end, insert: after.slice(start, after.length - end) };
}

/** False where something does not fit: the document is to be read again. Nothing of it counts as an edit of ours. */
export function apply(notebook: Notebook, ops: readonly Op[]): boolean {
  return batch(() => ops.every((op) => applyOne(notebook, op)));
}

const arrived = new WeakMap<Notebook, Map<string, Cell>>();

function applyOne(notebook: Notebook, op: Op): boolean {
  switch (op.op) {
    case "patch": {
      const cell = notebook.find(op.id) ?? fresh(notebook).get(op.id);
      const source = cell?.source.peek();
      if (!cell || source === undefined || source.length !== op.length || op.at + op.delete > source.length) return false;
      cell.source.value = source.slice(0, op.at) + op.insert + source.slice(op.at + op.delete);
      return true;
    }
    case "cell": {
      const cell = notebook.find(op.id);
      if (cell) cell.content = { ...cell.content, type: op.cell_type, source: op.source, metadata: op.metadata };
      else fresh(notebook).set(op.id, new Cell({ id: op.id, cell_type: op.cell_type, source: op.source, metadata: op.metadata }));
      return true;
    }
    case "order": {
      const cells = op.ids.map((id) => notebook.find(id) ?? fresh(notebook).get(id));
      if (!cells.length || cells.some((cell) => !cell)) return false;
      fresh(notebook).clear();
      notebook.show(cells as Cell[]);
      return true;
    }
    case "saved":
      return true;
  }
}

/** Cells that came, and whose place comes next. */
function fresh(notebook: Notebook): Map<string, Cell> {
  let cells = arrived.get(notebook);
  if (!cells) arrived.set(notebook, (cells = new Map()));
  return cells;
}

/** Show a document that was read anew, with the cells that are there already where they are the same. */
export function replace(notebook: Notebook, document: NotebookDocument): void {
  batch(() => {
    const cells = document.cells.map((from) => {
      const anew = new Cell(from);
      const cell = notebook.find(from.id);
      if (!cell) return anew;
      cell.content = anew.content;
      return cell;
    });
    fresh(notebook).clear();
    notebook.show(cells.length ? cells : [new Cell({ cell_type: "code" })], document.metadata);
  });
}

/** Of all that is saved: who has the same has nothing to read. */
export function sumOf(notebook: Notebook): string {
  const cells = notebook.cells.peek().map((cell) => [cell.id, cell.type.peek(), cell.source.peek(), cell.metadata, attachedTo(cell)]);
  return digest(canonical([notebook.metadata, cells]));
}

/** Equal for equal texts, and hardly for others (FNV-1a of two seeds). */
function digest(text: string): string {
  let [one, two] = [0x811c9dc5, 0x9747b28c];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    one = Math.imul(one ^ code, 0x01000193);
    two = Math.imul(two ^ code, 0x85ebca6b);
  }
  return `${(one >>> 0).toString(16)}-${(two >>> 0).toString(16)}-${text.length}`;
}
