// A cell in the page: what is edited is a signal, what only travels along is kept as it came.

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { uuid } from "../protocol";

export type CellType = "code" | "markdown" | "raw";
export type Metadata = Record<string, unknown>;

export interface NotebookCell {
  id: string;
  cell_type: CellType;
  source: string | string[];
  metadata: Metadata;
  attachments?: Record<string, unknown>;
  outputs?: Record<string, unknown>[];
  execution_count?: number | null;
}

export interface NotebookDocument {
  nbformat: number;
  nbformat_minor: number;
  metadata: Metadata;
  cells: NotebookCell[];
}

/** All of a cell that a step of undo brings back. */
export interface CellContent {
  type: CellType;
  source: string;
  metadata: Metadata;
  attachments: Record<string, unknown> | undefined;
}

export type Part = "input" | "output";

export class Cell {
  readonly id: string;
  readonly type: Signal<CellType>;
  readonly source: Signal<string>;
  /** A Markdown cell that is being written rather than read. */
  readonly editing: Signal<boolean>;
  readonly inputHidden: ReadonlySignal<boolean>;
  readonly outputHidden: ReadonlySignal<boolean>;
  private readonly data: Signal<Metadata>;
  private readonly attached: Signal<Record<string, unknown> | undefined>;

  constructor(from: Partial<NotebookCell> & { cell_type: CellType }) {
    this.id = from.id ?? uuid().replace(/-/g, "").slice(0, 12);
    this.type = signal(from.cell_type);
    this.source = signal(textOf(from.source));
    this.editing = signal(!this.source.value);
    this.data = signal(structuredClone(from.metadata ?? {}));
    this.attached = signal(from.attachments && structuredClone(from.attachments));
    this.inputHidden = computed(() => within(this.metadata, "jupyter").source_hidden === true);
    this.outputHidden = computed(() => within(this.metadata, "jupyter").outputs_hidden === true || this.metadata.collapsed === true);
  }

  /** Never changed in place: whoever reads it while drawing is drawn again when it is replaced. */
  get metadata(): Metadata {
    return this.data.value;
  }

  set metadata(metadata: Metadata) {
    this.data.value = metadata;
  }

  /** Never changed in place either. */
  get attachments(): Record<string, unknown> | undefined {
    return this.attached.value;
  }

  set attachments(attachments: Record<string, unknown> | undefined) {
    this.attached.value = attachments;
  }

  get content(): CellContent {
    return { type: this.type.peek(), source: this.source.peek(), metadata: this.data.peek(), attachments: this.attached.peek() };
  }

  set content(content: CellContent) {
    this.type.value = content.type;
    this.source.value = content.source;
    this.data.value = content.metadata;
    this.attached.value = content.attachments;
  }

  copy(): Cell {
    const { thermae: _, ...metadata } = this.metadata;
    return new Cell({ cell_type: this.type.value, source: this.source.value, metadata, ...(this.attachments && { attachments: this.attachments }) });
  }

  /** Outputs are the server's: they are not sent back. */
  toJSON(): NotebookCell {
    const type = this.type.value;
    return {
      id: this.id,
      cell_type: type,
      source: this.source.value,
      metadata: this.metadata,
      ...(type === "code" ? { outputs: [], execution_count: null } : this.attachments ? { attachments: this.attachments } : {}),
    };
  }
}

export function textOf(source: string | string[] | undefined): string {
  return Array.isArray(source) ? source.join("") : (source ?? "");
}

/** An object inside metadata, which may come from anywhere: what is no object counts as empty. */
export function within(metadata: Metadata, name: string): Metadata {
  const value = metadata[name];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Metadata) : {};
}

/** The same metadata with one name inside another set, or taken out by `undefined`; what becomes empty goes. */
export function withSetting(metadata: Metadata, group: string, name: string, value: unknown): Metadata {
  const { [name]: _, ...rest } = within(metadata, group);
  const { [group]: __, ...others } = metadata;
  const inner = value === undefined ? rest : { ...rest, [name]: value };
  return Object.keys(inner).length ? { ...others, [group]: inner } : others;
}

/** Hidden parts as JupyterLab keeps them: it also writes `collapsed`, which older programs read. */
export function withHidden(metadata: Metadata, part: Part, hidden: boolean): Metadata {
  if (part === "input") return withSetting(metadata, "jupyter", "source_hidden", hidden || undefined);
  const { collapsed: _, ...rest } = withSetting(metadata, "jupyter", "outputs_hidden", hidden || undefined);
  return hidden ? { ...rest, collapsed: true } : rest;
}
