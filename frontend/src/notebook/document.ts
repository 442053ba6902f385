// The cells of a notebook and what can be done to them. Every change of structure can be undone.

import { batch, signal, type Signal } from "@preact/signals";
import { uuid } from "../protocol";

export type CellType = "code" | "markdown" | "raw";

export interface NotebookCell {
  id: string;
  cell_type: CellType;
  source: string | string[];
  metadata: Record<string, unknown>;
  attachments?: Record<string, unknown>;
  outputs?: Record<string, unknown>[];
  execution_count?: number | null;
}

export interface NotebookDocument {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, unknown>;
  cells: NotebookCell[];
}

/** A cell in the page: what is edited is a signal, what only travels along is kept as it came. */
export class Cell {
  readonly id: string;
  readonly type: Signal<CellType>;
  readonly source: Signal<string>;
  /** A Markdown cell that is being written rather than read. */
  readonly editing: Signal<boolean>;
  metadata: Record<string, unknown>;
  attachments: Record<string, unknown> | undefined;

  constructor(from: Partial<NotebookCell> & { cell_type: CellType }) {
    this.id = from.id ?? uuid().replace(/-/g, "").slice(0, 12);
    this.type = signal(from.cell_type);
    this.source = signal(Array.isArray(from.source) ? from.source.join("") : (from.source ?? ""));
    this.editing = signal(!this.source.value);
    this.metadata = structuredClone(from.metadata ?? {});
    this.attachments = from.attachments && structuredClone(from.attachments);
  }

  copy(): Cell {
    return new Cell({ cell_type: this.type.value, source: this.source.value, metadata: withoutOurs(this.metadata), ...(this.attachments && { attachments: this.attachments }) });
  }

  /** Outputs are the server's: they are not sent back. */
  toJSON(): NotebookCell {
    const type = this.type.value;
    return {
      id: this.id,
      cell_type: type,
      source: this.source.value,
      metadata: this.metadata,
      ...(type === "code" ? { outputs: [], execution_count: null } : this.attachments ? { attachments: this.attachments } : {}),
    };
  }
}

function withoutOurs(metadata: Record<string, unknown>): Record<string, unknown> {
  const { thermae: _, ...rest } = metadata;
  return rest;
}

type Inverse = () => void;

export class Notebook {
  readonly cells = signal<Cell[]>([]);
  /** Counts up with every change worth saving. */
  readonly edits = signal(0);
  readonly undoable = signal(0);
  private metadata: Record<string, unknown>;
  private history: Inverse[] = [];
  private future: Inverse[] = [];

  constructor(document: NotebookDocument) {
    this.metadata = document.metadata;
    this.cells.value = document.cells.map((cell) => new Cell(cell));
    if (!this.cells.value.length) this.cells.value = [new Cell({ cell_type: "code" })];
  }

  toJSON(): NotebookDocument {
    return { nbformat: 4, nbformat_minor: 5, metadata: this.metadata, cells: this.cells.value.map((cell) => cell.toJSON()) };
  }

  indexOf(id: string): number {
    return this.cells.value.findIndex((cell) => cell.id === id);
  }

  find(id: string): Cell | undefined {
    return this.cells.value.find((cell) => cell.id === id);
  }

  edited(): void {
    this.edits.value++;
  }

  setSource(cell: Cell, source: string): void {
    if (cell.source.value === source) return;
    cell.source.value = source;
    this.edited();
  }

  insert(index: number, cell: Cell = new Cell({ cell_type: "code" })): Cell {
    this.setCells([...this.cells.value.slice(0, index), cell, ...this.cells.value.slice(index)]);
    return cell;
  }

  /** A notebook is never without a cell: deleting the last one leaves a fresh one. */
  remove(id: string): void {
    const rest = this.cells.value.filter((cell) => cell.id !== id);
    this.setCells(rest.length ? rest : [new Cell({ cell_type: "code" })]);
  }

  move(id: string, by: number): void {
    const from = this.indexOf(id);
    const to = Math.min(Math.max(0, from + by), this.cells.value.length - 1);
    if (from < 0 || from === to) return;
    const cells = [...this.cells.value];
    cells.splice(to, 0, ...cells.splice(from, 1));
    this.setCells(cells);
  }

  changeType(cell: Cell, type: CellType): void {
    const [before, editing] = [cell.type.value, cell.editing.value];
    if (before === type) return;
    this.perform(
      () => batch(() => ((cell.type.value = type), (cell.editing.value = true))),
      () => batch(() => ((cell.type.value = before), (cell.editing.value = editing))),
    );
  }

  /** Cut a cell in two at a place in its text; returns the second half. */
  split(cell: Cell, at: number): Cell {
    const [whole, cells] = [cell.source.value, this.cells.value];
    const rest = new Cell({ cell_type: cell.type.value, source: whole.slice(at).replace(/^\n/, "") });
    const index = this.indexOf(cell.id);
    this.perform(
      () => batch(() => ((cell.source.value = whole.slice(0, at).replace(/\n$/, "")), (this.cells.value = [...cells.slice(0, index + 1), rest, ...cells.slice(index + 1)]))),
      () => batch(() => ((cell.source.value = whole), (this.cells.value = cells))),
    );
    return rest;
  }

  /** Join a cell with the one below. */
  mergeBelow(cell: Cell): void {
    const [whole, cells] = [cell.source.value, this.cells.value];
    const below = cells[this.indexOf(cell.id) + 1];
    if (!below) return;
    this.perform(
      () => batch(() => ((cell.source.value = `${whole}\n${below.source.value}`), (this.cells.value = cells.filter((each) => each !== below)))),
      () => batch(() => ((cell.source.value = whole), (this.cells.value = cells))),
    );
  }

  /** Cells as somebody else has them: nothing of it is an edit of ours, and there is nothing to undo. */
  show(cells: Cell[]): void {
    this.cells.value = cells;
    this.history = [];
    this.future = [];
    this.undoable.value = 0;
  }

  undo(): boolean {
    return this.step(this.history, this.future);
  }

  redo(): boolean {
    return this.step(this.future, this.history);
  }

  private step(from: Inverse[], to: Inverse[]): boolean {
    const action = from.pop();
    if (!action) return false;
    const snapshot = this.snapshot();
    action();
    to.push(snapshot);
    this.undoable.value = this.history.length;
    this.edited();
    return true;
  }

  /** Brings back cells, their order, types and texts as they are now. */
  private snapshot(): Inverse {
    const before = this.cells.value.map((cell) => ({ cell, type: cell.type.value, source: cell.source.value }));
    return () =>
      batch(() => {
        this.cells.value = before.map((each) => each.cell);
        for (const { cell, type, source } of before) (cell.type.value = type), (cell.source.value = source);
      });
  }

  private setCells(cells: Cell[]): void {
    const before = this.cells.value;
    this.perform(
      () => (this.cells.value = cells),
      () => (this.cells.value = before),
    );
  }

  private perform(action: () => void, inverse: Inverse): void {
    action();
    this.history.push(inverse);
    if (this.history.length > 200) this.history.shift();
    this.future = [];
    this.undoable.value = this.history.length;
    this.edited();
  }
}
