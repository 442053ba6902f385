// Two states of a notebook beside each other, cell by cell. What is the same is only counted.

import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import type { NotebookDocument } from "../notebook/document";
import { compare, inWords, isChange, sourceOf, type CellChange } from "./compare";
import { compareLines, type Line } from "./lines";

interface Props {
  before: NotebookDocument;
  after: NotebookDocument;
  /** What `-` and `+` stand for, as "saved elsewhere" and "yours". */
  names: [string, string];
}

// More are not read by anybody, and would take the browser's time.
const MOST = 200;

export function Comparison({ before, after, names }: Props): VNode {
  const changes = useMemo(() => compare(before, after), [before, after]);
  const shown = runs(changes).slice(0, MOST);
  const words = inWords(changes);
  return (
    <div class="comparison">
      <p class="muted">
        {words ? `${words}. ` : "The two say the same. "}
        {words && (
          <>
            Lines with <span class="sign minus">−</span> are {names[0]}, those with <span class="sign plus">+</span> {names[1]}.
          </>
        )}
      </p>
      {shown.map((run, place) => (Array.isArray(run) ? <p key={place} class="muted unchanged">{run.length === 1 ? "1 cell is the same" : `${run.length} cells are the same`}</p> : <Change key={place} change={run} />))}
      {runs(changes).length > MOST && <p class="muted">More than {MOST} places differ: the rest is not shown.</p>}
    </div>
  );
}

/** Changes, and the cells between them that are the same, together. */
function runs(changes: CellChange[]): (CellChange | CellChange[])[] {
  const found: (CellChange | CellChange[])[] = [];
  for (const change of changes) {
    const last = found.at(-1);
    if (isChange(change)) found.push(change);
    else if (Array.isArray(last)) last.push(change);
    else found.push([change]);
  }
  return found;
}

function Change({ change }: { change: CellChange }): VNode {
  const lines = useMemo(() => linesOf(change), [change]);
  const { cell, index } = (change.after ?? change.before)!;
  const what = [change.kind === "same" ? "" : change.kind, change.moved ? `moved from ${change.before!.index + 1} to ${change.after!.index + 1}` : "", ...change.besides].filter(Boolean);
  return (
    <section class={`change ${change.kind}`} aria-label={`Cell ${index + 1} ${what.join(", ")}`}>
      <h3>
        Cell {index + 1} <span class="muted">{cell.cell_type}</span> <span class="badge">{what.join(", ")}</span>
      </h3>
      {lines.length > 0 && (
        <pre tabIndex={0}>
          {lines.map((line, place) => (
            <LineView key={place} line={line} />
          ))}
        </pre>
      )}
    </section>
  );
}

const SIGNS = { " ": "same", "+": "plus", "-": "minus" };
const WORDS = { " ": "", "+": "added: ", "-": "removed: " };

function LineView({ line }: { line: Line }): VNode {
  return (
    <span class={`line ${SIGNS[line.sign]}`}>
      <span class="sign" aria-hidden="true">
        {line.sign === "-" ? "−" : line.sign}
      </span>
      <span class="vh">{WORDS[line.sign]}</span>
      {line.pieces.map((piece, place) => (piece.marked ? <mark key={place}>{piece.text}</mark> : piece.text))}
      {"\n"}
    </span>
  );
}

/** Only the neighbourhood of what changed. */
function linesOf(change: CellChange): Line[] {
  if (change.kind === "same") return [];
  if (!change.before) return compareLines("", sourceOf(change.after!.cell)).filter((line) => line.sign === "+");
  if (!change.after) return compareLines(sourceOf(change.before.cell), "").filter((line) => line.sign === "-");
  const lines = compareLines(sourceOf(change.before.cell), sourceOf(change.after.cell));
  const near = new Set(lines.flatMap((line, place) => (line.sign === " " ? [] : [-2, -1, 0, 1, 2].map((by) => place + by))));
  return lines.flatMap((line, place) => {
    if (near.has(place)) return [line];
    return near.has(place - 1) ? [{ sign: " " as const, pieces: [{ text: "…", marked: false }] }] : [];
  });
}
