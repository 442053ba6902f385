// The files of the notebook's session: what the panel shows and does. It lives as long as the page, so a transfer goes on
// when the panel is closed.

import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, ask, encodePath } from "../api";
import type { Page } from "../notebook/page";
import { size } from "../session/words";
import { readDropped, type Dropped, type DroppedTree } from "./dropped";
import { Kept } from "./kept";
import { freeName, join, nameOf, parentOf, plain, topmost } from "./names";
import { fetching, saveAs, sending, Transfers } from "./transfers";
import { chosen, moveFault, movedTo, rowsOf, sorted, targetOf, type Choice, type Entry, type Folder, type Folders } from "./tree";

export type Clash = "replace" | "both" | "skip";

export type FilesDialog =
  | { kind: "file" | "folder"; folder: string }
  | { kind: "rename"; entry: Entry }
  | { kind: "move"; paths: string[] }
  | { kind: "delete"; paths: string[] }
  | { kind: "clash"; names: string[]; choose(clash: Clash): void };

/** What the browser cannot hold well is left to its own downloads, which write to the disk as it comes. */
const LARGE = 256 * 1024 * 1024;

export class Files {
  readonly folders = signal<Folders>(new Map());
  readonly open = signal<ReadonlySet<string>>(new Set());
  readonly choice = signal<Choice>({ current: "", selected: new Set(), anchor: "" });
  readonly hidden = signal(false);
  readonly problem = signal("");
  readonly dialog = signal<FilesDialog | null>(null);
  readonly preview = signal<Entry | null>(null);
  /** Of the file that is open: whether it was edited and not saved. */
  readonly unsaved = signal(false);
  readonly transfers = new Transfers();
  readonly kept: Kept;
  readonly rows = computed(() => rowsOf(this.folders.value, this.open.value, this.hidden.value));
  private loading: Promise<void> | null = null;
  private again = false;

  constructor(readonly page: Page) {
    this.kept = new Kept(page);
    page.risks.add(() => this.unsaved.peek() || this.transfers.uploading);
    effect(() => {
      void page.session.id.value;
      batch(() => {
        this.folders.value = new Map();
        this.open.value = new Set();
        this.choice.value = { current: "", selected: new Set(), anchor: "" };
      });
    });
  }

  get leased(): boolean {
    return this.page.session.view.value.state === "leased";
  }

  private get session(): string {
    return `/api/v1/sessions/${this.page.session.id.value}`;
  }

  addressOf(path: string): string {
    return `${this.session}/files/${encodePath(path)}`;
  }

  // --- Looking ---

  /** Look again at every open folder. Several wishes at once are one look more. */
  async refresh(quiet = false): Promise<void> {
    if (!this.leased) return;
    if (this.loading) {
      this.again = true;
      return this.loading;
    }
    this.loading = this.look(quiet).finally(() => (this.loading = null));
    await this.loading;
    if (this.again) {
      this.again = false;
      await this.refresh(quiet);
    }
  }

  private async look(quiet: boolean): Promise<void> {
    const session = this.page.session.id.value;
    const wanted = ["", ...this.open.value];
    const found = await Promise.all(wanted.map(async (path) => [path, await this.folder(path, quiet)] as const));
    if (session !== this.page.session.id.value) return;
    const root = found[0]![1];
    // A folder that is gone is open no more.
    const there = found.filter(([path, folder]) => path === "" || folder !== null).map(([path, folder]) => [path, folder!] as const);
    const before = this.folders.value;
    if (JSON.stringify([...before]) === JSON.stringify(there) && !this.problem.value) return;
    batch(() => {
      this.problem.value = root?.problem ?? "";
      this.folders.value = new Map(there);
      if (there.length < found.length) this.open.value = new Set(there.map(([path]) => path).filter(Boolean));
      const paths = new Set(this.rows.value.map((row) => row.entry.path));
      const { current, selected, anchor } = this.choice.value;
      this.choice.value = { current: paths.has(current) ? current : "", selected: new Set([...selected].filter((path) => paths.has(path))), anchor };
    });
  }

  private async folder(path: string, quiet: boolean): Promise<Folder | null> {
    try {
      const { body } = await ask<{ entries: Entry[]; more: number }>("GET", `${this.session}/files?path=${encodeURIComponent(path)}${quiet ? "&quiet=true" : ""}`);
      return { entries: sorted(body.entries), more: body.more, problem: "" };
    } catch (error) {
      if (path !== "" && (error as ApiError).status === 404) return null;
      const known = this.folders.value.get(path);
      return { entries: known?.entries ?? [], more: known?.more ?? 0, problem: (error as ApiError).message };
    }
  }

  entryOf(path: string): Entry | undefined {
    return this.folders.value.get(parentOf(path))?.entries.find((entry) => entry.path === path);
  }

  get chosen(): Entry[] {
    return this.rows.value.map((row) => row.entry).filter((entry) => this.choice.value.selected.has(entry.path));
  }

  choose(path: string, how: "only" | "extend" | "toggle" = "only"): void {
    this.choice.value = chosen(this.rows.value, this.choice.value, path, how);
  }

  async toggle(path: string, open = !this.open.value.has(path)): Promise<void> {
    const now = new Set(this.open.value);
    if (open) now.add(path);
    else for (const each of this.open.value) if (each === path || each.startsWith(`${path}/`)) now.delete(each);
    this.open.value = now;
    if (open) await this.refresh();
  }

  show(entry: Entry): void {
    if (entry.type === "directory") void this.toggle(entry.path);
    else if (entry.type === "file") this.preview.value = entry;
    else this.page.say(entry.type === "link" ? "This is a link. Links are not followed here; open what it points to." : "This is neither a file nor a folder.");
  }

  /** Where something new goes. */
  get target(): string {
    return targetOf(this.entryOf(this.choice.value.current));
  }

  // --- Bringing ---

  /** What was dropped on a folder. It must be read while the event is handled. */
  async drop(folder: string, transfer: DataTransfer): Promise<void> {
    try {
      await this.bring(folder, await readDropped(transfer));
    } catch (error) {
      this.page.say(error instanceof Error && error.message ? error.message : "What was dropped cannot be read.");
    }
  }

  async bring(folder: string, tree: DroppedTree): Promise<void> {
    const most = this.page.settings.maxUpload ?? Infinity;
    for (const { file } of tree.files.filter(({ file }) => file.size > most)) {
      this.page.say(`${plain(file.name)} has ${size(file.size)}, and an upload may have ${size(most)}. Split it, or fetch it by code.`);
    }
    const wanted = tree.files.filter(({ file }) => file.size <= most);
    const taken = await this.taken(wanted.map(({ path }) => join(folder, path)));
    const clashes = wanted.filter(({ path }) => taken.has(join(folder, path)));
    const clash = clashes.length ? await this.askClash(clashes.map(({ path }) => path)) : "skip";
    for (const path of tree.empty) await this.attempt(() => ask("POST", this.addressOf(join(folder, path))));
    await Promise.all(wanted.map((each) => this.send(folder, each, taken, clash)));
    await this.refresh();
  }

  private send(folder: string, { path, file }: Dropped, taken: Set<string>, clash: Clash): Promise<void> {
    let to = join(folder, path);
    if (taken.has(to)) {
      if (clash === "skip") return Promise.resolve();
      if (clash === "both") to = join(parentOf(to), freeName(nameOf(to), (name) => taken.has(join(parentOf(to), name))));
    }
    const replaces = taken.has(to);
    taken.add(to);
    const work = sending(this.addressOf(to), file, replaces ? {} : { "If-None-Match": "*" });
    return this.transfers.add("upload", plain(path), file.size, async (told, stop) => {
      await work(told, stop);
      this.page.tell(`${plain(nameOf(to))} uploaded`);
      void this.refresh();
    });
  }

  /** All that is there already in the folders of these paths. */
  private async taken(paths: string[]): Promise<Set<string>> {
    const found = new Set<string>();
    for (const folder of new Set(paths.map(parentOf))) {
      for (const entry of (await this.folder(folder, false))?.entries ?? []) found.add(entry.path);
    }
    return found;
  }

  private askClash(names: string[]): Promise<Clash> {
    return new Promise((choose) => (this.dialog.value = { kind: "clash", names, choose }));
  }

  // --- Taking ---

  async take(paths: string[]): Promise<void> {
    const [first, ...more] = paths.map((path) => this.entryOf(path)).filter((entry) => entry !== undefined);
    if (!first) return;
    if (first.type === "file" && !more.length) return this.takeFile(first);
    const name = more.length ? "files.zip" : `${plain(first.name)}.zip`;
    await this.transfers.add("download", name, null, fetching(this.zipAddress(paths), (content) => saveAs(content, name)));
  }

  zipAddress(paths: string[]): string {
    const only = topmost(paths);
    const single = only.length === 1 && this.entryOf(only[0]!)?.type === "directory";
    const query = single ? `path=${encodeURIComponent(only[0]!)}` : only.map((path) => `only=${encodeURIComponent(path)}`).join("&");
    return `${this.session}/archive?${query}`;
  }

  async takeFile(entry: Entry): Promise<void> {
    const name = plain(entry.name);
    if (entry.size > LARGE) {
      const link = document.createElement("a");
      link.href = this.addressOf(entry.path);
      link.download = name;
      link.click();
      return this.page.say(`${name} is large: your browser downloads it by itself.`);
    }
    await this.transfers.add("download", name, entry.size, fetching(this.addressOf(entry.path), (content) => saveAs(content, name)));
  }

  // --- Changing ---

  async makeFile(folder: string, name: string): Promise<void> {
    const path = join(folder, name);
    const headers = { "If-None-Match": "*", "Content-Type": "application/octet-stream" };
    await this.transfers.add("upload", name, 0, sending(this.addressOf(path), new Blob([]), headers));
    await this.reveal(path);
    const entry = this.entryOf(path);
    if (entry) this.preview.value = entry;
  }

  async makeFolder(folder: string, name: string): Promise<void> {
    const path = join(folder, name);
    if (await this.attempt(() => ask("POST", this.addressOf(path)))) {
      await this.reveal(path);
      this.page.tell(`Folder ${name} made`);
    }
  }

  /** Open the way to it and choose it. */
  private async reveal(path: string): Promise<void> {
    const folder = parentOf(path);
    if (folder) this.open.value = new Set([...this.open.value, folder]);
    await this.refresh();
    if (this.entryOf(path)) this.choose(path);
  }

  async rename(entry: Entry, name: string): Promise<void> {
    const to = join(parentOf(entry.path), name);
    if (to === entry.path) return;
    if (await this.attempt(() => ask("PATCH", this.addressOf(entry.path), { to }))) {
      await this.reveal(to);
      this.page.say(`Renamed to ${plain(name)}.`, { label: "Undo", run: () => void this.back([[to, entry.path]]) });
    }
  }

  async move(paths: string[], folder: string): Promise<void> {
    const what = topmost(paths).filter((path) => parentOf(path) !== folder);
    const fault = moveFault(topmost(paths), folder);
    if (fault) return this.page.say(fault);
    const done: [string, string][] = [];
    for (const path of what) {
      const to = movedTo(path, folder);
      if (await this.attempt(() => ask("PATCH", this.addressOf(path), { to }))) done.push([to, path]);
    }
    await this.refresh();
    const words = done.length === 1 ? `${plain(nameOf(done[0]![0]))} moved.` : `${done.length} moved.`;
    if (done.length) this.page.say(words, { label: "Undo", run: () => void this.back(done) });
  }

  private async back(moves: [string, string][]): Promise<void> {
    for (const [now, before] of moves) await this.attempt(() => ask("PATCH", this.addressOf(now), { to: before }));
    await this.refresh();
  }

  async remove(paths: string[]): Promise<void> {
    let gone = 0;
    for (const path of topmost(paths)) if (await this.attempt(() => ask("DELETE", this.addressOf(path)))) gone++;
    await this.refresh();
    if (gone) this.page.tell(gone === 1 ? `${plain(nameOf(paths[0]!))} deleted` : `${gone} deleted`);
  }

  private async attempt(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.page.say((error as ApiError).message);
      return false;
    }
  }
}

const known = new WeakMap<Page, Files>();

/** The one of a page. */
export function filesOf(page: Page): Files {
  const files = known.get(page) ?? new Files(page);
  known.set(page, files);
  return files;
}
