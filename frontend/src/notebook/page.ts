// The page as a whole: the document, its session, what each cell printed last, and every command that a key or a button gives.

import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { ask, csrfHeaders, type ApiError } from "../api";
import { isFinal, newExecution, outputsFromNotebook, preferred, type Execution } from "../outputs/execution";
import type { ExecutionStatus } from "../protocol";
import type { PanelName } from "../components/panels";
import { NotebookSession } from "../session/session";
import { duration, undoneInWords } from "../session/words";
import { Live, type Right } from "../live/live";
import type { FocusWish } from "../terminal/TerminalView";
import { Autosave } from "./autosave";
import { Cell, Notebook, type CellType, type NotebookDocument } from "./document";
import type { Command } from "./keys";

export interface PageSettings {
  id: string;
  title: string;
  pool: string;
  language: string;
  identifier: string;
  right: Right;
  /** A copy that nothing runs in and nobody changes. */
  frozen?: boolean;
}

export interface Addresses {
  document: string;
  rename: string;
  download: string;
  frame: string;
  list: string;
}

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
}

export interface Loaded {
  title: string;
  version: number;
  document: NotebookDocument;
  executions: SavedExecution[];
  session: { id: string; state: string; reason: string } | null;
}

/** What a cell shows of its last run. A new object whenever something in it changed. */
export interface Shown {
  execution: Execution | undefined;
}

export type Dialog = null | "share" | "help" | "restart" | "restartAndRun" | "end";
export interface Toast {
  id: number;
  text: string;
  action?: { label: string; run(): void };
}

export class Page {
  readonly notebook: Notebook;
  readonly session: NotebookSession;
  readonly autosave: Autosave;
  readonly live: Live;
  /** Nothing can be edited or run here now: somebody else edits, or one may only look. */
  readonly readOnly: ReadonlySignal<boolean>;
  readonly title: Signal<string>;
  readonly active: Signal<string>;
  readonly mode = signal<"command" | "edit">("command");
  /** Counts up when a command moves to a cell: the focus follows, even to where it was. */
  readonly moves = signal(0);
  readonly dialog = signal<Dialog>(null);
  /** The panel beside the cells that is open. */
  readonly panel = signal<PanelName | null>(null);
  readonly terminalOpen = signal(false);
  /** Counts up when the focus is wanted in the terminal. */
  readonly terminalFocus: FocusWish = { wanted: signal(0), done: 0 };
  readonly toasts = signal<Toast[]>([]);
  /** Words for people who listen: the newest last. */
  readonly announced = signal<string[]>([]);
  /** Cells that wait or run, in the order in which they were asked for. */
  readonly pending = signal<string[]>([]);
  readonly busy = computed(() => this.pending.value.length > 0);
  private shown = new Map<string, Signal<Shown>>();
  private saved = new Map<string, Execution>();
  private clipboard: Cell | null = null;
  private toastNumber = 0;

  constructor(
    readonly settings: PageSettings,
    readonly addresses: Addresses,
    loaded: Loaded,
  ) {
    this.notebook = new Notebook(loaded.document);
    this.title = signal(loaded.title);
    this.active = signal(this.notebook.cells.value[0]!.id);
    this.autosave = new Autosave(addresses.document, this.notebook, loaded.version);
    this.readSaved(loaded);
    this.live = new Live(this);
    this.readOnly = computed(() => settings.frozen || this.live.readOnly.value);
    const lookingOn = settings.right === "view" ? `/ws/notebooks/${settings.id}/session` : null;
    this.session = new NotebookSession(settings.pool, settings.identifier, (changed) => this.update(changed), (message) => this.say(message), lookingOn);
    if (settings.frozen) return;
    this.session.attach(loaded.session);
    this.live.start();
    if (document.visibilityState === "visible" && !lookingOn) void this.session.open();
    effect(() => {
      document.title = `${this.busy.value ? "● " : ""}${this.title.value} · Thermae`;
    });
  }

  // --- What cells show --------------------------------------------------------------------------------------

  /** What the server knows of runs: of cells that show nothing newer. */
  readSaved(loaded: Loaded): void {
    const executions = new Map(loaded.executions.map((each) => [each.cell, each]));
    for (const cell of loaded.document.cells) {
      const known = executions.get(cell.id);
      if (cell.cell_type !== "code" || (!known && !cell.outputs?.length) || this.shownOf(cell.id).peek().execution) continue;
      const execution = newExecution(known?.id ?? `stored-${cell.id}`, cell.id);
      execution.state = known?.state ?? "ok";
      execution.count = known?.execution_count ?? cell.execution_count ?? null;
      execution.queuedAt = known?.queued_at ?? 0;
      execution.startedAt = known?.started_at ?? null;
      execution.finishedAt = known?.finished_at ?? null;
      execution.cut = known?.cut ?? false;
      execution.saved = true;
      // A run that was not over when the page was loaded is told whole by the log, if its session still lives.
      const alive = known?.session === loaded.session?.id && !["gone", "stopping"].includes(loaded.session?.state ?? "gone");
      if (!isFinal(execution) && !alive) execution.state = "lost";
      execution.outputs = outputsFromNotebook(cell.outputs ?? []);
      this.saved.set(execution.id, execution);
      this.shownOf(cell.id).value = { execution };
    }
  }

  shownOf(cell: string): Signal<Shown> {
    let shown = this.shown.get(cell);
    if (!shown) this.shown.set(cell, (shown = signal({ execution: undefined })));
    return shown;
  }

  /** Executions changed: draw those that are their cell's last. */
  private update(changed: Execution[]): void {
    batch(() => {
      for (const execution of changed) {
        const cell = execution.cell || this.saved.get(execution.id)?.cell;
        if (!cell) continue;
        execution.cell = cell;
        const shown = this.shownOf(cell);
        const before = shown.value.execution;
        if (before && before.id !== execution.id && askedAt(before) > askedAt(execution)) continue;
        this.announce(execution);
        // A copy: the log changes executions in place, and components are drawn again only for a new object.
        shown.value = { execution: { ...preferred(this.saved.get(execution.id), execution)! } };
        this.queue(cell, !isFinal(execution));
      }
    });
  }

  /** 1 is the next to run. Counted here, because the queue moves on without telling each that waits. */
  placeOf(cell: string): number {
    // The first of them runs, unless all wait for a sandbox.
    const running = this.session.view.value.state === "starting" ? 0 : 1;
    return Math.max(1, this.pending.value.indexOf(cell) + 1 - running);
  }

  private queue(cell: string, waiting: boolean): void {
    const pending = this.pending.value;
    if (pending.includes(cell) !== waiting) this.pending.value = waiting ? [...pending, cell] : pending.filter((id) => id !== cell);
  }

  /** Only what ends before our eyes is told, not what a replay brings back. */
  private announce(now: Execution): void {
    if (!isFinal(now) || !this.pending.value.includes(now.cell)) return;
    const name = `Cell ${this.notebook.indexOf(now.cell) + 1}`;
    const took = now.startedAt && now.finishedAt ? ` in ${duration(now.finishedAt - now.startedAt)}` : "";
    const error = now.outputs.find((output) => output.kind === "error");
    if (now.state === "ok") this.tell(`${name} finished${took}`);
    else if (now.state === "error") this.tell(`${name} failed${took}${error?.kind === "error" ? `: ${error.name}` : ""}`);
    else this.tell(`${name} ${now.state}${now.reason ? `: ${undoneInWords(now.reason)}` : ""}`);
  }

  tell(words: string): void {
    this.announced.value = [...this.announced.value.slice(-20), words];
  }

  say(text: string, action?: Toast["action"]): void {
    if (this.toasts.value.some((toast) => toast.text === text)) return;
    const toast: Toast = { id: ++this.toastNumber, text, ...(action && { action }) };
    this.toasts.value = [...this.toasts.value.slice(-2), toast];
    setTimeout(() => this.dismiss(toast.id), action ? 10_000 : 6000);
  }

  dismiss(id: number): void {
    this.toasts.value = this.toasts.value.filter((toast) => toast.id !== id);
  }

  // --- Running ------------------------------------------------------------------------------------------------

  run(cell: Cell): void {
    if (cell.type.value === "markdown") cell.editing.value = false;
    if (cell.type.value !== "code" || !cell.source.value.trim() || !this.allowed()) return;
    const running = this.shownOf(cell.id).value.execution;
    if (running && !isFinal(running)) return;
    void this.autosave.flush();
    const execution = this.session.run(cell.id, cell.source.value);
    batch(() => {
      this.shownOf(cell.id).value = { execution };
      this.queue(cell.id, true);
    });
  }

  runAll(): void {
    if (!this.allowed()) return;
    for (const cell of this.notebook.cells.value) this.run(cell);
  }

  async restart(andRun: boolean): Promise<void> {
    if (!this.allowed()) return;
    if ((await this.session.restart()) && andRun) this.runAll();
  }

  interrupt(): void {
    this.session.interrupt();
  }

  /** Outputs that somebody else has cleared. */
  hideCleared(): void {
    for (const cell of this.notebook.cells.peek()) {
      const cleared = (cell.metadata.thermae as { cleared?: string } | undefined)?.cleared;
      const shown = this.shownOf(cell.id);
      if (cleared && shown.peek().execution?.id === cleared) shown.value = { execution: undefined };
    }
  }

  /** Whether something may be edited or run here; says why not. */
  private allowed(): boolean {
    if (!this.readOnly.peek()) return true;
    const { right, editor } = this.live;
    this.say(right.peek() === "view" ? "You may look at this notebook. To edit or run it, ask its owner." : `${editor.peek()?.name ?? "Somebody else"} is editing: take over first.`);
    return false;
  }

  clearOutput(cell: Cell): void {
    if (!this.allowed()) return;
    const execution = this.shownOf(cell.id).value.execution;
    if (!execution || !isFinal(execution)) return;
    cell.metadata = { ...cell.metadata, thermae: { ...(cell.metadata.thermae as object), cleared: execution.id } };
    this.shownOf(cell.id).value = { execution: undefined };
    this.notebook.edited();
  }

  // --- Commands -----------------------------------------------------------------------------------------------

  get current(): Cell {
    return this.notebook.find(this.active.value) ?? this.notebook.cells.value[0]!;
  }

  private get index(): number {
    return Math.max(0, this.notebook.indexOf(this.active.value));
  }

  go(index: number, mode: "command" | "edit" = "command"): void {
    const cells = this.notebook.cells.value;
    const cell = cells[Math.min(Math.max(0, index), cells.length - 1)]!;
    batch(() => {
      this.active.value = cell.id;
      this.mode.value = mode;
      this.moves.value++;
      if (mode === "edit") cell.editing.value = true;
    });
  }

  /** The focus came to a cell by itself, by Tab or a click: follow it. */
  touch(cell: Cell, mode: "command" | "edit"): void {
    batch(() => {
      this.active.value = cell.id;
      this.mode.value = mode;
    });
  }

  edit(cell: Cell): void {
    this.go(this.notebook.indexOf(cell.id), "edit");
  }

  insert(index: number, type: CellType = "code"): void {
    if (!this.allowed()) return;
    this.notebook.insert(index, new Cell({ cell_type: type }));
    this.go(index, "edit");
  }

  remove(cell: Cell): void {
    if (!this.allowed()) return;
    const index = this.notebook.indexOf(cell.id);
    this.notebook.remove(cell.id);
    this.go(index);
    this.say(cell.source.value.trim() ? "Cell deleted." : "Empty cell deleted.", { label: "Undo", run: () => this.undo() });
  }

  undo(): void {
    const before = new Set(this.notebook.cells.value.map((cell) => cell.id));
    this.toasts.value = this.toasts.value.filter((toast) => !toast.action);
    if (!this.notebook.undo()) return this.say("There is no change of cells to undo.");
    const back = this.notebook.cells.value.findIndex((cell) => !before.has(cell.id));
    this.go(back >= 0 ? back : this.index);
  }

  /** Run a cell, then: stay, go to the next (making one at the end), or insert one below. */
  runAnd(cell: Cell, then: "stay" | "next" | "insert"): void {
    if (!this.allowed()) return;
    this.run(cell);
    const index = this.notebook.indexOf(cell.id);
    if (then === "insert") return this.insert(index + 1);
    if (then === "stay") return this.go(index);
    if (index === this.notebook.cells.value.length - 1) return this.insert(index + 1);
    this.go(index + 1);
  }

  private change(type: CellType): void {
    this.notebook.changeType(this.current, type);
    if (type === "markdown") this.current.editing.value = true;
  }

  private paste(index: number): void {
    if (!this.clipboard) return this.say("Nothing to paste: cut or copy a cell first.");
    this.notebook.insert(index, this.clipboard.copy());
    this.go(index);
  }

  perform(command: Command): void {
    if (!HARMLESS.has(command) && !this.allowed()) return;
    const cell = this.current;
    const actions: Record<Command, () => void> = {
      insertAbove: () => (this.notebook.insert(this.index), this.go(this.index - 1)),
      insertBelow: () => (this.notebook.insert(this.index + 1), this.go(this.index + 1)),
      cut: () => ((this.clipboard = cell), this.remove(cell)),
      copy: () => ((this.clipboard = cell.copy()), this.tell("Cell copied")),
      paste: () => this.paste(this.index + 1),
      pasteAbove: () => this.paste(this.index),
      delete: () => this.remove(cell),
      undo: () => this.undo(),
      redo: () => void (this.notebook.redo() && this.go(this.index)),
      toMarkdown: () => this.change("markdown"),
      toCode: () => this.change("code"),
      toRaw: () => this.change("raw"),
      edit: () => this.edit(cell),
      previous: () => this.go(this.index - 1),
      next: () => this.go(this.index + 1),
      first: () => this.go(0),
      last: () => this.go(Infinity),
      moveUp: () => this.notebook.move(cell.id, -1),
      moveDown: () => this.notebook.move(cell.id, 1),
      run: () => this.runAnd(cell, "stay"),
      runAndNext: () => this.runAnd(cell, "next"),
      runAndInsert: () => this.runAnd(cell, "insert"),
      interrupt: () => this.interrupt(),
      restart: () => void (this.dialog.value = "restart"),
      mergeBelow: () => this.notebook.mergeBelow(cell),
      toggleOutput: () => this.toggleOutput(cell),
      help: () => void (this.dialog.value = "help"),
      save: () => void this.save(),
      focusTerminal: () => this.openTerminal(),
    };
    actions[command]();
  }

  openTerminal(): void {
    batch(() => {
      this.terminalOpen.value = true;
      this.terminalFocus.wanted.value++;
    });
  }

  togglePanel(name: PanelName): void {
    this.panel.value = this.panel.value === name ? null : name;
  }

  toggleTerminal(): void {
    if (this.terminalOpen.value) this.terminalOpen.value = false;
    else this.openTerminal();
  }

  readonly folded = signal<ReadonlySet<string>>(new Set());

  toggleOutput(cell: Cell): void {
    const folded = new Set(this.folded.value);
    if (!folded.delete(cell.id)) folded.add(cell.id);
    this.folded.value = folded;
  }

  async save(): Promise<void> {
    await this.autosave.flush();
    this.tell(this.autosave.state.value.kind === "saved" ? "Saved" : "Not saved");
  }

  async rename(title: string): Promise<void> {
    const before = this.title.value;
    const wanted = title.trim().replace(/\s+/g, " ");
    if (!wanted || wanted === before || !this.live.mayEdit.peek()) return;
    this.title.value = wanted;
    try {
      const headers = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json", ...csrfHeaders() };
      const { body } = await ask<{ title: string }>("POST", this.addresses.rename, undefined, { headers, body: new URLSearchParams({ title: wanted }) });
      this.title.value = body.title;
    } catch (error) {
      this.title.value = before;
      this.say((error as ApiError).message);
    }
  }
}

/** Commands that change and run nothing. */
const HARMLESS = new Set<Command>(["copy", "edit", "previous", "next", "first", "last", "toggleOutput", "help", "save", "focusTerminal"]);

/** When a run was asked for; what this tab has just asked for counts as the newest. */
function askedAt(execution: Execution): number {
  return execution.queuedAt ?? Infinity;
}
