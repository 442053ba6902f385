// Find and replace across the cells of the page: what is looked for, where it was found, and which place is the current one.

import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Cell } from "../notebook/document";
import type { Page } from "../notebook/page";
import { expressionOf, matchesIn, MOST_MATCHES, replaced, type Match, type Query } from "./matches";

export interface Place extends Match {
  cell: Cell;
  /** Which match of its cell it is. */
  nth: number;
}

interface Found {
  places: Place[];
  problem: string;
}

/** What an editor marks: its matches, and which of them is the current one, or -1. */
export interface Marks {
  matches: readonly Match[];
  current: number;
}

const NOTHING: Found = { places: [], problem: "" };
const NO_MARKS: Marks = { matches: [], current: -1 };

export class Find {
  readonly shown = signal(false);
  /** Counts up when the focus is wanted in the field. */
  readonly asked = signal(0);
  readonly query = signal<Query>({ text: "", regex: false, matchCase: false });
  readonly replacement = signal("");
  readonly found: ReadonlySignal<Found>;
  readonly current: ReadonlySignal<Place | undefined>;
  private readonly at = signal(0);
  /** Markdown cells that were opened to show a match. */
  private opened = new Set<Cell>();

  constructor(private readonly page: Page) {
    this.found = computed(() => this.look());
    this.current = computed(() => this.found.value.places[Math.min(this.at.value, this.found.value.places.length - 1)]);
  }

  /** "3 of 12". */
  get words(): string {
    const { places, problem } = this.found.value;
    if (problem || !this.query.value.text) return problem;
    if (!places.length) return "Not found";
    return `${Math.min(this.at.value, places.length - 1) + 1} of ${places.length === MOST_MATCHES ? `${MOST_MATCHES}+` : places.length}`;
  }

  open(): void {
    batch(() => {
      const chosen = this.page.editors.get(this.page.current.id)?.selectedText() ?? "";
      if (chosen && !chosen.includes("\n")) this.query.value = { ...this.query.value, text: chosen };
      this.shown.value = true;
      this.asked.value++;
      this.nearest();
    });
  }

  close(): void {
    const place = this.current.value;
    this.shown.value = false;
    for (const cell of this.opened) if (cell !== place?.cell) cell.editing.value = false;
    this.opened.clear();
    const { page } = this;
    if (!place || page.readOnly.value) return page.go(page.selection.index);
    page.edit(place.cell);
    page.editors.get(place.cell.id)?.select(place.from, place.to);
  }

  change(part: Partial<Query>): void {
    batch(() => {
      this.query.value = { ...this.query.value, ...part };
      this.nearest();
    });
    this.reveal();
  }

  step(by: -1 | 1): void {
    const count = this.found.value.places.length;
    if (!count) return;
    this.at.value = (Math.min(this.at.value, count - 1) + by + count) % count;
    this.reveal();
  }

  replaceCurrent(): void {
    const place = this.current.value;
    if (place) this.replace([place]);
    this.reveal();
  }

  replaceAll(): void {
    const { places } = this.found.value;
    if (!places.length) return;
    const cells = new Set(places.map((place) => place.cell)).size;
    this.replace(places);
    this.page.say(`Replaced ${places.length} in ${cells} ${cells === 1 ? "cell" : "cells"}.`, { label: "Undo", run: () => this.page.structure.undo() });
  }

  marksOf(cell: Cell): Marks {
    if (!this.shown.value) return NO_MARKS;
    const matches = this.found.value.places.filter((place) => place.cell === cell);
    const current = this.current.value;
    return matches.length ? { matches, current: current?.cell === cell ? current.nth : -1 } : NO_MARKS;
  }

  private look(): Found {
    if (!this.shown.value || !this.query.value.text) return NOTHING;
    const expression = expressionOf(this.query.value);
    if (typeof expression === "string") return { places: [], problem: expression };
    const places: Place[] = [];
    for (const cell of this.page.notebook.cells.value) {
      const matches = matchesIn(cell.source.value, expression, MOST_MATCHES - places.length);
      places.push(...matches.map((match, nth) => ({ ...match, cell, nth })));
      if (places.length >= MOST_MATCHES) break;
    }
    return { places, problem: "" };
  }

  /** Begin at the active cell, not at the top. */
  private nearest(): void {
    const active = this.page.selection.index;
    const at = this.found.value.places.findIndex((place) => this.page.notebook.indexOf(place.cell.id) >= active);
    this.at.value = Math.max(0, at);
  }

  /** Bring the current match into view; the focus stays in the field. */
  private reveal(): void {
    const place = this.current.value;
    if (!place) return;
    if (place.cell.type.value === "markdown" && !place.cell.editing.value) {
      this.opened.add(place.cell);
      place.cell.editing.value = true;
    }
    const cell = document.querySelector(`[data-cell="${CSS.escape(place.cell.id)}"]`);
    const box = cell?.getBoundingClientRect();
    if (cell && box && (box.bottom < 120 || box.top > innerHeight - 80)) cell.scrollIntoView({ block: "center" });
  }

  private replace(places: readonly Place[]): void {
    if (this.page.readOnly.value) return;
    const { regex } = this.query.value;
    const texts = new Map<Cell, string>();
    for (const cell of new Set(places.map((place) => place.cell))) {
      texts.set(cell, replaced(cell.source.value, places.filter((place) => place.cell === cell), this.replacement.value, regex));
    }
    this.page.notebook.rewrite(texts);
  }
}
