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
    if (cell.type.value !== "code" || !cell.source.value.trim() || this.pends(cell)) return;
    page.editors.get(cell.id)?.closePopups();
    void page.autosave.flush();
    const execution = page.session.run(cell.id, cell.source.value, this.stopsOnError);
    execution.code = cell.source.value;
    page.results.begin(execution);
  }

  runEach(cells: readonly Cell[]): void {
    const pending = this.page.readOnly.value ? [] : cells.filter((cell) => this.pends(cell));
    for (const cell of cells) this.run(cell);
    const [first] = pending;
    if (!first) return;
    const runs = this.page.shownOf(first.id).value.execution?.state === "running";
    this.page.say(pending.length > 1 ? `${pending.length} of these cells are running or in the queue already.` : `Cell ${this.page.notebook.indexOf(first.id) + 1} is ${runs ? "running" : "in the queue"} already.`);
  }

  /** Until its run is over a cell is not run once more. */
  private pends(cell: Cell): boolean {
    const { execution } = this.page.shownOf(cell.id).value;
    return cell.type.value === "code" && execution !== undefined && !isFinal(execution);
  }

  all(): void {
    this.runEach(this.page.notebook.cells.value);
  }

  /** A new kernel, and all cells on it. */
  async restartAndRun(): Promise<void> {
    const { session, results } = this.page;
    const had = new Set(session.live ? this.begun().map(({ id }) => id) : []);
    if (!(await session.restart())) return;
    // They ended with their kernel. The log may tell so later, and their cells are to be run again now.
    const ended = this.begun().filter(({ id }) => had.has(id));
    results.update(ended.map((execution) => ({ ...execution, state: "aborted", reason: "restarted", input: null })));
    this.all();
  }

  /** What waits or runs at the server; what is only on its way there comes after a restart. */
  private begun(): Execution[] {
    const { results } = this.page;
    return results.pending.value.flatMap((cell) => {
      const { execution } = results.of(cell).value;
      return execution && !isFinal(execution) && execution.queuedAt !== null ? [execution] : [];
    });
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
