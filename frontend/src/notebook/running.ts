// Runs cells: one, several, all of a section; stops them, and clears what they printed.

import { isFinal, type Execution } from "../outputs/execution";
import { within, withSetting } from "./cell";
import type { Cell } from "./document";
import { sectionAround } from "../outline/headings";
import type { Page } from "./page";

export class Running {
  constructor(private readonly page: Page) {}

  /** Whether an error keeps those that wait behind it from running. */
  get stopsOnError(): boolean {
    return within(this.page.notebook.metadata, "thermae").stop_on_error !== false;
  }

  toggleStopOnError(): void {
    this.page.notebook.set("stop_on_error", this.stopsOnError ? false : undefined);
    this.page.tell(this.stopsOnError ? "Runs stop at the first error" : "Runs go on after an error");
  }

  run(cell: Cell): void {
    const { page } = this;
    if (page.readOnly.value) return page.refuseEdit();
    if (cell.type.value === "markdown") cell.editing.value = false;
    if (cell.type.value !== "code" || !cell.source.value.trim()) return;
    const running = page.shownOf(cell.id).value.execution;
    if (running && !isFinal(running)) return;
    page.editors.get(cell.id)?.closePopups();
    void page.autosave.flush();
    const execution = page.session.run(cell.id, cell.source.value, this.stopsOnError);
    execution.code = cell.source.value;
    page.results.begin(execution);
  }

  runEach(cells: readonly Cell[]): void {
    for (const cell of cells) this.run(cell);
  }

  all(): void {
    this.runEach(this.page.notebook.cells.value);
  }

  above(): void {
    this.runEach(this.page.notebook.cells.value.slice(0, this.page.selection.first));
  }

  /** The selected cell and all that come after it. */
  below(): void {
    this.runEach(this.page.notebook.cells.value.slice(this.page.selection.first));
  }

  /** From the heading above to the next of the same rank. */
  section(index = this.page.selection.index): void {
    const cells = this.page.notebook.cells.value;
    const [from, to] = sectionAround(cells, index);
    this.runEach(cells.slice(from, to));
  }

  /** Run the selected cells, then: stay, go to the next (making one at the end), or insert one below. */
  selectedAnd(then: "stay" | "next" | "insert"): void {
    const { selection, notebook, structure } = this.page;
    const end = selection.end;
    this.runEach(selection.cells.value);
    if (this.page.readOnly.value) return;
    if (then === "insert" || (then === "next" && end === notebook.cells.value.length)) return structure.insert(end);
    if (then === "next") selection.go(end);
    else if (!selection.several) selection.go(selection.index);
  }

  // --- The queue ------------------------------------------------------------------------------------------------

  cancel(cell: string): void {
    const { execution } = this.page.shownOf(cell).value;
    if (execution && !isFinal(execution)) this.page.session.cancel(execution);
  }

  /** Take out all that wait; what runs goes on. */
  cancelWaiting(): void {
    const { pending, running } = this.page.results;
    for (const cell of [...pending.value]) if (cell !== running.value) this.cancel(cell);
  }

  /** To the cell that runs, or else to the one whose turn is next. */
  show(cell = this.page.results.running.value ?? this.page.results.pending.value[0]): void {
    const index = cell === undefined ? -1 : this.page.notebook.indexOf(cell);
    if (index < 0) return this.page.say(cell === undefined ? "No cell is running." : "The cell that runs was deleted. Undo brings it back.");
    this.page.go(index);
  }

  // --- Outputs --------------------------------------------------------------------------------------------------

  clear(cells: readonly Cell[]): void {
    const done = new Map<Cell, Execution>();
    for (const cell of cells) {
      const { execution } = this.page.shownOf(cell.id).value;
      if (execution && isFinal(execution)) done.set(cell, execution);
    }
    this.page.notebook.changeMetadata([...done.keys()], (metadata, cell) => withSetting(metadata, "thermae", "cleared", done.get(cell)!.id));
  }
}
