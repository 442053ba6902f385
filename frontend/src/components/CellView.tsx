// One cell: its prompt, its text, what it printed, and the buttons that act on it.

import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { isFinal, type Execution } from "../outputs/execution";
import type { Cell, CellType } from "../notebook/document";
import { undoneInWords } from "../session/words";
import { CellTools } from "./CellTools";
import { usePage } from "./context";
import { Editor } from "./Editor";
import { Icon } from "./Icon";
import { Markdown } from "./Markdown";
import { memo } from "./memo";
import { Outputs } from "./Outputs";
import { Timing } from "./Timing";

const TYPES: Record<CellType, string> = { code: "code", markdown: "Markdown", raw: "raw text" };

interface Props {
  cell: Cell;
  index: number;
  count: number;
}

export const CellView = memo(({ cell, index, count }: Props): VNode => {
  const page = usePage();
  const section = useRef<HTMLElement>(null);
  const active = page.active.value === cell.id;
  const editing = active && page.mode.value === "edit";
  const type = cell.type.value;
  const { execution } = page.shownOf(cell.id).value;
  const shown = type === "code" ? execution : undefined;
  const folded = page.folded.value.has(cell.id);
  const moves = active ? page.moves.value : 0;

  useLayoutEffect(() => {
    if (!active || page.moves.peek() === 0) return;
    section.current!.scrollIntoView({ block: "nearest" });
    const at = document.activeElement;
    const onControl = at instanceof HTMLElement && section.current!.contains(at) && at !== section.current && !at.closest(".editor");
    if (page.mode.value === "command" && !onControl) section.current!.focus({ preventScroll: true });
  }, [active, page.mode.value, moves]);

  const name = `Cell ${index + 1} of ${count}, ${TYPES[type]}${shown ? `, ${stateInWords(shown, page.placeOf(cell.id))}` : ""}`;
  return (
    <section
      ref={section}
      class={`cell ${type}${active ? " active" : ""}${editing ? " editing" : ""}`}
      aria-label={name}
      tabIndex={active ? 0 : -1}
      data-cell={cell.id}
      onFocus={(event) => event.target === section.current && page.touch(cell, "command")}
      onMouseDown={() => page.active.peek() !== cell.id && page.touch(cell, "command")}
    >
      <div class="gutter">{type === "code" && <Prompt cell={cell} execution={shown} index={index} />}</div>
      <div class="cell-body">
        {type === "markdown" && !cell.editing.value ? (
          <div class="rendered" onDblClick={() => page.edit(cell)}>
            <Markdown source={cell.source.value} attachments={cell.attachments} />
          </div>
        ) : (
          <Editor cell={cell} type={type} label={`${type === "code" ? "Code" : TYPES[type]} of cell ${index + 1}`} focused={editing} />
        )}
        {shown && folded && (shown.outputs.length > 0) && (
          <button class="button quiet more" onClick={() => page.toggleOutput(cell)} aria-expanded="false">
            Output is hidden. Show it
          </button>
        )}
        {shown && !folded && <Outputs execution={shown} label={`Output of cell ${index + 1}`} />}
        {shown && <Trouble execution={shown} />}
      </div>
      <CellTools cell={cell} index={index} count={count} />
    </section>
  );
});

/** The run button, which turns into what stops it; and the count, as notebooks have it. */
function Prompt({ cell, execution, index }: { cell: Cell; execution: Execution | undefined; index: number }): VNode {
  const page = usePage();
  const waiting = execution !== undefined && !isFinal(execution);
  const running = execution?.state === "running";
  return (
    <>
      {waiting && !page.readOnly.value ? (
        <button class={`prompt-button ${running ? "running" : "queued"}`} onClick={() => page.session.cancel(execution)} aria-label={running ? `Stop cell ${index + 1}` : `Take cell ${index + 1} out of the queue`} title={running ? "Stop" : "Take out of the queue"}>
          <Icon name={running ? "stop" : "cross"} size={16} />
        </button>
      ) : page.readOnly.value ? null : (
        <button class="prompt-button" onClick={() => page.runAnd(cell, "stay")} aria-label={`Run cell ${index + 1}`} title="Run (Ctrl Enter)">
          <Icon name="run" size={16} />
        </button>
      )}
      <span class="count" aria-hidden="true">
        [{waiting ? "*" : (execution?.count ?? " ")}]
      </span>
      {execution && <Timing execution={execution} />}
    </>
  );
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

function stateInWords(execution: Execution, place: number): string {
  switch (execution.state) {
    case "queued":
      return `number ${place} in the queue`;
    case "running":
      return execution.input ? "asks for input" : "running";
    case "ok":
      return "finished";
    case "error":
      return "failed";
    default:
      return execution.state;
  }
}
