// The session of this notebook: opens it, follows its log, runs cells in it, and keeps all of it as signals.
//
// Whatever is asked while the line is down waits here and is sent when it can be; what is asked before a sandbox is
// there waits at the server, also while none is to be had.
// An execution carries its own id, so sending it again after a break does nothing twice.

import { batch, signal } from "@preact/signals";
import { ApiError, ask } from "../api";
import { Comms } from "../outputs/comms";
import { ExecutionLog, isFinal, newExecution, type Execution } from "../outputs/execution";
import { isLogEntry, uuid, type ClientMessage, type SessionMessage, type SessionStateMessage, type Usage } from "../protocol";
import { Places, type WaitingRun } from "./places";
import { LastingSocket } from "./socket";
import { REFUSALS, UNKNOWN, type SessionView } from "./words";

export interface Run {
  id: string;
  cell: string;
  code: string;
  stopOnError: boolean;
  /** On its way over the line that is open now. */
  sent: boolean;
}

interface Question {
  resolve(content: Record<string, unknown> | null): void;
  timer: number;
}

const ANSWER_WITHIN = 6000;
/** Seconds for which a cell waits for a place. */
const LONGEST_WAIT = 600;
const LOOK_WHETHER_SIGNED_IN = 5000;
/** A little longer than the agent waits. */
const ABOUT_WITHIN = 11_000;
const EMPTY: SessionView = { state: "none", line: "none", phase: "", position: 0, reason: "", message: "", kernel: null };

export class NotebookSession {
  readonly view = signal<SessionView>(EMPTY);
  readonly usage = signal<Usage | null>(null);
  /** When it ends if nothing more happens, in milliseconds since 1970. */
  readonly expiresAt = signal<number | null>(null);
  /** When it ends whatever happens. */
  readonly endsAt = signal<number | null>(null);
  readonly cooldown = signal<number | null>(null);
  /** Since when the line is down, and when it is tried next. */
  readonly downSince = signal<number | null>(null);
  readonly retryAt = signal<number | null>(null);
  readonly interruptIgnored = signal(false);
  readonly id = signal<string | null>(null);
  /** Told in this tab of each session so far; a new sandbox begins a new log. */
  /** What its widgets are, as the log tells. */
  readonly comms = new Comms();
  private log = new ExecutionLog(this.comms);
  private socket: LastingSocket | null = null;
  private waiting = new Map<string, Run>();
  private readonly places: Places | null;
  private holding = false;
  /** Execution → cell, of what waits at the server for a sandbox. */
  private inLine = new Map<string, string>();
  private questions = new Map<string, Question>();
  private retryTimer = 0;
  private usageWanted = true;
  private frame = 0;

  constructor(
    private readonly pool: string,
    private readonly identifier: string,
    private readonly onChange: (changed: Execution[]) => void,
    private readonly onProblem: (message: string) => void,
    /** Where its log is followed without running anything, for who may not. */
    private readonly lookingOn: string | null = null,
    /** Where the server lets runs wait while there is no place. */
    placesAt: string | null = null,
  ) {
    this.places = placesAt === null ? null : new Places(placesAt, { changed: onChange, found: (session) => this.meet(session), waits: (some, why) => this.waits(some, why) });
    // "offline" is no proof: this machine may be the server. So the line is asked.
    for (const event of ["online", "offline", "pageshow", "focus"]) addEventListener(event, () => this.tryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.tryNow();
      this.watchUsage(document.visibilityState === "visible");
    });
  }

  get live(): boolean {
    return !["none", "refused", "waiting", "gone", "stopping"].includes(this.view.value.state);
  }

  /** Use the session that is live already, or say how the last one ended. */
  attach(last: { id: string; state: string; reason: string } | null): void {
    if (!last) return;
    if (last.state === "gone" || last.state === "stopping") this.show({ ...EMPTY, state: "gone", reason: last.reason });
    else this.follow(last.id, "leased");
  }

  /** The notebook has this session now, which somebody else has opened. */
  meet(id: string): void {
    if (id !== this.id.value && this.view.value.state !== "opening") this.follow(id, "leased");
  }

  /** Have a session: the live one, a ready one, or one that is being started. */
  async open(): Promise<void> {
    if (this.live || this.lookingOn) return;
    clearTimeout(this.retryTimer);
    this.show({ ...EMPTY, state: "opening" });
    try {
      const { status, body } = await ask<Record<string, unknown>>("POST", "/api/v1/sessions", { pool: this.pool, identifier: this.identifier });
      this.follow(String(body.id), status === 202 ? "starting" : "leased", body);
      void this.places?.askAgain();
    } catch (error) {
      this.refuse(error as ApiError);
    }
  }

  private refuse(error: ApiError): void {
    if (error.status === 401) return this.signedOut();
    if (error.status === 429 && this.places && (this.waiting.size || this.places.waiting)) {
      this.show({ ...EMPTY, state: "waiting", message: error.message });
      return this.hold();
    }
    this.show({ ...EMPTY, state: "refused", message: error.message });
    const wait = error.retryAfter ?? 3;
    // A month's hours that are used up come back in days: nothing waits for that.
    const temporary = [0, 429, 502, 503, 504].includes(error.status) && wait <= LONGEST_WAIT;
    if (temporary && this.waiting.size) this.retryTimer = window.setTimeout(() => void this.open(), wait * 1000);
    else this.abandon(error.message);
  }

  /** There is no place: the server keeps what waits here, all of one moment together. */
  private hold(): void {
    if (this.holding) return;
    this.holding = true;
    queueMicrotask(() => {
      this.holding = false;
      void this.keepAtServer();
    });
  }

  private async keepAtServer(): Promise<void> {
    const runs = [...this.waiting.values()];
    for (const { id } of runs) this.waiting.delete(id);
    try {
      await this.places!.keep(runs);
    } catch (error) {
      const { status, message } = error as ApiError;
      if (status >= 400 && status < 500 && status !== 401 && status !== 429) return this.onChange(runs.map((run) => aborted(run.id, run.cell, message)));
      for (const run of runs) this.waiting.set(run.id, run);
      this.retryTimer = window.setTimeout(() => void this.open(), 3000);
    }
  }

  private waits(some: boolean, why: string): void {
    const { state, message } = this.view.value;
    if (some && !this.live && !this.lookingOn) this.show({ ...EMPTY, state: "waiting", message: why || message });
    else if (!some && state === "waiting" && !this.waiting.size) this.show(EMPTY);
  }

  /** What waits for a place, as the server tells it. */
  hearPlaces(waiting: readonly WaitingRun[], session: string | null): void {
    this.places?.hear(waiting, session);
  }

  private follow(id: string, state: SessionStateMessage["state"], more: Record<string, unknown> = {}): void {
    this.comms.reset();
    this.log = new ExecutionLog(this.comms);
    this.inLine.clear();
    this.id.value = id;
    this.show({ ...EMPTY, state, line: "connecting", phase: String(more.phase ?? ""), position: Number(more.position ?? 0) });
    this.connect(id);
  }

  private connect(id: string): void {
    this.socket?.close();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new LastingSocket({
      url: () => `${scheme}://${location.host}${this.lookingOn ?? `/ws/sessions/${id}/channels`}?after=${this.log.seq}`,
      onOpen: () => this.opened(),
      onMessage: (message) => this.hear(message),
      onWaiting: (delay) => this.broken(delay),
      onEnd: (code) => this.ended(code),
    });
  }

  private broken(delay: number): void {
    for (const run of this.waiting.values()) run.sent = false;
    batch(() => {
      this.downSince.value ??= Date.now();
      this.retryAt.value = Date.now() + delay;
      this.change({ line: "waiting" });
    });
  }

  /** Do not wait: the line is asked whether it holds, made anew if it is down, or the server whether one is signed in again. */
  tryNow(): void {
    if (this.view.value.line === "signed out") return void this.lookWhetherSignedIn();
    if (this.view.value.line === "waiting") this.retryAt.value = null;
    this.socket?.probe();
  }

  /** What waits is kept, and the page goes on once somebody has signed in again in this browser. */
  private signedOut(): void {
    this.socket?.close();
    batch(() => {
      this.forgetTimes();
      this.change({ line: "signed out" });
    });
    this.lookAgain();
  }

  private lookAgain(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => void this.lookWhetherSignedIn(), LOOK_WHETHER_SIGNED_IN);
  }

  private async lookWhetherSignedIn(): Promise<void> {
    clearTimeout(this.retryTimer);
    const id = this.id.value;
    try {
      await ask("GET", id ? `/api/v1/sessions/${id}` : "/api/v1/sessions");
    } catch (error) {
      // Whoever is signed in now may be somebody else.
      if ((error as ApiError).status === 404) return this.ended(4404);
      return this.lookAgain();
    }
    if (this.view.value.line !== "signed out") return;
    if (id && this.view.value.state !== "opening") {
      this.change({ line: "connecting" });
      this.connect(id);
    } else {
      this.show(EMPTY);
      void this.open();
    }
  }

  private forgetTimes(): void {
    this.downSince.value = this.retryAt.value = null;
  }

  /** What waits is sent once the server has said that there is a sandbox. */
  private opened(): void {
    batch(() => {
      this.forgetTimes();
      this.change({ line: "open" });
    });
    if (this.usageWanted && document.visibilityState === "visible") this.socket?.send({ type: "watch_usage", on: true });
  }

  /** In the order in which they were asked for: none goes before one that has waited. */
  private flush(): void {
    for (const run of this.waiting.values()) run.sent ||= this.send({ type: "execute", id: run.id, code: run.code, cell: run.cell, stop_on_error: run.stopOnError });
  }

  private hear(message: unknown): void {
    if (isLogEntry(message)) {
      if (this.log.apply(message) === "gap") return this.socket?.reconnect();
      const id = message.parent_header?.msg_id;
      if (id) this.waiting.delete(id), this.inLine.delete(id), this.places?.told(id);
      this.drawSoon();
      return;
    }
    const told = message as SessionMessage;
    if (told?.channel !== "session") return;
    if (told.type === "state") this.applyState(told);
    else if (told.type === "usage") this.usage.value = told;
    else if (told.type === "reply") this.settle(told.id, told.content);
    else if (told.type === "error") this.failed(told.id, told.code, told.message);
  }

  private applyState(told: SessionStateMessage): void {
    const { state, phase = "", position = 0, reason = "" } = told;
    batch(() => {
      this.change({ state, phase, position, reason, message: told.message ?? "" });
      this.expiresAt.value = typeof told.expires_at === "number" ? told.expires_at * 1000 : null;
      this.endsAt.value = typeof told.ends_at === "number" ? told.ends_at * 1000 : null;
      if (typeof told.cooldown === "number") this.cooldown.value = told.cooldown;
    });
    if (state === "starting") this.applyWaiting(told.waiting ?? []);
    if (state === "starting" || state === "leased") this.flush();
    if (state === "gone") this.ended(4409);
  }

  /** What waits at the server for the sandbox, whoever asked for it; what does not any more was taken out. */
  private applyWaiting(waiting: NonNullable<SessionStateMessage["waiting"]>): void {
    const now = new Set(waiting.map((each) => each.id));
    const out = [...this.inLine].filter(([id]) => !now.has(id)).map(([id, cell]) => ({ ...newExecution(id, cell), state: "cancelled" as const }));
    for (const { id } of out) this.waiting.delete(id);
    this.inLine = new Map(waiting.map((each) => [each.id, each.cell]));
    for (const { id } of waiting) this.places?.told(id);
    const queued = waiting.map((each) => ({ ...newExecution(each.id, each.cell), position: each.position, queuedAt: each.queued_at }));
    if (out.length || queued.length) this.onChange([...out, ...queued]);
  }

  private ended(code: number): void {
    if (code === 4401) return this.signedOut();
    this.socket?.close();
    const { reason, message } = this.view.value;
    const refusal = REFUSALS[code];
    batch(() => {
      this.show(refusal ? { ...EMPTY, state: "refused", message: refusal } : { ...EMPTY, state: "gone", reason, message: code === 4404 ? UNKNOWN : message });
      this.usage.value = null;
      this.expiresAt.value = this.endsAt.value = null;
      this.forgetTimes();
    });
    this.loseRunning();
    this.abandon(message || "The session ended before this ran.");
  }

  /** What still ran when the session ended never ends by itself. */
  private loseRunning(): void {
    const lost = [...this.log.executions.values()].filter((execution) => !isFinal(execution));
    for (const execution of lost) {
      execution.state = "lost";
      execution.input = null;
      execution.reason = "The session ended while this ran.";
    }
    if (lost.length) this.onChange(lost);
  }

  private abandon(reason: string): void {
    const cells = new Map([...this.inLine, ...[...this.waiting.values()].map((run) => [run.id, run.cell] as const)]);
    const abandoned = [...cells].map(([id, cell]) => aborted(id, cell, reason));
    this.waiting.clear();
    this.inLine.clear();
    if (abandoned.length) this.onChange(abandoned);
  }

  /** Log entries come in bursts: the page hears of them once per frame. A hidden tab has no frames. */
  private drawSoon(): void {
    if (this.frame) return;
    const draw = () => {
      this.frame = 0;
      this.draw();
    };
    this.frame = document.visibilityState === "visible" ? requestAnimationFrame(draw) : window.setTimeout(draw, 200);
  }

  private draw(): void {
    const changed = this.log.takeChanged();
    batch(() => {
      if (this.log.kernel !== this.view.value.kernel) this.change({ kernel: this.log.kernel });
      this.interruptIgnored.value = this.log.interruptIgnored;
      if (changed.length) this.onChange(changed);
    });
  }

  /** Run code; it waits its turn wherever a turn is to be had. Returns the execution as it stands. */
  run(cell: string, code: string, stopOnError = true): Execution {
    const run: Run = { id: uuid(), cell, code, stopOnError, sent: false };
    this.waiting.set(run.id, run);
    const execution = { ...newExecution(run.id, cell), position: this.waiting.size };
    if (this.view.value.state === "waiting") this.hold();
    else if (!this.live) void this.open();
    else if (["starting", "leased"].includes(this.view.value.state) && this.view.value.line === "open") this.flush();
    return execution;
  }

  /** Take one execution out of the queue, or interrupt it if it runs. */
  cancel(execution: Execution): void {
    if (this.waiting.delete(execution.id)) this.onChange([{ ...execution, state: "cancelled" }]);
    if (this.places?.has(execution.id)) void this.leaveLine(execution.id);
    else this.send({ type: "cancel", id: execution.id });
  }

  private async leaveLine(id: string): Promise<void> {
    try {
      if (!(await this.places!.cancel(id))) this.send({ type: "cancel", id });
    } catch (error) {
      this.onProblem((error as ApiError).message);
    }
  }

  interrupt(): void {
    this.abandonWaitingForSandbox();
    this.stopWaitingForPlace();
    if (this.id.value && !this.send({ type: "interrupt" })) void this.post("interrupt");
  }

  private abandonWaitingForSandbox(): void {
    if (this.view.value.state !== "leased") this.abandon("Stopped before a sandbox was there.");
  }

  /** Nothing that waits for a place will run. */
  stopWaitingForPlace(): void {
    if (this.places?.waiting) void this.places.cancelAll().catch((error: ApiError) => this.onProblem(error.message));
  }

  /** Resolves once the new kernel is ready. */
  async restart(): Promise<boolean> {
    if (!this.live) {
      await this.open();
      return this.live;
    }
    return this.post("restart");
  }

  answer(execution: Execution, value: string): void {
    if (!this.send({ type: "input", value })) return this.onProblem("The answer was not sent: the connection is down. Try again in a moment.");
    const live = this.log.executions.get(execution.id) ?? execution;
    live.input = null;
    this.onChange([live]);
  }

  keepAlive(): void {
    if (this.id.value && !this.send({ type: "keep_alive" })) void this.post("keep-alive");
  }

  async end(): Promise<void> {
    if (!this.id.value || !this.live) return;
    if (!this.send({ type: "close" })) await ask("DELETE", `/api/v1/sessions/${this.id.value}`).catch((error: ApiError) => this.onProblem(error.message));
  }

  /** Ask the kernel; null when it does not answer in time or there is none. */
  question(type: "complete" | "inspect" | "is_complete", code: string, cursor: number): Promise<Record<string, unknown> | null> {
    const id = uuid();
    if (this.view.value.state !== "leased" || !this.send({ type, id, code, cursor_pos: cursor })) return Promise.resolve(null);
    return this.answerTo(id, ANSWER_WITHIN);
  }

  /** What the kernel holds: its answer, or `error` and `message`; null when none came. */
  askKernel(about: string, args: object = {}): Promise<Record<string, unknown> | null> {
    const id = uuid();
    if (this.view.value.state !== "leased" || !this.send({ type: "ask", id, about, arguments: args as Record<string, unknown> })) return Promise.resolve(null);
    return this.answerTo(id, ABOUT_WITHIN);
  }

  private answerTo(id: string, within: number): Promise<Record<string, unknown> | null> {
    return new Promise((resolve) => {
      const timer = window.setTimeout(() => this.settle(id, null), within);
      this.questions.set(id, { resolve, timer });
    });
  }

  private settle(id: string, content: Record<string, unknown> | null): void {
    const question = this.questions.get(id);
    if (!question) return;
    clearTimeout(question.timer);
    this.questions.delete(id);
    question.resolve(content);
  }

  private failed(id: string | null, code: string, message: string): void {
    if (id && this.questions.has(id)) return this.settle(id, null);
    const run = id ? this.waiting.get(id) : undefined;
    if (run) {
      this.waiting.delete(run.id);
      return this.onChange([{ ...newExecution(run.id, run.cell), state: "aborted", reason: message }]);
    }
    // A late answer to a question that nobody waits for any more, such as a completion, concerns nobody.
    if (code !== "no_input" && (id === null || this.log.executions.has(id))) this.onProblem(message);
  }

  private watchUsage(on: boolean): void {
    this.usageWanted = on;
    this.send({ type: "watch_usage", on });
  }

  /** To a widget of the kernel's; false if the line is down. */
  toWidget(message: Extract<ClientMessage, { type: "comm" }>): boolean {
    return this.view.value.state === "leased" && this.send(message);
  }

  private send(message: ClientMessage): boolean {
    return this.socket?.send(message) ?? false;
  }

  private async post(verb: string): Promise<boolean> {
    try {
      await ask("POST", `/api/v1/sessions/${this.id.value}/${verb}`);
      return true;
    } catch (error) {
      this.onProblem((error as ApiError).message);
      return false;
    }
  }

  private show(view: SessionView): void {
    this.view.value = view;
  }

  private change(part: Partial<SessionView>): void {
    this.view.value = { ...this.view.value, ...part };
  }
}

function aborted(id: string, cell: string, reason: string): Execution {
  return { ...newExecution(id, cell), state: "aborted", reason };
}
