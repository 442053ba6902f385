// The page as a whole: the document, its session, and the parts that know how to select, change and run cells.

import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { ask, csrfHeaders, type ApiError } from "../api";
import { Widgets } from "../outputs/widgets";
import type { PanelName } from "../components/panels";
import type { CellEditor } from "../editor/setup";
import { Find } from "../search/find";
import { History } from "../history/history";
import { NotebookSession } from "../session/session";
import { SessionWatch } from "../session/watch";
import { duration, undoneInWords } from "../session/words";
import { Live, type Right } from "../live/live";
import type { FocusWish } from "../terminal/TerminalView";
import type { Execution } from "../outputs/execution";
import { Autosave } from "./autosave";
import { Notebook, type Cell, type CellType } from "./document";
import { KeyMap } from "./keys";
import { EndSigns } from "./endsigns";
import { Results, type Loaded, type Shown } from "./results";
import { Running } from "./running";
import { Selection, type Mode } from "./selection";
import { Structure } from "./structure";

export type { Loaded, SavedExecution, Shown } from "./results";

export interface PageSettings {
  id: string;
  user: number;
  title: string;
  pool: string;
  language: string;
  identifier: string;
  right: Right;
  /** A copy that nothing runs in and nobody changes. */
  frozen?: boolean;
  /** Bytes of one uploaded file. */
  maxUpload?: number;
}

export interface Addresses {
  document: string;
  places: string;
  /** With CELL in the place of a cell's id. */
  outputs: string;
  rename: string;
  download: string;
  export: string;
  versions: string;
  copy: string;
  restore: string;
  bring: string;
  login: string;
  frame: string;
  list: string;
}

export type Dialog = null | "share" | "keys" | "palette" | "ports" | "restart" | "restartAndRun" | "end";
export interface Toast {
  id: number;
  text: string;
  action?: { label: string; run(): void };
}

// A reloaded tab shows its terminals again.
const OPEN_TERMINAL = "terminal-open";

export class Page {
  readonly notebook: Notebook;
  readonly selection: Selection;
  readonly structure: Structure;
  readonly results: Results;
  readonly running: Running;
  readonly session: NotebookSession;
  readonly autosave: Autosave;
  readonly live: Live;
  readonly find: Find;
  readonly keys = new KeyMap();
  readonly endSigns = new EndSigns();
  readonly history: History;
  readonly watch: SessionWatch;
  readonly widgets: Widgets;
  readonly title: Signal<string>;
  /** Somebody else edits, or this is a notebook that one may only look at: whatever would change it is unavailable. */
  readonly readOnly: ReadonlySignal<boolean>;
  readonly dialog = signal<Dialog>(null);
  /** The panel beside the cells that is open. */
  readonly panel = signal<PanelName | null>(null);
  readonly terminalOpen = signal(sessionStorage.getItem(OPEN_TERMINAL) === location.pathname);
  /** Counts up when the focus is wanted in the terminal. */
  readonly terminalFocus: FocusWish = { wanted: signal(0), done: 0 };
  readonly toasts = signal<Toast[]>([]);
  /** Words for people who listen: the newest last. */
  readonly announced = signal<string[]>([]);
  readonly lineNumbers = signal(localStorage.getItem("thermae-line-numbers") === "on");
  /** The editors that there are: cells far from the screen have none. */
  readonly editors = new Map<string, CellEditor>();
  /** Whether something else would be lost with the page; asked of parts that are loaded later. */
  readonly risks = new Set<() => boolean>();
  private toastNumber = 0;

  constructor(
    readonly settings: PageSettings,
    readonly addresses: Addresses,
    loaded: Loaded,
  ) {
    this.notebook = new Notebook(loaded.document);
    this.title = signal(loaded.title);
    this.selection = new Selection(this.notebook);
    this.structure = new Structure(this);
    this.results = new Results(this.notebook, loaded, (execution) => this.announce(execution));
    this.running = new Running(this);
    this.find = new Find(this);
    this.autosave = new Autosave(addresses.document, this.notebook, loaded.version);
    this.live = new Live(this);
    this.readOnly = computed(() => settings.frozen || this.live.readOnly.value);
    this.history = new History(this, loaded);
    const lookingOn = settings.right === "view" ? `/ws/notebooks/${settings.id}/session` : null;
    this.session = new NotebookSession(settings.pool, settings.identifier, (changed) => this.results.update(changed), (message) => this.say(message), lookingOn, settings.frozen ? null : lookingOn ? "" : addresses.places);
    this.widgets = new Widgets(this.session.comms, (message) => this.session.toWidget(message), () => this.notebook.metadata);
    this.watch = new SessionWatch(this);
    if (settings.frozen) return;
    this.session.attach(loaded.session);
    this.session.hearPlaces(loaded.waiting ?? [], null);
    this.live.start();
    if (document.visibilityState === "visible" && !lookingOn) void this.session.open();
    effect(() => {
      if (this.terminalOpen.value) sessionStorage.setItem(OPEN_TERMINAL, location.pathname);
      else sessionStorage.removeItem(OPEN_TERMINAL);
    });
    effect(() => {
      document.title = `${this.watch.mark.value || this.endSigns.sign.value || (this.busy.value ? "● " : "")}${this.title.value} · Thermae`;
    });
  }

  /** Whether leaving the page now would lose something. */
  get atRisk(): boolean {
    return this.autosave.atRisk || [...this.risks].some((risk) => risk());
  }

  // --- Cells, as most of the page asks for them -----------------------------------------------------------------

  get active(): Signal<string> {
    return this.selection.active;
  }

  get mode(): Signal<Mode> {
    return this.selection.mode;
  }

  get moves(): Signal<number> {
    return this.selection.moves;
  }

  get current(): Cell {
    return this.selection.current;
  }

  /** Cells that wait or run, in the order in which they were asked for. */
  get pending(): Signal<string[]> {
    return this.results.pending;
  }

  get busy(): ReadonlySignal<boolean> {
    return this.results.busy;
  }

  shownOf(cell: string): ReadonlySignal<Shown> {
    return this.results.of(cell);
  }

  placeOf(cell: string): number {
    return this.results.placeOf(cell);
  }

  go(index: number, mode: Mode = "command"): void {
    this.selection.go(index, mode);
  }

  touch(cell: Cell, mode: Mode): void {
    this.selection.touch(cell, mode);
  }

  edit(cell: Cell): void {
    if (!this.readOnly.value) this.go(this.notebook.indexOf(cell.id), "edit");
  }

  insert(index: number, type: CellType = "code"): void {
    this.structure.insert(index, type);
  }

  /** Where the cursors of a cell's editor are; at its end if it has no editor. */
  cursors(cell: Cell): number[] {
    return this.editors.get(cell.id)?.cursors() ?? [cell.source.value.length];
  }

  /** Says why nothing can be changed or run here. */
  refuseEdit(): void {
    const editor = this.live.editor.value;
    if (this.live.moved.value) this.say("This notebook is in another language now: load the page again.");
    else if (this.settings.frozen || !this.live.mayEdit.value || !editor) this.say("You may look at this notebook. To edit or run it, ask its owner.");
    else this.say(`${editor.same_person ? "You are editing in another tab" : `${editor.name} is editing`}: take over first.`);
  }

  // --- Running ----------------------------------------------------------------------------------------------------

  run(cell: Cell): void {
    this.running.run(cell);
  }

  runAnd(cell: Cell, then: "stay" | "next" | "insert"): void {
    if (!this.selection.ids.value.has(cell.id)) this.go(this.notebook.indexOf(cell.id));
    this.running.selectedAnd(then);
  }

  runAll(): void {
    this.running.all();
  }

  async restart(andRun: boolean): Promise<void> {
    if (andRun) await this.running.restartAndRun();
    else await this.session.restart();
  }

  interrupt(): void {
    this.session.interrupt();
  }

  private announce(now: Execution): void {
    const name = `Cell ${this.notebook.indexOf(now.cell) + 1}`;
    const seconds = now.startedAt && now.finishedAt ? now.finishedAt - now.startedAt : 0;
    const took = seconds ? ` in ${duration(seconds)}` : "";
    const error = now.outputs.find((output) => output.kind === "error");
    const words =
      now.state === "ok" ? `${name} finished${took}`
      : now.state === "error" ? `${name} failed${took}${error?.kind === "error" ? `: ${error.name}` : ""}`
      : `${name} ${now.state}${now.reason ? `: ${undoneInWords(now.reason)}` : ""}`;
    this.tell(words);
    const last = this.pending.value.every((cell) => cell === now.cell);
    if (this.endSigns.ended(this.title.value, words, now.state === "ok", seconds, last)) this.say(words, { label: "Go to it", run: () => this.running.show(now.cell) });
  }

  // --- Words ------------------------------------------------------------------------------------------------------

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

  /** Offers to undo are over once something was undone. */
  withdrawOffers(): void {
    this.toasts.value = this.toasts.value.filter((toast) => toast.action?.label !== "Undo");
  }

  // --- What is open -----------------------------------------------------------------------------------------------

  openTerminal(): void {
    batch(() => {
      this.terminalOpen.value = true;
      this.terminalFocus.wanted.value++;
    });
  }

  toggleTerminal(): void {
    if (this.terminalOpen.value) this.terminalOpen.value = false;
    else this.openTerminal();
  }

  togglePanel(name: PanelName): void {
    this.panel.value = this.panel.value === name ? null : name;
  }

  toggleLineNumbers(): void {
    this.lineNumbers.value = !this.lineNumbers.value;
    localStorage.setItem("thermae-line-numbers", this.lineNumbers.value ? "on" : "off");
  }

  // --- The notebook as a whole ------------------------------------------------------------------------------------

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
