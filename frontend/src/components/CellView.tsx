// One cell: its prompt, its text, what it printed, and the buttons that act on it.

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { drag } from "../notebook/drag";
import type { Cell, CellType } from "../notebook/document";
import { isFinal, type Execution } from "../outputs/execution";
import { undoneInWords } from "../session/words";
import { CellTools } from "./CellTools";
import { usePage } from "./context";
import { Editor } from "./Editor";
import { FarCell } from "./FarCell";
import { Gutter } from "./Gutter";
import { Icon } from "./Icon";
import { Markdown } from "./Markdown";
import { memo } from "./memo";
import { Outputs } from "./Outputs";

const TYPES: Record<CellType, string> = { code: "code", markdown: "Markdown", raw: "raw text" };
const LINE = 21;
// Cells that are drawn before anything else: more than a screen of them.
const AT_ONCE = 8;

interface Props {
  cell: Cell;
  index: number;
}

/** Hundreds of cells take a second to draw, in which nothing could be done: those that are far away come when the page is idle. */
export const CellView = memo(({ cell, index }: Props): VNode => {
  const page = usePage();
  const [drawn, setDrawn] = useState(index < AT_ONCE);
  const wanted = useComputed(() => page.active.value === cell.id).value;
  useLayoutEffect(() => {
    if (wanted) setDrawn(true);
  }, [wanted]);
  // What is not drawn yet takes about the room that it will need.
  const room = useMemo(() => {
    const { execution } = page.shownOf(cell.id).peek();
    return cell.source.peek().split("\n").length * LINE + 46 + (execution?.outputs.length ?? 0) * 40 + (execution?.leftOut ? 240 : 0);
  }, []);
  if (drawn || wanted) return <DrawnCell cell={cell} index={index} room={room} />;
  return <FarCell cell={cell} index={index} room={room} due={() => setDrawn(true)} />;
});

function DrawnCell({ cell, index, room }: Props & { room: number }): VNode {
  const page = usePage();
  const section = useRef<HTMLElement>(null);
  // Each cell is drawn again only when it becomes, or is no longer, the one: not whenever another does.
  const active = useComputed(() => page.active.value === cell.id).value;
  const editing = useComputed(() => page.active.value === cell.id && page.mode.value === "edit").value;
  const selected = useComputed(() => page.selection.several && page.selection.ids.value.has(cell.id)).value;
  const moves = useComputed(() => (page.active.value === cell.id ? page.moves.value : 0)).value;
  const edited = useComputed(() => page.results.edited(cell)).value;
  const moving = useComputed(() => drag.value?.ids.includes(cell.id) ?? false).value;
  // Written into the page by itself: the number of cells and the queue change without a cell being drawn again.
  const name = useComputed(() => {
    const run = cell.type.value === "code" ? page.shownOf(cell.id).value.execution : undefined;
    const words = [TYPES[cell.type.value], ...(run ? [stateInWords(run, () => page.placeOf(cell.id))] : [])];
    if (page.results.edited(cell)) words.push("edited since it ran");
    if (page.selection.several && page.selection.ids.value.has(cell.id)) words.push("selected");
    return `Cell ${page.notebook.indexOf(cell.id) + 1} of ${page.notebook.cells.value.length}, ${words.join(", ")}`;
  });
  const [looked, setLooked] = useState(false);
  const type = cell.type.value;
  const { execution } = page.shownOf(cell.id).value;
  const shown = type === "code" ? execution : undefined;
  const folded = cell.outputHidden.value;

  useLayoutEffect(() => {
    if (!active || page.moves.peek() === 0) return;
    section.current!.scrollIntoView({ block: "nearest" });
    const at = document.activeElement;
    const onControl = at instanceof HTMLElement && section.current!.contains(at) && at !== section.current && !at.closest(".editor");
    if (page.mode.value === "command" && !onControl) section.current!.focus({ preventScroll: true });
  }, [active, page.mode.value, moves]);

  const press = (event: MouseEvent) => {
    if (event.button !== 0 || !event.shiftKey || page.active.peek() === cell.id) {
      if (page.active.peek() !== cell.id) page.touch(cell, "command");
      else if (!(event.target as Element).closest(".gutter, .cell-tools")) page.selection.collapse();
      return;
    }
    // Text in between must not be selected by the same click.
    event.preventDefault();
    page.selection.extendTo(index);
  };

  return (
    <section
      ref={section}
      class={`cell ${type}${active ? " active" : ""}${editing ? " editing" : ""}${selected ? " selected" : ""}${moving ? " moving" : ""}`}
      style={{ containIntrinsicSize: `auto ${room}px` }}
      aria-label={name}
      tabIndex={active ? 0 : -1}
      data-cell={cell.id}
      onFocus={(event) => event.target === section.current && page.touch(cell, "command")}
      onMouseDown={press}
      onPointerEnter={() => setLooked(true)}
    >
      <Gutter cell={cell} execution={shown} index={index} edited={edited} />
      <div class="cell-body">
        <Source cell={cell} type={type} label={`${type === "code" ? "Code" : TYPES[type]} of cell ${index + 1}`} focused={editing} />
        {shown && folded && (shown.outputs.length > 0 || shown.leftOut > 0 || shown.input) && (
          <button class="button quiet more" onClick={() => page.structure.toggle("output", [cell])} aria-expanded="false">
            Output is hidden. Show it
          </button>
        )}
        {/* A question is never hidden: the code waits for its answer. */}
        {shown && (!folded || shown.input) && <Outputs execution={shown} label={`Output of cell ${index + 1}`} />}
        {shown && <Trouble execution={shown} />}
      </div>
      {(active || looked) && <CellTools cell={cell} index={index} />}
    </section>
  );
}

function Source({ cell, type, label, focused }: { cell: Cell; type: CellType; label: string; focused: boolean }): VNode {
  const page = usePage();
  if (cell.inputHidden.value && !focused) {
    return (
      <button class="button quiet more source-hidden" onClick={() => page.structure.toggle("input", [cell])} aria-expanded="false">
        {type === "code" ? "Code" : "Text"} is hidden. Show it <code class="muted">{cell.source.value.trim().split("\n")[0]!.slice(0, 80)}</code>
      </button>
    );
  }
  if (type === "markdown" && (!cell.editing.value || page.readOnly.value)) {
    return (
      <div class="rendered" onDblClick={() => page.edit(cell)}>
        {cell.source.value.trim() ? <Markdown source={cell.source.value} attachments={cell.attachments} /> : <p class="muted">An empty text. Press Enter to write.</p>}
      </div>
    );
  }
  return <Editor cell={cell} type={type} label={label} focused={focused} />;
}

/** Why there is no result, where the output itself does not say. */
function Trouble({ execution }: { execution: Execution }): VNode | null {
  const words: Partial<Record<Execution["state"], string>> = { aborted: "Not run", cancelled: "Taken out of the queue", lost: "Not finished" };
  const what = words[execution.state];
  if (!what) return null;
  return (
    <p class="trouble">
      <Icon name="warning" size={16} /> {what}
      {execution.reason ? `: ${undoneInWords(execution.reason)}` : execution.state === "lost" ? ": its session ended." : "."}
    </p>
  );
}

function stateInWords(execution: Execution, place: () => number): string {
  if (!isFinal(execution)) return execution.state === "queued" ? `number ${place()} in the queue` : execution.input ? "asks for input" : "running";
  return { ok: "finished", error: "failed" }[execution.state as string] ?? execution.state;
}
