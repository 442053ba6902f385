// What each cell shows of its last run, which cells wait or run, and whether a cell was edited since.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { ask } from "../api";
import { isFinal, newExecution, outputsFromNotebook, preferred, type Execution } from "../outputs/execution";
import type { ExecutionStatus } from "../protocol";
import type { WaitingRun } from "../session/places";
import { textOf, within } from "./cell";
import type { Cell, Notebook, NotebookDocument } from "./document";

/** Asks for a document without what is large: that is read when it is scrolled to. */
export const NEAR = "?outputs=near";

export interface SavedExecution {
  id: string;
  cell: string;
  session: string;
  state: ExecutionStatus;
  execution_count: number | null;
  queued_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  cut: boolean;
  /** What ran, where that is not what the document holds. */
  code: string | null;
}

export interface Loaded {
  title: string;
  version: number;
  document: NotebookDocument;
  executions: SavedExecution[];
  session: { id: string; state: string; reason: string } | null;
  /** Cell → characters of its outputs, where they are not in the document. */
  left_out?: Record<string, number>;
  /** Cells that wait for a place, or did and will not run. */
  waiting?: WaitingRun[];
}

/** What a cell shows of its last run. A new object whenever something in it changed. */
export interface Shown {
  execution: Execution | undefined;
}

const NOTHING: Shown = { execution: undefined };

export class Results {
  /** Cells that wait or run, in the order in which they were asked for. */
  readonly pending = signal<string[]>([]);
  readonly busy = computed(() => this.pending.value.length > 0);
  /** The cell whose turn it is. */
  readonly running = computed(() => this.pending.value.find((cell) => this.last(cell).value.execution?.state === "running") ?? null);
  private lasts = new Map<string, Signal<Shown>>();
  private visibles = new Map<string, ReadonlySignal<Shown>>();
  private saved = new Map<string, Execution>();

  constructor(
    private readonly notebook: Notebook,
    loaded: Loaded,
    /** Hears of what ends before our eyes, not of what a replay brings back. */
    private readonly ended: (execution: Execution) => void,
  ) {
    this.readSaved(loaded);
  }

  /** `missingOnly`: of cells that came in later, such as from a version; what runs here is told by the session. */
  readSaved(loaded: Loaded, missingOnly = false): void {
    const executions = new Map(loaded.executions.map((each) => [each.cell, each]));
    for (const cell of loaded.document.cells) {
      const known = executions.get(cell.id);
      const leftOut = loaded.left_out?.[cell.id] ?? 0;
      if (cell.cell_type !== "code" || (!known && !cell.outputs?.length && !leftOut)) continue;
      if (missingOnly && this.last(cell.id).value.execution) continue;
      const execution = newExecution(known?.id ?? `stored-${cell.id}`, cell.id);
      execution.state = known?.state ?? "ok";
      execution.count = known?.execution_count ?? cell.execution_count ?? null;
      execution.queuedAt = known?.queued_at ?? 0;
      execution.startedAt = known?.started_at ?? null;
      execution.finishedAt = known?.finished_at ?? null;
      execution.cut = known?.cut ?? false;
      execution.leftOut = leftOut;
      execution.code = known?.code ?? textOf(cell.source);
      execution.saved = true;
      // A run that was not over when the page was loaded is told whole by the log, if its session still lives.
      const alive = known?.session === loaded.session?.id && !["gone", "stopping"].includes(loaded.session?.state ?? "gone");
      if (!isFinal(execution) && !alive) execution.state = "lost";
      execution.outputs = outputsFromNotebook(cell.outputs ?? []);
      this.saved.set(execution.id, execution);
      this.last(cell.id).value = { execution };
    }
  }

  /** Read what was left out of the document. Raises ApiError. */
  async bring(cell: string, outputsAt: string): Promise<void> {
    const { body } = await ask<{ execution: string; outputs: Record<string, unknown>[] }>("GET", outputsAt.replace("CELL", encodeURIComponent(cell)));
    const saved = this.saved.get(body.execution);
    if (!saved) return;
    const last = this.last(cell);
    // It may have been run again meanwhile, or told by the log.
    const shown = last.value.execution?.id === saved.id && last.value.execution.leftOut > 0;
    saved.outputs = outputsFromNotebook(body.outputs);
    saved.leftOut = 0;
    if (shown) last.value = { execution: { ...saved } };
  }

  /** The last run of a cell, unless the user cleared it away. */
  of(cell: string): ReadonlySignal<Shown> {
    let visible = this.visibles.get(cell);
    if (!visible) {
      const last = this.last(cell);
      visible = computed(() => (last.value.execution && last.value.execution.id === clearedOf(this.notebook.find(cell)) ? NOTHING : last.value));
      this.visibles.set(cell, visible);
    }
    return visible;
  }

  private last(cell: string): Signal<Shown> {
    let last = this.lasts.get(cell);
    if (!last) this.lasts.set(cell, (last = signal(NOTHING)));
    return last;
  }

  /** Executions changed: draw those that are their cell's last. */
  update(changed: Execution[]): void {
    batch(() => {
      for (const execution of changed) {
        const saved = this.saved.get(execution.id);
        const cell = execution.cell || saved?.cell;
        if (!cell) continue;
        execution.cell = cell;
        const last = this.last(cell);
        const before = last.value.execution;
        const known = before?.id === execution.id ? before : undefined;
        if (before && !known && askedAt(before) >= askedAt(execution)) continue;
        if (isFinal(execution) && this.pending.value.includes(cell)) this.ended(execution);
        const code = execution.code ?? saved?.code ?? known?.code ?? null;
        // A copy: the log changes executions in place, and components are drawn again only for a new object.
        last.value = { execution: { ...preferred(saved, execution)!, code, after: known?.queuedAt ?? known?.after ?? 0 } };
        this.queue(cell, !isFinal(execution));
      }
    });
  }

  /** A run was asked for. */
  begin(execution: Execution): void {
    batch(() => {
      const last = this.last(execution.cell);
      execution.after = last.value.execution ? askedAt(last.value.execution) : 0;
      last.value = { execution };
      this.queue(execution.cell, true);
    });
  }

  /** 1 is the next to run. Counted here, because the queue moves on without telling each that waits. */
  placeOf(cell: string): number {
    const before = this.pending.value.indexOf(cell);
    return Math.max(1, this.running.value === null ? before + 1 : before);
  }

  /** Whether the text is no longer what its last run ran. */
  edited(cell: Cell): boolean {
    const { execution } = this.of(cell.id).value;
    return cell.type.value === "code" && execution !== undefined && execution.code !== null && execution.code.trimEnd() !== cell.source.value.trimEnd();
  }

  private queue(cell: string, waiting: boolean): void {
    const pending = this.pending.value;
    if (pending.includes(cell) !== waiting) this.pending.value = waiting ? [...pending, cell] : pending.filter((id) => id !== cell);
  }
}

function clearedOf(cell: Cell | undefined): unknown {
  return cell && within(cell.metadata, "thermae").cleared;
}

/** When a run was asked for; what this tab has just asked for counts as the newest, until it is known that it will not run. */
function askedAt(execution: Execution): number {
  return execution.queuedAt ?? (isFinal(execution) ? execution.after : Infinity);
}
