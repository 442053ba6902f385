// Edits that the server does not have yet, kept in the browser: they outlive a reload, a crash and days without a network.

import type { NotebookDocument } from "../notebook/document";

export interface Draft {
  /** Of the tab that made the edits. */
  tab: string;
  /** Notebook and person: on a shared computer nobody is offered what another wrote. */
  owner: string;
  at: number;
  /** What the edits are based on, for a merge. */
  base: NotebookDocument;
  mine: NotebookDocument;
}

const MOST = 30;
const LONGEST = 60 * 24 * 3600 * 1000;
const LARGEST = 32 * 1024 * 1024;

export class Drafts {
  private database: Promise<IDBDatabase> | null = null;

  /** `live` tells the tabs that are open now: what they keep is theirs. */
  constructor(
    private readonly factory: IDBFactory | undefined = globalThis.indexedDB,
    private readonly live: () => Promise<ReadonlySet<string>> = liveTabs,
  ) {}

  /** False where the browser keeps nothing: in some private windows, or when its disk is full. */
  async keep(draft: Draft): Promise<boolean> {
    if (JSON.stringify(draft.mine).length > LARGEST) return false;
    try {
      await this.act("readwrite", (store) => store.put(draft));
      return true;
    } catch {
      return false;
    }
  }

  async forget(tab: string): Promise<void> {
    await this.act("readwrite", (store) => store.delete(tab)).catch(() => undefined);
  }

  /** Of closed tabs, the newest first. What is older than two months, or too much, is dropped. */
  async of(owner: string): Promise<Draft[]> {
    try {
      const all = ((await this.act("readonly", (store) => store.getAll())) as Draft[]).sort((a, b) => b.at - a.at);
      const live = await this.live();
      const closed = all.filter((draft) => !live.has(draft.tab));
      const old = closed.filter((draft, place) => place >= MOST || Date.now() - draft.at > LONGEST);
      for (const draft of old) await this.forget(draft.tab);
      return closed.filter((draft) => draft.owner === owner && !old.includes(draft));
    } catch {
      return [];
    }
  }

  private async act(mode: IDBTransactionMode, action: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
    const database = await (this.database ??= this.open());
    return new Promise((resolve, reject) => {
      const transaction = database.transaction("drafts", mode);
      const request = action(transaction.objectStore("drafts"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("not kept"));
    });
  }

  private open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      if (!this.factory) return reject(new Error("this browser keeps nothing"));
      const request = this.factory.open("thermae", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("drafts", { keyPath: "tab" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("not opened"));
    });
  }
}

const LOCK = "thermae-tab-";

/** Say for as long as this tab lives that it does. */
export function holdTab(tab: string): void {
  void navigator.locks?.request(LOCK + tab, () => new Promise(() => undefined));
}

/** Only known on pages that a browser calls secure; elsewhere every tab counts as closed, and is offered too much rather than too little. */
async function liveTabs(): Promise<ReadonlySet<string>> {
  const held = (await navigator.locks?.query())?.held ?? [];
  return new Set(held.flatMap((lock) => (lock.name?.startsWith(LOCK) ? [lock.name.slice(LOCK.length)] : [])));
}
