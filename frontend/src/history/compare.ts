// Two states of a notebook, compared cell by cell. Outputs are no part of it: they belong to the server.

import type { NotebookCell, NotebookDocument } from "../notebook/document";

export interface Place {
  cell: NotebookCell;
  /** Counts from 0. */
  index: number;
}

export interface CellChange {
  kind: "same" | "added" | "removed" | "changed";
  before: Place | null;
  after: Place | null;
  /** It stands elsewhere among the cells that both have. */
  moved: boolean;
  /** What differs besides the text, in words. */
  besides: string[];
}

export function sourceOf(cell: NotebookCell): string {
  return Array.isArray(cell.source) ? cell.source.join("") : cell.source;
}

/** The changes in the order of `after`; a cell that is gone stands where it stood. */
export function compare(before: NotebookDocument, after: NotebookDocument): CellChange[] {
  const pairs = matched(before.cells, after.cells);
  const still = steady(after.cells.flatMap((_, index) => pairs.get(index) ?? []));
  const changes: CellChange[] = after.cells.map((cell, index) => {
    const from = pairs.get(index);
    if (from === undefined) return { kind: "added", before: null, after: { cell, index }, moved: false, besides: [] };
    const old = before.cells[from]!;
    const besides = besidesText(old, cell);
    const same = sourceOf(old) === sourceOf(cell) && besides.length === 0;
    return { kind: same ? "same" : "changed", before: { cell: old, index: from }, after: { cell, index }, moved: !still.has(from), besides };
  });
  const kept = new Set(pairs.values());
  before.cells.forEach((cell, index) => {
    if (kept.has(index)) return;
    // After what stood before it, or first.
    const at = changes.findLastIndex((change) => change.before !== null && !change.moved && change.before.index < index);
    changes.splice(at + 1, 0, { kind: "removed", before: { cell, index }, after: null, moved: false, besides: [] });
  });
  return changes;
}

export function isChange(change: CellChange): boolean {
  return change.kind !== "same" || change.moved;
}

/** "2 cells changed, 1 added, 1 moved", or "" where nothing differs. */
export function inWords(changes: CellChange[]): string {
  const count = (kind: CellChange["kind"]) => changes.filter((change) => change.kind === kind).length;
  const moved = changes.filter((change) => change.moved).length;
  const parts = [[count("changed"), "changed"], [count("added"), "added"], [count("removed"), "removed"], [moved, "moved"]] as const;
  const said = parts.filter(([number]) => number > 0);
  return said.map(([number, what], place) => `${number} ${place ? "" : number === 1 ? "cell " : "cells "}${what}`).join(", ");
}

/** Index in `after` → index in `before`: by id, and what is left over by type and text, as where ids were made anew. */
function matched(before: readonly NotebookCell[], after: readonly NotebookCell[]): Map<number, number> {
  const pairs = new Map<number, number>();
  const byId = new Map(before.map((cell, index) => [cell.id, index]));
  after.forEach((cell, index) => {
    const from = byId.get(cell.id);
    if (from !== undefined) pairs.set(index, from);
  });
  const taken = new Set(pairs.values());
  const left = new Map<string, number[]>();
  before.forEach((cell, index) => {
    if (taken.has(index) || !sourceOf(cell).trim()) return;
    const key = `${cell.cell_type} ${sourceOf(cell)}`;
    left.set(key, [...(left.get(key) ?? []), index]);
  });
  after.forEach((cell, index) => {
    const from = pairs.has(index) ? undefined : left.get(`${cell.cell_type} ${sourceOf(cell)}`)?.shift();
    if (from !== undefined) pairs.set(index, from);
  });
  return pairs;
}

/** The longest run of numbers that grow, in their order: the cells that did not move. */
function steady(numbers: readonly number[]): Set<number> {
  const ends: number[] = [];
  const previous = new Map<number, number | undefined>();
  for (const number of numbers) {
    let place = ends.findIndex((end) => end >= number);
    if (place < 0) place = ends.length;
    previous.set(number, ends[place - 1]);
    ends[place] = number;
  }
  const found = new Set<number>();
  for (let at = ends.at(-1); at !== undefined; at = previous.get(at)) found.add(at);
  return found;
}

function besidesText(before: NotebookCell, after: NotebookCell): string[] {
  const differ = (one: unknown, other: unknown) => canonical(one ?? {}) !== canonical(other ?? {});
  return [
    ...(before.cell_type !== after.cell_type ? [`type: ${before.cell_type} → ${after.cell_type}`] : []),
    ...(differ(before.metadata, after.metadata) ? ["settings of the cell"] : []),
    ...(differ(before.attachments, after.attachments) ? ["attached files"] : []),
  ];
}

/** JSON that is the same for the same content, in whatever order its keys came. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
