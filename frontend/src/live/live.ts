// Several people at one notebook: who is here, who edits, what the others see of it, and how the editing changes hands.
//
// One tab edits; whoever else is there follows. What is typed is passed on as it is typed, as best effort; the saved
// version is the truth, and is read again whenever something was missed. When the line is down all goes on as it was.

import { batch, computed, effect, signal } from "@preact/signals";
import { ask as askServer, type ApiError } from "../api";
import type { Loaded, Page } from "../notebook/page";
import { NEAR } from "../notebook/results";
import { uuid } from "../protocol";
import type { WaitingRun } from "../session/places";
import { LastingSocket } from "../session/socket";
import { apply, difference, imageOf, replace, sumOf, type CellImage, type Op } from "./ops";

export interface Person {
  tab: string;
  user: number;
  name: string;
  initials: string;
  colour: number;
  right: string;
}

export interface EditorState {
  tab: string;
  name: string;
  mine: boolean;
  same_person: boolean;
  wanted_by: string | null;
}

export type Right = "view" | "edit" | "own";

interface StateMessage {
  type: "state";
  title: string;
  version: number;
  right: Right;
  pool?: string;
  editor: EditorState | null;
  session: string | null;
  waiting?: WaitingRun[];
}

type Heard =
  | StateMessage
  | { type: "people"; people: Person[] }
  | { type: "edit"; by: string; seq: number; ops: Op[] }
  | { type: "flush"; by: string | null }
  | { type: "error"; code: string; message: string }
  | { type: "pong" };

// What is typed within this time goes together.
const GATHER = 120;
const BEAT = 5000;
// While an editor types, it says so this often.
const TYPING = 1000;
// The other tab of the same person gives way when nothing was typed there for this long (frontend/models/lease.py: IDLE).
const IDLE = 2200;
// What the server passes on at once; more is in the next save.
const LARGEST = 90_000;
// After a save the editor says what it holds; a page that does not hear it reads the document.
const PATIENCE = 900;
// The one who takes over waits this long for the last save (the server: GRACE).
const LAST_SAVE = 2500;

export class Live {
  readonly tab = uuid();
  readonly people = signal<Person[]>([]);
  readonly editor = signal<EditorState | null>(null);
  readonly right = signal<Right>("own");
  /** Deleted, or not shared any more. */
  readonly gone = signal(false);
  /** Its owner has changed the language: this page, which would open sessions of the former one, is to be loaded again. */
  readonly moved = signal(false);
  /** This page has asked for the editing of somebody else. */
  readonly asking = signal(false);
  private readonly otherTypes = signal(false);
  readonly mine = computed(() => this.editor.value?.mine ?? false);
  readonly mayEdit = computed(() => this.right.value !== "view" && !this.gone.value && !this.moved.value);
  readonly readOnly = computed(() => {
    if (!this.mayEdit.value) return true;
    const editor = this.editor.value;
    return editor !== null && !editor.mine && (!editor.same_person || this.otherTypes.value);
  });
  private socket: LastingSocket | null = null;
  private shadow: CellImage[] = [];
  private seq = 0;
  private heardOf = { by: "", seq: 0 };
  private stale = false;
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private checking: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private typedAt = 0;
  private typedSinceBeat = false;
  private newest = 0;

  constructor(
    private readonly page: Page,
    private readonly ask: typeof askServer = askServer,
  ) {
    this.right.value = page.settings.right;
  }

  start(): void {
    const { notebook, autosave } = this.page;
    this.shadow = imageOf(notebook);
    this.connect();
    let edits = notebook.edits.peek();
    effect(() => {
      if (notebook.edits.value !== edits) this.edited();
      edits = notebook.edits.value;
    });
    let version = autosave.version.peek();
    effect(() => {
      if (autosave.version.value !== version && this.mine.peek()) this.saySaved();
      version = autosave.version.value;
    });
    setInterval(() => this.beat(), BEAT);
    addEventListener("online", () => this.socket?.hurry());
    document.addEventListener("visibilitychange", () => this.lookedAt());
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new LastingSocket({
      url: () => `${scheme}://${location.host}/ws/notebooks/${this.page.settings.id}?tab=${this.tab}`,
      onOpen: () => {},
      onMessage: (message) => this.hear(message as Heard),
      onWaiting: () => (this.people.value = []),
      onEnd: (code) => this.ended(code),
    });
  }

  /** It is back from the trash. */
  revive(): void {
    if (!this.gone.peek()) return;
    this.gone.value = false;
    this.connect();
  }

  // --- What is heard ------------------------------------------------------------------------------------------

  hear(message: Heard): void {
    switch (message.type) {
      case "state":
        return this.hearState(message);
      case "people":
        return this.hearPeople(message.people);
      case "edit":
        return this.hearEdit(message.by, message.seq, message.ops);
      case "flush":
        return void this.flush(message.by);
      case "error":
        if (message.code === "not_editing") return;
        this.asking.value = false;
        this.page.say(message.message);
    }
  }

  private hearState(state: StateMessage): void {
    const before = this.editor.peek();
    batch(() => {
      this.right.value = state.right;
      this.moved.value = state.pool !== undefined && state.pool !== this.page.settings.pool;
      this.editor.value = state.editor;
      this.page.title.value = state.title;
      if (state.editor?.mine) this.asking.value = false;
    });
    if (state.editor?.mine && !before?.mine) this.began();
    else if (before?.mine && !state.editor?.mine) this.lost(state.editor);
    else if (before?.tab !== state.editor?.tab && state.editor && !state.editor.mine) this.page.tell(`${state.editor.name} is editing`);
    if (!state.editor && document.visibilityState === "visible") this.take();
    if (state.session) this.page.session.meet(state.session);
    this.page.session.hearPlaces(state.waiting ?? [], state.session);
    this.newest = state.version;
    if (state.version > this.page.autosave.version.peek()) this.checkSoon();
  }

  private hearPeople(people: Person[]): void {
    const more = people.length > this.people.peek().length;
    this.people.value = people;
    // Whoever has just come has read what was saved.
    if (more && this.mine.peek() && people.length > 1) void this.catchUp();
  }

  hearEdit(by: string, seq: number, ops: Op[]): void {
    if (this.mine.peek()) return;
    if (by !== this.heardOf.by) this.heardOf = { by, seq: seq - 1 };
    if (seq !== this.heardOf.seq + 1) this.missed();
    this.heardOf.seq = seq;
    this.theyTyped(ops);
    const saved = ops.find((op) => op.op === "saved");
    if (!this.stale && !apply(this.page.notebook, ops)) this.missed();
    this.shadow = imageOf(this.page.notebook);
    if (!saved || this.page.autosave.dirty) return;
    if (sumOf(this.page.notebook) === saved.sum) this.adopt(saved.version);
    else if (saved.version > 0) void this.read();
  }

  private theyTyped(ops: Op[]): void {
    if (ops.every((op) => op.op === "saved")) return;
    this.otherTypes.value = true;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => (this.otherTypes.value = false), IDLE);
  }

  /** What comes next cannot be applied: who edits is asked to save, and then it is read. */
  private missed(): void {
    if (this.stale) return;
    this.stale = true;
    this.socket?.send({ type: "resync" });
    this.checkSoon();
  }

  private checkSoon(): void {
    clearTimeout(this.checking);
    this.checking = setTimeout(() => {
      const behind = this.stale || this.newest > this.page.autosave.version.peek();
      if (behind && !this.page.autosave.dirty) void this.read();
    }, PATIENCE);
  }

  private adopt(version: number): void {
    this.stale = false;
    this.page.autosave.adopt(version);
  }

  /** Read the document as it is saved. Edits of one's own that are not saved are never thrown away. */
  async read(): Promise<void> {
    try {
      const { body } = await this.ask<Loaded>("GET", this.page.addresses.document + NEAR);
      if (this.page.autosave.dirty || body.version < this.page.autosave.version.peek()) return;
      replace(this.page.notebook, body.document);
      this.shadow = imageOf(this.page.notebook);
      this.page.title.value = body.title;
      this.page.results.readSaved(body, true);
      this.adopt(body.version);
    } catch (error) {
      const { status } = error as ApiError;
      if (status === 410) this.page.autosave.discover(error as ApiError);
      if (status === 404 || status === 410) this.gone.value = true;
      else this.checkSoon();
    }
  }

  private ended(code: number): void {
    if (code === 4404) {
      this.gone.value = true;
      this.page.tell("This notebook was deleted, or is not shared with you any more");
      // To its owner it is in the trash, which the page then says.
      void this.page.history.freshen();
    }
  }

  // --- Editing ------------------------------------------------------------------------------------------------

  /** Edit here, if nobody else does. `over`: take it over from whoever does. */
  take(over = false): void {
    if (!this.mayEdit.peek()) return;
    if (this.socket?.send({ type: "take", over }) && over) this.asking.value = true;
  }

  private lookedAt(): void {
    if (document.visibilityState !== "visible") return;
    this.socket?.hurry();
    if (!this.editor.peek()) this.take();
  }

  private began(): void {
    this.seq = 0;
    this.stale = false;
    this.shadow = imageOf(this.page.notebook);
    if (this.people.peek().length > 1) this.page.tell("You are editing");
  }

  private lost(to: EditorState | null): void {
    if (to && !to.same_person) this.page.say(`${to.name} edits this notebook now.`);
    void this.page.autosave.flush();
  }

  private edited(): void {
    this.typedSinceBeat = true;
    if (!this.mine.peek()) {
      if (!this.readOnly.peek()) this.take();
      return;
    }
    if (Date.now() - this.typedAt > TYPING) this.beat();
    this.gathering ??= setTimeout(() => this.pass(), GATHER);
  }

  /** Pass on what was typed. */
  private pass(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    const now = imageOf(this.page.notebook);
    const ops = difference(this.shadow, now);
    this.shadow = now;
    this.tell(ops);
  }

  /** Whether anybody sees what this page edits. */
  private get followed(): boolean {
    return this.mine.peek() && this.people.peek().length > 1;
  }

  private tell(ops: Op[] | null): void {
    if (ops?.length === 0 || !this.followed) return;
    this.seq++;
    const message = { type: "edit", seq: this.seq, ops };
    // Others miss what is not passed on, or is too large for it, notice that, and read the next save.
    if (ops && JSON.stringify(message).length <= LARGEST) this.socket?.send(message);
  }

  private saySaved(): void {
    const { autosave, notebook } = this.page;
    this.pass();
    if (this.followed && !autosave.dirty) this.tell([{ op: "saved", version: autosave.version.peek(), sum: sumOf(notebook) }]);
  }

  private beat(): void {
    if (!this.mine.peek()) return;
    this.typedAt = Date.now();
    this.socket?.send({ type: "beat", typing: this.typedSinceBeat });
    this.typedSinceBeat = false;
  }

  /** Somebody has come, or has missed something: save, and say what the document is. */
  private async catchUp(): Promise<void> {
    await this.saved();
    this.saySaved();
  }

  private async flush(by: string | null): Promise<void> {
    if (by === null) return void (this.mine.peek() && this.catchUp());
    this.page.say(`${by} takes over the editing. What you typed is being saved.`);
    await this.saved();
    this.saySaved();
    // What could not be saved stays here; the lease goes over by itself.
    if (!this.page.autosave.dirty) this.socket?.send({ type: "release" });
  }

  /** Resolves when all is saved, or after a while. */
  private async saved(): Promise<void> {
    const { autosave } = this.page;
    const until = Date.now() + LAST_SAVE;
    while (autosave.dirty && autosave.state.peek().kind !== "conflict" && Date.now() < until) {
      await autosave.flush();
      if (autosave.dirty) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
