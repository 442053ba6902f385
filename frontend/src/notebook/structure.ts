// What is done to the selected cells: insert, cut, paste, move, split, merge, hide, and undo of all of it.

import type { Signal } from "@preact/signals";
import { Clipboard, copyToSystem, pasted, type Carrier } from "./clipboard";
import { Cell, type CellType, type Notebook } from "./document";
import type { Selection } from "./selection";
import type { Part } from "./cell";

/** The page, as far as changes of cells need it. */
export interface Surroundings {
  readonly notebook: Notebook;
  readonly selection: Selection;
  readonly readOnly: Signal<boolean>;
  say(text: string, action?: { label: string; run(): void }): void;
  tell(words: string): void;
  /** Says why nothing can be changed or run. */
  refuseEdit(): void;
  withdrawOffers(): void;
  cursors(cell: Cell): number[];
}

export class Structure {
  private readonly clipboard = new Clipboard();

  constructor(private readonly page: Surroundings) {}

  private readonly taken = (id: string) => this.notebook.find(id) !== undefined;

  private get notebook(): Notebook {
    return this.page.notebook;
  }

  private get selection(): Selection {
    return this.page.selection;
  }

  /** Whether the document may be changed; says why not. */
  private get allowed(): boolean {
    if (this.page.readOnly.value) this.page.refuseEdit();
    return !this.page.readOnly.value;
  }

  insert(index: number, type: CellType = "code", mode: "command" | "edit" = "edit"): void {
    if (!this.allowed) return;
    this.notebook.insert(index, new Cell({ cell_type: type }));
    this.selection.go(index, mode);
  }

  remove(cells: readonly Cell[] = this.selection.cells.value): void {
    if (!this.allowed) return;
    const index = this.notebook.indexOf(cells[0]!.id);
    this.notebook.remove(...cells.map((cell) => cell.id));
    this.selection.go(index);
    const empty = cells.every((cell) => !cell.source.value.trim());
    this.page.say(cells.length > 1 ? `${cells.length} cells deleted.` : empty ? "Empty cell deleted." : "Cell deleted.", { label: "Undo", run: () => this.undo() });
  }

  // --- Copy and paste -------------------------------------------------------------------------------------------

  copy(): void {
    const cells = this.selection.cells.value;
    copyToSystem(cells);
    this.copied(cells);
  }

  /** Cells are on the system's clipboard: keep them for V as well. */
  copied(cells: readonly Cell[]): void {
    this.clipboard.put(cells);
    this.page.tell(cells.length > 1 ? `${cells.length} cells copied` : "Cell copied");
  }

  cut(): void {
    if (!this.allowed) return;
    this.copy();
    this.remove();
  }

  paste(where: "above" | "below"): void {
    const cells = this.clipboard.take(this.taken);
    if (!cells.length) return this.page.say("Nothing to paste: cut or copy a cell first. Ctrl V pastes what other programs copied.");
    this.put(cells, where);
  }

  /** The browser's own paste, on a cell: brings cells of other windows, and text. */
  pasteFrom(carrier: Carrier): void {
    const cells = pasted(carrier, "code", this.taken);
    if (cells.length) this.put(cells, "below");
  }

  private put(cells: readonly Cell[], where: "above" | "below"): void {
    if (!this.allowed) return;
    const index = where === "above" ? this.selection.first : this.selection.end;
    this.notebook.insert(index, ...cells);
    this.selection.select(cells);
    this.page.tell(cells.length > 1 ? `${cells.length} cells pasted` : "Cell pasted");
  }

  // --- Order ----------------------------------------------------------------------------------------------------

  move(by: -1 | 1): void {
    if (!this.allowed) return;
    this.notebook.move([...this.selection.ids.value], by);
    this.selection.moves.value++;
    this.page.tell(`Moved to place ${this.selection.first + 1}`);
  }

  moveTo(ids: readonly string[], index: number): void {
    if (!this.allowed) return;
    this.notebook.moveTo(ids, index);
    this.selection.moves.value++;
    const first = Math.min(...ids.map((id) => this.notebook.indexOf(id)));
    this.page.tell(`Moved to place ${first + 1}`);
  }

  split(cell: Cell): void {
    if (!this.allowed) return;
    const rest = this.notebook.split(cell, this.page.cursors(cell));
    if (rest === cell) return this.page.say("There is nothing to split: put the cursor where the cell is to be cut.");
    this.selection.go(this.notebook.indexOf(rest.id), this.selection.mode.value);
    rest.editing.value = true;
  }

  /** The selected cells; or, of a single one, it and its neighbour. */
  merge(which: "selected" | "above" | "below"): void {
    if (!this.allowed) return;
    const cells = this.notebook.cells.value;
    const at = this.selection.index;
    const meant = which === "above" ? cells.slice(Math.max(0, at - 1), at + 1) : which === "selected" && this.selection.several ? this.selection.cells.value : cells.slice(at, at + 2);
    if (meant.length < 2) return this.page.say(which === "above" ? "There is no cell above to merge with." : "There is no cell below to merge with.");
    this.notebook.merge(meant);
    this.selection.go(this.notebook.indexOf(meant[0]!.id), this.selection.mode.value);
  }

  // --- Kind and look --------------------------------------------------------------------------------------------

  changeType(type: CellType, cells: readonly Cell[] = this.selection.cells.value): void {
    if (this.allowed) this.notebook.changeType(cells, type);
  }

  /** Make the selected cells Markdown headings; one that is a heading gets the new level. */
  heading(level: number): void {
    if (!this.allowed) return;
    const cells = this.selection.cells.value.filter((cell) => cell.type.value === "markdown");
    this.notebook.rewrite(new Map(cells.map((cell) => [cell, cell.source.value.replace(/^\s*(#{1,6}(?:[ \t]+|$))?/, `${"#".repeat(level)} `)])));
  }

  /** Raw cells may say what they hold; nbconvert keeps them only in exports of that kind. */
  setRawType(cell: Cell, type: string): void {
    if (!this.allowed) return;
    this.notebook.changeMetadata([cell], ({ raw_mimetype: _, ...rest }) => (type ? { ...rest, raw_mimetype: type } : rest));
  }

  toggle(part: Part, cells: readonly Cell[] = this.selection.cells.value): void {
    const hidden = cells.some((cell) => !(part === "input" ? cell.inputHidden : cell.outputHidden).value);
    this.hide(part, hidden, cells);
  }

  hide(part: Part, hidden: boolean, cells: readonly Cell[] = this.notebook.cells.value): void {
    if (this.allowed) this.notebook.hide(part === "output" ? cells.filter((cell) => cell.type.value === "code") : cells, part, hidden);
  }

  // --- Undo -----------------------------------------------------------------------------------------------------

  undo(): void {
    this.step(() => this.notebook.undo(), "There is no change of cells to undo.");
  }

  redo(): void {
    this.step(() => this.notebook.redo(), "There is no change of cells to do again.");
  }

  private step(take: () => boolean, none: string): void {
    if (!this.allowed) return;
    const before = new Set(this.notebook.cells.value);
    const index = this.selection.index;
    this.page.withdrawOffers();
    if (!take()) return this.page.say(none);
    const back = this.notebook.cells.value.filter((cell) => !before.has(cell));
    if (back.length) this.selection.go(this.notebook.indexOf(back[0]!.id));
    else this.selection.go(this.notebook.find(this.selection.active.value) ? this.selection.index : index);
  }
}
