// Cells that wait for a place in a full pool. The server keeps them and runs them when there is one, with every tab closed;
// a page that is open asks again meanwhile, and shows what waits.

import { ask } from "../api";
import { newExecution, type Execution } from "../outputs/execution";

/** As the server tells it: with a `reason`, one that will not run any more. */
export interface WaitingRun {
  id: string;
  cell: string;
  position: number;
  queued_at: number;
  reason: string;
}

export interface RunToKeep {
  id: string;
  cell: string;
  code: string;
  stopOnError: boolean;
}

interface Answer {
  session: string | null;
  waiting: WaitingRun[];
  message: string;
  retry_after: number;
}

interface Hooks {
  changed(executions: Execution[]): void;
  /** There is a session now. */
  found(session: string): void;
  /** Something waits, and why; or nothing does any more. */
  waits(some: boolean, message: string): void;
}

const AGAIN = 5;

export class Places {
  /** Execution → cell, of what waits. */
  private held = new Map<string, string>();
  /** On their way to the server, which may not know of them yet. */
  private sending = new Set<string>();
  /** What a session has told of waits no more, whatever an older message says. */
  private over = new Set<string>();
  private timer = 0;

  constructor(
    /** "" for who only looks on: nothing is asked. */
    private readonly address: string,
    private readonly hooks: Hooks,
  ) {}

  get waiting(): boolean {
    return this.held.size > 0 || this.sending.size > 0;
  }

  has(id: string): boolean {
    return this.held.has(id);
  }

  /** Let the server keep these, behind what waits there. Raises ApiError. */
  async keep(runs: readonly RunToKeep[]): Promise<void> {
    for (const { id } of runs) this.sending.add(id);
    try {
      const told = runs.map(({ id, cell, code, stopOnError }) => ({ id, cell, code, stop_on_error: stopOnError }));
      const { body } = await ask<Answer>("POST", this.address, { runs: told });
      for (const { id, cell } of runs) this.held.set(id, cell);
      for (const { id } of runs) this.sending.delete(id);
      this.hear(body.waiting, body.session, body.message);
      this.later(body.retry_after);
    } finally {
      for (const { id } of runs) this.sending.delete(id);
    }
  }

  /** What waits now. What does not any more was taken out, unless there is a session, which then tells of it. */
  hear(waiting: readonly WaitingRun[], session: string | null, message = ""): void {
    const now = waiting.filter((each) => !each.reason && !this.over.has(each.id));
    const refused = waiting.filter((each) => each.reason && !this.over.has(each.id));
    const known = new Set(waiting.map(({ id }) => id));
    const gone = session ? [] : [...this.held].filter(([id]) => !known.has(id) && !this.sending.has(id));
    const had = this.held.size > 0;
    this.held = new Map([...now.map(({ id, cell }) => [id, cell] as const), ...[...this.held].filter(([id]) => this.sending.has(id))]);
    const changed = [
      ...gone.map(([id, cell]) => ({ ...newExecution(id, cell), state: "cancelled" as const })),
      ...refused.map((each) => ({ ...newExecution(each.id, each.cell), state: "aborted" as const, reason: each.reason, queuedAt: each.queued_at })),
      ...now.map((each) => ({ ...newExecution(each.id, each.cell), position: each.position, queuedAt: each.queued_at })),
    ];
    if (changed.length) this.hooks.changed(changed);
    if (session) this.hooks.found(session);
    else if (had || this.held.size) this.hooks.waits(this.held.size > 0, message);
    if (this.held.size) this.later(AGAIN);
  }

  /** A session has this one. */
  told(id: string): void {
    this.held.delete(id);
    this.over.add(id);
  }

  async askAgain(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.held.size) return;
    await this.keep([]).catch(() => this.later(AGAIN));
  }

  /** Take one out. False: it waits no more, because there is a session. Raises ApiError. */
  async cancel(id: string): Promise<boolean> {
    const cell = this.held.get(id)!;
    const { body } = await ask<{ taken_out: number }>("DELETE", `${this.address}/${id}`);
    if (!body.taken_out) return false;
    this.told(id);
    this.hooks.changed([{ ...newExecution(id, cell), state: "cancelled" }]);
    this.hooks.waits(this.held.size > 0, "");
    return true;
  }

  async cancelAll(): Promise<void> {
    for (const id of [...this.held.keys()]) await this.cancel(id);
  }

  private later(seconds: number): void {
    if (!this.held.size || this.timer || !this.address) return;
    this.timer = window.setTimeout(() => void this.askAgain(), seconds * 1000);
  }
}

