// The tree of a work folder: what is known of its folders, what is open and chosen, and the keys that move in it.

import { join, nameOf, parentOf, plain, within } from "./names";

export interface Entry {
  name: string;
  path: string;
  type: "file" | "directory" | "link" | "other";
  size: number;
  modified: number;
}

export interface Folder {
  entries: Entry[];
  /** Entries beyond what is listed. */
  more: number;
  problem: string;
}

export type Folders = ReadonlyMap<string, Folder>;

export interface Row {
  entry: Entry;
  level: number;
  position: number;
  of: number;
  /** Whether an open folder; null for what is none. */
  open: boolean | null;
}

/** Folders first, then by name as people count: 2 before 10. */
export function sorted(entries: Entry[]): Entry[] {
  const kind = (entry: Entry) => (entry.type === "directory" ? 0 : 1);
  return [...entries].sort((a, b) => kind(a) - kind(b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

/** What is to be seen, from top to bottom. */
export function rowsOf(folders: Folders, open: ReadonlySet<string>, hidden: boolean): Row[] {
  const rows: Row[] = [];
  const add = (path: string, level: number): void => {
    const shown = (folders.get(path)?.entries ?? []).filter((entry) => hidden || !entry.name.startsWith("."));
    shown.forEach((entry, index) => {
      const isFolder = entry.type === "directory";
      const isOpen = isFolder && open.has(entry.path);
      rows.push({ entry, level, position: index + 1, of: shown.length, open: isFolder ? isOpen : null });
      if (isOpen) add(entry.path, level + 1);
    });
  };
  add("", 1);
  return rows;
}

export interface Choice {
  /** Where the keyboard is. */
  current: string;
  selected: ReadonlySet<string>;
  /** Where a selection of several began. */
  anchor: string;
}

export type Move = "up" | "down" | "first" | "last";

/** Where a key leads; with `extend`, all from the anchor to there are selected. */
export function moved(rows: Row[], choice: Choice, move: Move, extend: boolean): Choice {
  if (!rows.length) return choice;
  const at = rows.findIndex((row) => row.entry.path === choice.current);
  const to = { up: Math.max(0, at - 1), down: Math.min(rows.length - 1, at + 1), first: 0, last: rows.length - 1 }[move];
  return chosen(rows, choice, rows[to]!.entry.path, extend ? "extend" : "only");
}

/** A click or a key on one row. */
export function chosen(rows: Row[], choice: Choice, path: string, how: "only" | "extend" | "toggle"): Choice {
  if (how === "only") return { current: path, selected: new Set([path]), anchor: path };
  if (how === "toggle") {
    const selected = new Set(choice.selected);
    if (!selected.delete(path)) selected.add(path);
    return { current: path, selected, anchor: path };
  }
  const places = rows.map((row) => row.entry.path);
  const from = Math.max(0, places.indexOf(choice.anchor));
  const to = places.indexOf(path);
  return { current: path, selected: new Set(places.slice(Math.min(from, to), Math.max(from, to) + 1)), anchor: places[from]! };
}

/** The next row after the current one whose name begins so, round the end. */
export function typedAhead(rows: Row[], current: string, typed: string): string | null {
  const at = rows.findIndex((row) => row.entry.path === current);
  // The same letter again goes on to the next; more letters may stay where they are.
  const start = typed.length > 1 ? at : at + 1;
  const beginning = typed.toLowerCase();
  for (let step = 0; step < rows.length; step++) {
    const row = rows[(Math.max(0, start) + step) % rows.length]!;
    if (plain(row.entry.name).toLowerCase().startsWith(beginning)) return row.entry.path;
  }
  return null;
}

/** Why these cannot be moved there, or "". */
export function moveFault(paths: string[], folder: string): string {
  if (paths.some((path) => within(folder, path))) return "A folder cannot be moved into itself.";
  if (paths.every((path) => parentOf(path) === folder)) return "It is there already.";
  return "";
}

/** The folder that something new goes into: the one chosen, or the one that what is chosen is in. */
export function targetOf(entry: Entry | undefined): string {
  if (!entry) return "";
  return entry.type === "directory" ? entry.path : parentOf(entry.path);
}

export function movedTo(path: string, folder: string): string {
  return join(folder, nameOf(path));
}
