// Files that outlive the session: whether they are kept, how much of the quota they take, and what is wrong.

import { signal } from "@preact/signals";
import { ApiError, ask } from "../api";
import type { Page } from "../notebook/page";
import type { Entry } from "./tree";

export interface Workspace {
  id: string;
  enabled: boolean;
  quota: number;
  size: number;
  files: number;
  saved_at: number | null;
  began_at: number | null;
  /** Whether this session's files are saved; null if none runs. */
  held: boolean | null;
  problem: "" | "quota" | "tenant_quota" | "failed" | "not_restored";
  message: string;
  entries: Pick<Entry, "path" | "size" | "type">[];
  largest: Pick<Entry, "path" | "size">[];
  left_out: { path: string; why: string }[];
  omitted: number;
}

const ASK_EVERY = 1000;
const PATIENCE = 70;

export class Kept {
  readonly workspace = signal<Workspace | null>(null);
  readonly saving = signal(false);
  readonly problem = signal("");

  constructor(private readonly page: Page) {}

  async refresh(): Promise<void> {
    try {
      const { body } = await ask<Workspace[]>("GET", `/api/v1/workspaces?identifier=${encodeURIComponent(this.page.settings.identifier)}`);
      this.workspace.value = body[0] ?? null;
      this.problem.value = "";
    } catch (error) {
      this.problem.value = (error as ApiError).message;
    }
  }

  get archive(): string | null {
    const kept = this.workspace.value;
    return kept?.saved_at ? `/api/v1/workspaces/${kept.id}/archive` : null;
  }

  async keep(enabled: boolean): Promise<void> {
    try {
      const { body } = await ask<Workspace>("PUT", "/api/v1/workspaces", { identifier: this.page.settings.identifier, enabled });
      this.workspace.value = body;
      this.page.tell(enabled ? "Files are kept" : "Files are not kept any more");
    } catch (error) {
      this.page.say((error as ApiError).message);
    }
  }

  /** Save now, and wait until it is done. `replace`: even over files that this session has not got. */
  async save(replace = false): Promise<void> {
    const before = this.workspace.value;
    if (!before || this.saving.value) return;
    this.saving.value = true;
    try {
      await ask("POST", `/api/v1/workspaces/${before.id}/save`, { replace });
      for (let asked = 0; asked < PATIENCE; asked++) {
        await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
        await this.refresh();
        const now = this.workspace.value;
        if (!now || now.problem) break;
        // It has begun since, and has found something new or, a moment later, nothing.
        if (now.saved_at !== before.saved_at || (now.began_at !== before.began_at && asked > 1)) break;
      }
      this.page.tell(this.workspace.value?.problem ? "Files could not be saved" : "Files saved");
    } catch (error) {
      this.page.say((error as ApiError).message);
    } finally {
      this.saving.value = false;
    }
  }

  async forget(): Promise<void> {
    const kept = this.workspace.value;
    if (!kept) return;
    try {
      await ask("DELETE", `/api/v1/workspaces/${kept.id}/archive`);
      this.page.tell("Kept files deleted");
    } catch (error) {
      this.page.say((error as ApiError).message);
    }
    await this.refresh();
  }
}
