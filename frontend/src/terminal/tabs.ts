// The terminals of a session as tabs. Which there are, the server knows; what somebody named them, this browser.

import { batch, signal } from "@preact/signals";
import { ask, type ApiError } from "../api";
import { backoff } from "../session/socket";

export const MOST = 8;
const KEPT = "terminal-names";
const LONGEST_NAME = 40;

export class Tabs {
  readonly names = signal<string[]>(["1"]);
  readonly current = signal("1");
  readonly labels = signal<Readonly<Record<string, string>>>({});
  private session = "";

  /** Another session: its terminals are asked for. Where there are none, one is opened. */
  async follow(session: string): Promise<void> {
    if (session === this.session) return;
    this.session = session;
    const open = await this.listed(session);
    if (session !== this.session) return;
    batch(() => {
      this.names.value = open.length ? open : ["1"];
      if (!this.names.value.includes(this.current.value)) this.current.value = this.names.value[0]!;
      this.labels.value = readLabels(session);
    });
  }

  /** A server that does not answer is asked again: its terminals are there all the same, and none is to be left out. */
  private async listed(session: string): Promise<string[]> {
    for (let attempt = 0; session === this.session; attempt++) {
      try {
        return await namesOf(session);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoff(attempt, Math.random())));
      }
    }
    return [];
  }

  label(name: string): string {
    return this.labels.value[name] ?? `Terminal ${name}`;
  }

  rename(name: string, wanted: string): void {
    const label = wanted.trim().slice(0, LONGEST_NAME);
    const { [name]: _, ...others } = this.labels.value;
    this.labels.value = label && label !== `Terminal ${name}` ? { ...others, [name]: label } : others;
    localStorage.setItem(KEPT, JSON.stringify({ session: this.session, labels: this.labels.value }));
  }

  /** A new tab's name; null where there are as many as may be. Another page may have opened some: they are tabs here, too. Raises ApiError. */
  async add(): Promise<string | null> {
    const { session } = this;
    const open = session ? await namesOf(session) : [];
    if (session !== this.session) return this.add();
    const names = [...new Set([...this.names.value, ...open])];
    const free = Array.from({ length: MOST }, (_, index) => String(index + 1)).find((name) => !names.includes(name));
    const added = free && names.length < MOST ? free : null;
    batch(() => {
      this.names.value = added ? [...names, added] : names;
      if (added) this.current.value = added;
    });
    return added;
  }

  /** Close a tab and end its shell. False if it was the last. */
  close(name: string): boolean {
    // One that has ended by itself is not there any more.
    if (this.session) void ask("DELETE", `/api/v1/sessions/${this.session}/terminals/${encodeURIComponent(name)}`).catch(() => undefined);
    const rest = this.names.value.filter((each) => each !== name);
    this.rename(name, "");
    batch(() => {
      this.names.value = rest.length ? rest : ["1"];
      if (!this.names.value.includes(this.current.value)) this.current.value = this.names.value.at(-1)!;
    });
    return rest.length > 0;
  }
}

/** Those that the server has; none of a session that it does not know. Raises ApiError where it does not answer. */
async function namesOf(session: string): Promise<string[]> {
  try {
    const { body } = await ask<{ name: string }[]>("GET", `/api/v1/sessions/${session}/terminals`);
    return body.map(({ name }) => name).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch (error) {
    const { status } = error as ApiError;
    if (status >= 400 && status < 500) return [];
    throw error;
  }
}

function readLabels(session: string): Record<string, string> {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null") as { session?: unknown; labels?: unknown } | null;
    if (kept?.session !== session || typeof kept.labels !== "object" || kept.labels === null) return {};
    return Object.fromEntries(Object.entries(kept.labels).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
  } catch {
    return {};
  }
}
