// Which cells are meant: the active one, and with it those up to where a selection began.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Cell, Notebook } from "./document";

export type Mode = "command" | "edit";

export class Selection {
  readonly active: Signal<string>;
  readonly mode = signal<Mode>("command");
  /** Counts up when a command moves to a cell: the focus follows, even to where it was. */
  readonly moves = signal(0);
  /** The selected cells in their order: at least the active one. */
  readonly cells: ReadonlySignal<Cell[]>;
  readonly ids: ReadonlySignal<ReadonlySet<string>>;
  /** The other end; null while only one cell is selected. */
  private readonly anchor = signal<string | null>(null);

  constructor(private readonly notebook: Notebook) {
    this.active = signal(notebook.cells.value[0]!.id);
    this.cells = computed(() => {
      const cells = notebook.cells.value;
      const active = Math.max(0, notebook.indexOf(this.active.value));
      const anchor = this.anchor.value === null ? -1 : notebook.indexOf(this.anchor.value);
      return anchor < 0 ? [cells[active]!] : cells.slice(Math.min(active, anchor), Math.max(active, anchor) + 1);
    });
    this.ids = computed(() => new Set(this.cells.value.map((cell) => cell.id)));
  }

  get current(): Cell {
    return this.notebook.find(this.active.value) ?? this.notebook.cells.value[0]!;
  }

  get index(): number {
    return Math.max(0, this.notebook.indexOf(this.active.value));
  }

  /** Where the selection begins. */
  get first(): number {
    return this.notebook.indexOf(this.cells.value[0]!.id);
  }

  /** Behind the last selected cell. */
  get end(): number {
    return this.notebook.indexOf(this.cells.value.at(-1)!.id) + 1;
  }

  get several(): boolean {
    return this.cells.value.length > 1;
  }

  go(index: number, mode: Mode = "command"): void {
    batch(() => {
      this.anchor.value = null;
      const cell = this.activate(index);
      this.mode.value = mode;
      if (mode === "edit") cell.editing.value = true;
    });
  }

  /** Select up to a cell from where the selection began. */
  extendTo(index: number): void {
    batch(() => {
      this.anchor.value ??= this.current.id;
      this.activate(index);
      this.mode.value = "command";
    });
  }

  /** Select neighbours, the active one last. */
  select(cells: readonly Cell[]): void {
    batch(() => {
      this.go(this.notebook.indexOf(cells[0]!.id));
      if (cells.length > 1) this.extendTo(this.notebook.indexOf(cells.at(-1)!.id));
    });
  }

  /** The focus came to a cell by itself, by Tab or a click: follow it. */
  touch(cell: Cell, mode: Mode): void {
    batch(() => {
      if (cell.id !== this.active.value || mode === "edit") this.anchor.value = null;
      this.active.value = cell.id;
      this.mode.value = mode;
    });
  }

  collapse(): void {
    this.anchor.value = null;
  }

  private activate(index: number): Cell {
    const cells = this.notebook.cells.value;
    const cell = cells[Math.min(Math.max(0, index), cells.length - 1)]!;
    this.active.value = cell.id;
    this.moves.value++;
    return cell;
  }
}
