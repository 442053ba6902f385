// Left of a cell: the run button, which turns into what stops it; the count; how long it took; whether it was edited since.

import type { VNode } from "preact";
import type { Cell } from "../notebook/document";
import { startDrag } from "../notebook/drag";
import { isFinal, type Execution } from "../outputs/execution";
import { usePage } from "./context";
import { Icon } from "./Icon";
import { Timing } from "./Timing";

interface Props {
  cell: Cell;
  execution: Execution | undefined;
  index: number;
  edited: boolean;
}

export function Gutter({ cell, execution, index, edited }: Props): VNode {
  const page = usePage();
  // A finger scrolls here; it drags by the grip among the cell's buttons.
  const grab = (event: PointerEvent) => event.pointerType === "mouse" && !(event.target as Element).closest("button") && startDrag(event, page, cell);
  return (
    <div class="gutter" title="Drag to move" onPointerDown={grab}>
      {cell.type.value === "code" && <Prompt cell={cell} execution={execution} index={index} />}
      {execution && <Timing execution={execution} />}
      {edited && (
        <span class="edited" title="Edited since it ran: the output is of another text">
          <Icon name="edit" size={12} /> edited
        </span>
      )}
    </div>
  );
}

function Prompt({ cell, execution, index }: Omit<Props, "edited">): VNode {
  const page = usePage();
  const waiting = execution !== undefined && !isFinal(execution);
  const running = execution?.state === "running";
  const run = () => {
    page.go(index);
    page.running.selectedAnd("stay");
  };
  return (
    <>
      {waiting ? (
        <button class={`prompt-button ${running ? "running" : "queued"}`} onClick={() => page.running.cancel(cell.id)} aria-label={running ? `Stop cell ${index + 1}` : `Take cell ${index + 1} out of the queue`} title={running ? "Stop" : "Take out of the queue"}>
          <Icon name={running ? "stop" : "cross"} size={16} />
        </button>
      ) : page.readOnly.value ? null : (
        <button class="prompt-button" onClick={run} aria-label={`Run cell ${index + 1}`} title="Run (Ctrl Enter)">
          <Icon name="run" size={16} />
        </button>
      )}
      <span class="count" aria-hidden="true">
        [{waiting ? "*" : (execution?.count ?? " ")}]
      </span>
    </>
  );
}
