// What else a notebook was or could be: edits of another tab, edits that were not saved, former versions.

import { effect, signal } from "@preact/signals";
import { ApiError, ask, csrfHeaders } from "../api";
import type { NotebookDocument } from "../notebook/document";
import { NEAR } from "../notebook/results";
import type { Loaded, Page } from "../notebook/page";
import { uuid } from "../protocol";
import { canonical, compare, isChange } from "./compare";
import { Drafts, holdTab, type Draft } from "./drafts";
import { merge } from "./merge";

/** Two states of which one must be chosen. */
export interface Choice {
  /** elsewhere: somebody saved in between; draft: an earlier page was closed before it had saved. */
  why: "elsewhere" | "draft";
  mine: NotebookDocument;
  theirs: NotebookDocument;
  base: NotebookDocument;
  /** When mine was written, in milliseconds. */
  at: number | null;
  loaded: Loaded | null;
  draft: Draft | null;
}

export interface Version {
  id: number;
  version: number;
  why: "automatic" | "named" | "restore" | "conflict" | "gave_way";
  name: string;
  by: string;
  created_at: number;
  saved_at: number;
  cells: number;
}

interface Made {
  title: string;
  url: string;
}

// Less often than each keystroke; a save that succeeds is usually sooner.
const KEEP_AFTER = 1000;

export class History {
  /** What waits for a decision. */
  readonly choice = signal<Choice | null>(null);
  /** Whether the two are being compared, in a dialog. */
  readonly comparing = signal(false);
  /** Counts up when the list of versions changed. */
  readonly changes = signal(0);
  private readonly tab = uuid();
  private readonly owner: string;
  private keeping: ReturnType<typeof setTimeout> | undefined;
  private kept = false;
  private asking = false;

  constructor(
    private readonly page: Page,
    loaded: Loaded,
    private readonly drafts = new Drafts(),
  ) {
    this.owner = `${page.settings.id} ${page.settings.user}`;
    if (page.settings.frozen) return;
    const { autosave, notebook } = page;
    effect(() => {
      if (autosave.state.value.kind === "conflict") void this.settle();
    });
    effect(() => {
      void notebook.edits.value;
      this.remember(autosave.state.value.kind);
    });
    holdTab(this.tab);
    void this.offer(loaded);
    // The browser may end the page before what it is asked at `pagehide` is done; the first two come earlier.
    for (const sign of ["beforeunload", "visibilitychange", "pagehide"] as const) addEventListener(sign, () => void this.keep());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && void this.freshen());
  }

  // --- Edits that are not saved ----------------------------------------------------------------------------------

  private remember(state: string): void {
    if (!this.page.autosave.dirty) {
      clearTimeout(this.keeping);
      this.keeping = undefined;
      if (this.kept) void this.drafts.forget(this.tab);
      this.kept = false;
    } else if (state === "failed" && !this.kept) {
      clearTimeout(this.keeping);
      this.keeping = setTimeout(() => void this.keep());
    } else if (state !== "saved") {
      this.keeping ??= setTimeout(() => void this.keep(), KEEP_AFTER);
    }
  }

  private async keep(): Promise<void> {
    clearTimeout(this.keeping);
    this.keeping = undefined;
    const { autosave, notebook } = this.page;
    if (!autosave.dirty) return;
    this.kept = true;
    const draft = { tab: this.tab, owner: this.owner, at: Date.now(), base: autosave.baseDocument(), mine: plain(notebook.toJSON()) };
    if (!(await this.drafts.keep(draft)) && autosave.state.peek().kind === "failed") this.page.say("This browser keeps no copy of your edits: leave this page open until they are saved.");
    if (!autosave.dirty) await this.drafts.forget(this.tab);
  }

  private async offer(loaded: Loaded): Promise<void> {
    for (const draft of await this.drafts.of(this.owner)) {
      if (!differ(loaded.document, draft.mine) || !differ(draft.base, draft.mine)) await this.drafts.forget(draft.tab);
      else this.choice.value ??= { why: "draft", mine: draft.mine, theirs: loaded.document, base: draft.base, at: draft.at, loaded: null, draft };
    }
  }

  // --- Somebody else's -----------------------------------------------------------------------------------------------

  /** The page is looked at again, or was told of a change: show what is newest, if nothing of ours is at stake. */
  async freshen(): Promise<void> {
    const { autosave } = this.page;
    if (autosave.dirty || autosave.state.peek().kind !== "saved" || this.asking) return;
    this.asking = true;
    try {
      const { status, body } = await ask<Loaded>("GET", `${this.page.addresses.document}${NEAR}&unless=${autosave.version.peek()}`);
      if (status === 204 || autosave.dirty || body.version <= autosave.version.peek()) return;
      this.show(body, false);
      this.page.tell("Updated to what was changed elsewhere");
    } catch (error) {
      if ((error as ApiError).status === 410) autosave.discover(error as ApiError);
    } finally {
      this.asking = false;
    }
  }

  /** A save was refused. Edits of different cells are merged; else both are shown. */
  private async settle(): Promise<void> {
    const { autosave, notebook } = this.page;
    try {
      const { body: loaded } = await ask<Loaded>("GET", this.page.addresses.document + NEAR);
      if (autosave.state.peek().kind !== "conflict") return;
      const [base, mine, theirs] = [autosave.baseDocument(), plain(notebook.toJSON()), loaded.document];
      const merged = merge(base, mine, theirs);
      if (merged.conflicts.length) {
        this.choice.value = { why: "elsewhere", mine, theirs, base, at: null, loaded, draft: null };
        return;
      }
      notebook.adopt(merged.document, false);
      this.page.results.readSaved(loaded, true);
      autosave.rebase(loaded.version, theirs);
      if (merged.taken) this.page.say("Your edits were put together with those made elsewhere.");
    } catch (error) {
      if ((error as ApiError).status === 410) autosave.discover(error as ApiError);
      else setTimeout(() => autosave.state.peek().kind === "conflict" && void this.settle(), 4000);
    }
  }

  /** Replace what the page shows by the server's document. */
  private show(loaded: Loaded, undoable = true): void {
    this.page.notebook.adopt(loaded.document, undoable);
    this.page.results.readSaved(loaded, true);
    this.page.title.value = loaded.title;
    this.page.autosave.rebase(loaded.version, loaded.document);
  }

  // --- Choosing ------------------------------------------------------------------------------------------------------

  /** The two as they are now: mine may have been edited since the question was asked. */
  present(choice: Choice): Choice {
    if (choice.why === "elsewhere") return { ...choice, mine: plain(this.page.notebook.toJSON()) };
    return { ...choice, theirs: plain(this.page.notebook.toJSON()) };
  }

  keepMine(asked: Choice): void {
    this.replace(this.present(asked).mine, asked.loaded);
    this.close(asked);
  }

  /** Mine are in the history then: nothing that was written is lost by choosing. */
  async takeTheirs(asked: Choice): Promise<void> {
    try {
      await ask("POST", this.page.addresses.versions, { document: this.present(asked).mine });
    } catch (error) {
      return this.page.say(`Your edits could not be kept as a version, so nothing was replaced. ${(error as ApiError).message}`);
    }
    this.giveWay(asked);
  }

  private giveWay(asked: Choice): void {
    if (asked.loaded) {
      this.show(asked.loaded);
      this.page.say("The notebook is as it was saved elsewhere. Yours is in the history.", { label: "Undo", run: () => this.page.structure.undo() });
    }
    this.close(asked);
  }

  async keepBoth(asked: Choice): Promise<void> {
    const { mine } = this.present(asked);
    if (await this.copy(mine, `${this.page.title.value} (my edits)`)) this.giveWay(asked);
  }

  /** The cells that only one side touched from both, and of the others mine. */
  mergeBoth(asked: Choice): void {
    const { base, mine, theirs } = this.present(asked);
    this.replace(merge(base, mine, theirs).document, asked.loaded);
    this.close(asked);
  }

  /** Save this in place of what the server has, which is kept as a version. */
  private replace(document: NotebookDocument, loaded: Loaded | null): void {
    const { autosave, notebook } = this.page;
    notebook.adopt(document);
    if (loaded) this.page.results.readSaved(loaded, true);
    autosave.rebase(loaded?.version ?? autosave.version.peek(), loaded?.document ?? autosave.baseDocument(), true);
  }

  private close(choice: Choice): void {
    this.comparing.value = false;
    this.choice.value = null;
    if (choice.draft) void this.drafts.forget(choice.draft.tab);
    this.changes.value++;
  }

  /** A notebook of its own; false if it could not be made, and nothing has changed. */
  async copy(mine: NotebookDocument | null = null, title = ""): Promise<boolean> {
    try {
      const body = await this.makeCopy(mine, title);
      this.page.say(`“${body.title}” was made.`, { label: "Open it", run: () => void window.open(body.url, "_blank") });
      return true;
    } catch (error) {
      this.page.say((error as ApiError).message);
      return false;
    }
  }

  private async makeCopy(mine: NotebookDocument | null, title: string): Promise<Made> {
    try {
      return (await ask<Made>("POST", this.page.addresses.copy, { ...(mine && { document: mine }), ...(title && { title }) })).body;
    } catch (error) {
      if ((error as ApiError).status !== 404 || !mine) throw error;
      // Deleted for good: what this page has comes in as a file does.
      const form = new FormData();
      form.append("files", new File([JSON.stringify(mine)], `${title || this.page.title.value}.ipynb`));
      form.append("pool", this.page.settings.pool);
      const { body } = await ask<{ made: [Made] }>("POST", this.page.addresses.bring, undefined, { headers: { Accept: "application/json", ...csrfHeaders() }, body: form });
      return body.made[0];
    }
  }

  async copyAll(): Promise<void> {
    const { autosave, notebook } = this.page;
    await autosave.flush();
    await this.copy(autosave.dirty ? notebook.toJSON() : null);
  }

  async bringBack(): Promise<void> {
    try {
      await ask("POST", this.page.addresses.restore);
      this.page.live.revive();
      this.page.autosave.resume();
      this.page.say("The notebook is back.");
    } catch (error) {
      this.page.say((error as ApiError).message);
    }
  }

  // --- Versions --------------------------------------------------------------------------------------------------------

  async list(): Promise<Version[]> {
    return (await ask<{ versions: Version[] }>("GET", this.page.addresses.versions)).body.versions;
  }

  async read(version: Version): Promise<NotebookDocument> {
    return (await ask<{ document: NotebookDocument }>("GET", this.address(version))).body.document;
  }

  async keepVersion(name: string): Promise<void> {
    await this.saved();
    await ask("POST", this.page.addresses.versions, { name });
    this.changes.value++;
  }

  async name(version: Version, name: string): Promise<void> {
    await ask("PATCH", this.address(version), { name });
    this.changes.value++;
  }

  async forget(version: Version): Promise<void> {
    await ask("DELETE", this.address(version));
    this.changes.value++;
  }

  async restore(version: Version): Promise<void> {
    await this.saved();
    const { body } = await ask<Loaded>("POST", `${this.address(version)}/restore`, { version: this.page.autosave.version.peek() });
    this.show(body);
    this.changes.value++;
    this.page.say("Restored. What was there before is kept as a version.", { label: "Undo", run: () => this.page.structure.undo() });
  }

  private address(version: Version): string {
    return `${this.page.addresses.versions}/${version.id}`;
  }

  private async saved(): Promise<void> {
    await this.page.autosave.flush();
    if (this.page.autosave.dirty) throw new ApiError(0, "not_saved", "The notebook is not saved yet. Try again when it is.");
  }
}

function differ(one: NotebookDocument, other: NotebookDocument): boolean {
  return canonical(one.metadata) !== canonical(other.metadata) || compare(one, other).some(isChange);
}

/** Without the methods of the page's own objects, as the server sends it. */
function plain(document: NotebookDocument): NotebookDocument {
  return JSON.parse(JSON.stringify(document)) as NotebookDocument;
}
