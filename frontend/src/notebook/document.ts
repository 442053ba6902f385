// The cells of a notebook and what can be done to them. Every change of structure can be undone.

import { batch, signal } from "@preact/signals";
import { Cell, withHidden, withSetting, type CellContent, type CellType, type Metadata, type NotebookDocument, type Part } from "./cell";

export { Cell, type CellType, type Metadata, type NotebookCell, type NotebookDocument } from "./cell";

/** The order of the cells at one moment, and what was in those that a step changes. */
interface Moment {
  cells: Cell[];
  contents: Map<Cell, CellContent>;
  /** The notebook's own, of a step that changes it. */
  metadata: Metadata | null;
}

interface Step {
  touched: readonly Cell[];
  /** Where undo, or doing it again, leads back to. */
  back: Moment;
}

const STEPS_KEPT = 200;

export class Notebook {
  readonly cells = signal<Cell[]>([]);
  /** Counts up with every change worth saving. */
  readonly edits = signal(0);
  readonly undoable = signal(0);
  readonly redoable = signal(0);
  private readonly data = signal<Metadata>({});
  private done: Step[] = [];
  private undone: Step[] = [];

  constructor(document: NotebookDocument) {
    this.data.value = document.metadata;
    this.cells.value = document.cells.map((cell) => new Cell(cell));
    if (!this.cells.value.length) this.cells.value = [new Cell({ cell_type: "code" })];
  }

  get metadata(): Metadata {
    return this.data.value;
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

  /** A setting of ours in the notebook's own metadata; no step of undo. */
  set(name: string, value: unknown): void {
    this.data.value = withSetting(this.metadata, "thermae", name, value);
    this.edited();
  }

  setSource(cell: Cell, source: string): void {
    if (cell.source.value === source) return;
    cell.source.value = source;
    this.edited();
  }

  // --- Changes of structure -------------------------------------------------------------------------------------

  insert(index: number, ...cells: Cell[]): Cell {
    const added = cells.length ? cells : [new Cell({ cell_type: "code" })];
    this.change([], () => this.place([...this.cells.value.slice(0, index), ...added, ...this.cells.value.slice(index)]));
    return added[0]!;
  }

  /** A notebook is never without a cell: deleting the last one leaves a fresh one. */
  remove(...ids: string[]): void {
    const rest = this.cells.value.filter((cell) => !ids.includes(cell.id));
    this.change([], () => this.place(rest.length ? rest : [new Cell({ cell_type: "code" })]));
  }

  /** Move cells, which need not be neighbours, in front of the one that is at `index` now. */
  moveTo(ids: readonly string[], index: number): void {
    const cells = this.cells.value;
    const moved = cells.filter((cell) => ids.includes(cell.id));
    const before = cells.slice(0, index).filter((cell) => !ids.includes(cell.id));
    const after = cells.slice(index).filter((cell) => !ids.includes(cell.id));
    this.change([], () => this.place([...before, ...moved, ...after]));
  }

  /** Move neighbours up or down by one place. */
  move(ids: readonly string[], by: -1 | 1): void {
    const places = ids.map((id) => this.indexOf(id)).filter((place) => place >= 0);
    if (places.length) this.moveTo(ids, by < 0 ? Math.max(0, Math.min(...places) - 1) : Math.max(...places) + 2);
  }

  changeType(cells: readonly Cell[], type: CellType): void {
    this.change(cells, () => {
      for (const cell of cells) {
        if (cell.type.value === type) continue;
        cell.type.value = type;
        cell.editing.value = true;
      }
    });
  }

  /** Replace texts in one step, as a heading's level or a replacement in all cells does. */
  rewrite(texts: ReadonlyMap<Cell, string>): void {
    this.change([...texts.keys()], () => {
      for (const [cell, text] of texts) cell.source.value = text;
    });
  }

  changeMetadata(cells: readonly Cell[], change: (metadata: Metadata, cell: Cell) => Metadata): void {
    this.change(cells, () => {
      for (const cell of cells) cell.metadata = change(cell.metadata, cell);
    });
  }

  hide(cells: readonly Cell[], part: Part, hidden: boolean): void {
    this.changeMetadata(cells, (metadata) => withHidden(metadata, part, hidden));
  }

  /** Give a cell pictures of its own; `write` puts what shows them into its text. */
  attach(cell: Cell, pictures: Record<string, unknown>, write: () => void): void {
    this.change([cell], () => {
      cell.attachments = { ...cell.attachments, ...pictures };
      write();
    });
  }

  /** Cut a cell at places in its text. The first part stays the cell that it was, and all have its pictures; returns the last. */
  split(cell: Cell, places: readonly number[]): Cell {
    const parts = partsOf(cell.source.value, places);
    const rest = parts.slice(1).map((source) => new Cell({ cell_type: cell.type.value, source, ...(cell.attachments && { attachments: cell.attachments }) }));
    if (!rest.length) return cell;
    const index = this.indexOf(cell.id);
    this.change([cell], () => {
      cell.source.value = parts[0]!;
      this.place([...this.cells.value.slice(0, index + 1), ...rest, ...this.cells.value.slice(index + 1)]);
    });
    return rest.at(-1)!;
  }

  /** Join cells into the first of them, whose type and outputs stay. */
  merge(cells: readonly Cell[]): void {
    const [first, ...others] = cells;
    if (!first || !others.length) return;
    // Two paragraphs of Markdown must not become one.
    const between = first.type.value === "markdown" ? "\n\n" : "\n";
    this.change([first], () => {
      first.source.value = cells.map((cell) => cell.source.value).join(between);
      const attachments = Object.assign({}, ...cells.map((cell) => cell.attachments ?? {})) as Record<string, unknown>;
      first.attachments = Object.keys(attachments).length ? attachments : undefined;
      this.place(this.cells.value.filter((cell) => !others.includes(cell)));
    });
  }

  /** Become another document, in one step: cells that stay keep their editors and outputs. What others did is not for us to undo. */
  adopt(document: NotebookDocument, undoable = true): void {
    const known = new Map(this.cells.value.map((cell) => [cell.id, cell]));
    const adopted = document.cells.map((from) => {
      const fresh = new Cell(from);
      return { cell: known.get(from.id) ?? fresh, content: fresh.content };
    });
    this.change(this.cells.value, () => {
      for (const { cell, content } of adopted) cell.content = content;
      this.data.value = structuredClone(document.metadata);
      this.place(adopted.length ? adopted.map(({ cell }) => cell) : [new Cell({ cell_type: "code" })]);
    }, true);
    if (!undoable) this.forgetSteps();
  }

  /** What somebody else has: nothing of it is an edit of ours, and there is nothing to undo. */
  show(cells: Cell[], metadata = this.metadata): void {
    this.cells.value = cells;
    this.data.value = metadata;
    this.forgetSteps();
  }

  private forgetSteps(): void {
    this.done = [];
    this.undone = [];
    this.undoable.value = this.redoable.value = 0;
  }

  // --- Undo -----------------------------------------------------------------------------------------------------

  undo(): boolean {
    return this.step(this.done, this.undone);
  }

  redo(): boolean {
    return this.step(this.undone, this.done);
  }

  /** What was typed since then in cells that the step does not touch stays. */
  private step(from: Step[], to: Step[]): boolean {
    const step = from.pop();
    if (!step) return false;
    to.push({ touched: step.touched, back: this.moment(step.touched, step.back.metadata !== null) });
    batch(() => {
      this.cells.value = step.back.cells;
      for (const [cell, content] of step.back.contents) {
        cell.content = content;
        cell.editing.value = !content.source;
      }
      if (step.back.metadata) this.data.value = step.back.metadata;
      this.count();
    });
    return true;
  }

  private change(touched: readonly Cell[], action: () => void, withMetadata = false): void {
    const back = this.moment(touched, withMetadata);
    batch(() => {
      action();
      if (this.same(back)) return;
      this.done.push({ touched, back });
      if (this.done.length > STEPS_KEPT) this.done.shift();
      this.undone = [];
      this.count();
    });
  }

  private count(): void {
    this.undoable.value = this.done.length;
    this.redoable.value = this.undone.length;
    this.edited();
  }

  private moment(touched: readonly Cell[], withMetadata: boolean): Moment {
    const contents = new Map(touched.map((cell) => [cell, cell.content]));
    return { cells: this.cells.peek(), contents, metadata: withMetadata ? this.data.peek() : null };
  }

  private same({ cells, contents, metadata }: Moment): boolean {
    if (this.cells.peek() !== cells || (metadata && JSON.stringify(metadata) !== JSON.stringify(this.data.peek()))) return false;
    return [...contents].every(([cell, before]) => {
      const now = cell.content;
      return now.type === before.type && now.source === before.source && now.attachments === before.attachments && JSON.stringify(now.metadata) === JSON.stringify(before.metadata);
    });
  }

  private place(cells: Cell[]): void {
    const now = this.cells.value;
    if (cells.length !== now.length || cells.some((cell, index) => cell !== now[index])) this.cells.value = cells;
  }
}

/** A text cut at places; one line break at a cut goes, and so do parts without any text. */
function partsOf(text: string, places: readonly number[]): string[] {
  const cuts = [...new Set(places)].sort((a, b) => a - b).filter((place) => place >= 0 && place <= text.length);
  const ends = [...cuts, text.length];
  const parts = ends.map((end, index) => text.slice(index ? cuts[index - 1] : 0, end));
  const bare = parts.map((part, index) => (index ? part.replace(/^\n/, "") : part)).map((part, index) => (index < parts.length - 1 ? part.replace(/\n$/, "") : part));
  // A single cut makes two cells wherever it is: that is how one gets an empty one.
  return bare.length === 2 ? bare : bare.filter((part) => part.trim());
}
