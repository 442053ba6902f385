// Cells on the clipboard: under a type of our own for notebooks, and as plain text for everything else.
//
// The keys C, X and V need no permission of the browser: what they copy is also kept where all tabs of this site see it.

import { Cell, type CellType, type NotebookCell } from "./document";
import { textOf } from "./cell";

export const CELLS_TYPE = "application/vnd.thermae.cells+json";
const KEPT = "thermae-clipboard";
const MOST = 500;
const TYPES: readonly string[] = ["code", "markdown", "raw"];

/** What `getData` of a clipboard event gives, as far as we read it. */
export interface Carrier {
  getData(type: string): string;
}

/** Whether a notebook has a cell of this id. */
export type Taken = (id: string) => boolean;
const always: Taken = () => true;

export function written(cells: readonly Cell[]): string {
  return JSON.stringify(cells);
}

export function asText(cells: readonly Cell[]): string {
  return cells.map((cell) => cell.source.value).join("\n\n");
}

/**
 * The cells of such a text; null for any other text. It may come from anywhere. They are new ones, with ids of their own,
 * except those that were cut: a cell that is in this notebook no more comes back as itself, and its outputs with it.
 */
export function readCells(json: string, taken: Taken = always): Cell[] | null {
  let found: unknown;
  try {
    found = JSON.parse(json);
  } catch {
    return null;
  }
  // A whole notebook, copied out of a file, is cells as well.
  const list = Array.isArray(found) ? found : (found as { cells?: unknown } | null)?.cells;
  if (!Array.isArray(list) || !list.length || list.length > MOST || !list.every(isCell)) return null;
  const used = new Set<string>();
  return list.map((each) => {
    const { cell_type, source, metadata, attachments } = each;
    const id = isId(each.id) && !used.has(each.id) && !taken(each.id) ? each.id : undefined;
    const cell = new Cell({ cell_type, source: textOf(source), metadata: isObject(metadata) ? metadata : {}, ...(id && { id }), ...(isObject(attachments) && { attachments }) });
    if (id) used.add(id);
    return id ? cell : cell.copy();
  });
}

/** As nbformat 4.5 has it. */
function isId(value: unknown): value is string {
  return typeof value === "string" && /^[a-zA-Z0-9_-]{1,64}$/.test(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCell(value: unknown): value is NotebookCell {
  if (!isObject(value) || !TYPES.includes(String(value.cell_type))) return false;
  const { source } = value;
  return typeof source === "string" || (Array.isArray(source) && source.every((line) => typeof line === "string"));
}

/** What was pasted: our own cells, a notebook's JSON, or a text that becomes one cell. */
export function pasted(from: Carrier, type: CellType, taken: Taken = always): Cell[] {
  const text = from.getData("text/plain").replace(/\r\n?/g, "\n");
  const cells = readCells(from.getData(CELLS_TYPE), taken) ?? readCells(text, taken);
  if (cells) return cells;
  return text.trim() ? [new Cell({ cell_type: type, source: text })] : [];
}

/** The cells that C and X put aside, for V in this tab or another of this site. */
export class Clipboard {
  private own = "";

  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem"> = localStorage) {}

  put(cells: readonly Cell[]): void {
    this.own = written(cells);
    try {
      this.storage.setItem(KEPT, this.own);
    } catch {
      // Full or forbidden: other tabs do without.
    }
  }

  take(taken: Taken = always): Cell[] {
    let kept: string | null = null;
    try {
      kept = this.storage.getItem(KEPT);
    } catch {
      // Forbidden: this tab's own.
    }
    return readCells(kept ?? this.own, taken) ?? readCells(this.own, taken) ?? [];
  }
}

/** Also fill the system's clipboard; the browser asks for what to put there by an event, which needs no permission. */
export function copyToSystem(cells: readonly Cell[]): void {
  const fill = (event: ClipboardEvent) => fillEvent(event, cells);
  document.addEventListener("copy", fill, { capture: true, once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", fill, { capture: true });
}

export function fillEvent(event: ClipboardEvent, cells: readonly Cell[]): void {
  event.preventDefault();
  event.stopImmediatePropagation();
  event.clipboardData?.setData("text/plain", asText(cells));
  event.clipboardData?.setData(CELLS_TYPE, written(cells));
}
