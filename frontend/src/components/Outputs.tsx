// Everything that a run of a cell printed, drew and asked.

import { memo } from "./memo";
import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Execution, Output } from "../outputs/execution";
import { referenceOf } from "../outputs/traceback";
import { size } from "../session/words";
import { usePage } from "./context";
import { DisplayOutput } from "./Display";
import { InputPrompt } from "./InputPrompt";
import { LargeOutput } from "./LargeOutput";
import { OutputTools, ToolButton } from "./OutputTools";
import { LinesOutput, linesOf } from "./TextOutput";

const MOST_OUTPUTS = 100;

export function Outputs({ execution, label }: { execution: Execution; label: string }): VNode | null {
  const [all, setAll] = useState(false);
  const page = usePage();
  const { outputs, input } = execution;
  const cell = page.notebook.find(execution.cell);
  const [scrolled, setScrolled] = useState(cell?.metadata.scrolled === true);
  if (execution.leftOut && !input) return <LargeOutput execution={execution} label={label} />;
  if (!outputs.length && !input) return null;
  const hidden = all ? 0 : Math.max(0, outputs.length - MOST_OUTPUTS);
  const scroll = () => {
    setScrolled(!scrolled);
    // Who only looks on has it so on this screen.
    if (!cell || page.readOnly.value) return;
    cell.metadata = { ...cell.metadata, scrolled: !scrolled };
    page.notebook.edited();
  };
  return (
    <div class={`outputs${scrolled ? " scrolled" : ""}`} role="region" aria-label={label} tabIndex={scrolled ? 0 : undefined}>
      {cell && outputs.length > 0 && (
        <OutputTools>
          <ToolButton icon="fold" label={`Hide the ${lowered(label)}`} run={() => page.structure.toggle("output", [cell])} />
          <ToolButton icon="scroll" label={scrolled ? `Show all of the ${lowered(label)}` : `Scroll the ${lowered(label)} in a small area`} run={scroll} />
        </OutputTools>
      )}
      {hidden > 0 && (
        <button class="button quiet more" onClick={() => setAll(true)}>
          Show {hidden} earlier outputs
        </button>
      )}
      {outputs.slice(hidden).map((output, index) => (
        <OutputView key={`${execution.id}-${index + hidden}`} output={output} version={output.version} id={execution.id} cell={execution.cell} count={execution.count} />
      ))}
      {input && <InputPrompt execution={execution} request={input} />}
    </div>
  );
}

function lowered(label: string): string {
  return label.charAt(0).toLowerCase() + label.slice(1);
}

interface ViewProps {
  output: Output;
  version: number;
  id: string;
  cell: string;
  /** Known only after the first outputs; places in tracebacks are named by it. */
  count: number | null;
}

/** Outputs are changed in place and counted: the version says whether there is something new to draw. */
const OutputView = memo(({ output, id, cell, count }: ViewProps): VNode => {
  switch (output.kind) {
    case "stream":
      return <LinesOutput lines={output.terminal.lines} dropped={output.terminal.dropped} droppedAfter={output.terminal.droppedAfter} stderr={output.name === "stderr"} text={() => output.terminal.text()} />;
    case "error":
      return <ErrorOutput output={output} cell={cell} count={count} />;
    case "cut":
      return <p class="cut">{cutInWords(output.messages, output.bytes)}</p>;
    case "display":
      return <DisplayOutput data={output.data} metadata={output.metadata} execution={id} version={output.version} />;
  }
});

function cutInWords(messages: number, bytes: number): string {
  return `✂ ${messages.toLocaleString("en")} messages (${size(bytes)}) of output were dropped here: it came faster, or was more, than is kept. Write large output to a file.`;
}

function ErrorOutput({ output, cell, count }: { output: Extract<Output, { kind: "error" }>; cell: string; count: number | null }): VNode {
  const page = usePage();
  const lines = useMemo(() => linesOf(output.traceback), [output.traceback]);
  const reference = useMemo(() => referenceOf(page, cell), [cell, count]);
  const text = () => lines.map((line) => line.map((run) => run.text).join("")).join("\n");
  return (
    <div class="output error-output">
      <LinesOutput lines={lines} copyLabel="Copy error" reference={reference} text={text} />
    </div>
  );
}
