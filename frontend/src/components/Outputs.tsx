// Everything that a run of a cell printed, drew and asked.

import { memo } from "./memo";
import type { VNode } from "preact";
import { useState } from "preact/hooks";

import type { Execution, Output } from "../outputs/execution";
import { LineTerminal, type Line } from "../outputs/lines";
import { size } from "../session/words";
import { DisplayOutput } from "./Display";
import { InputPrompt } from "./InputPrompt";
import { StyledLines } from "./StyledLines";
import { CopyButton } from "./CopyButton";

const MOST_OUTPUTS = 100;

export function Outputs({ execution, label }: { execution: Execution; label: string }): VNode | null {
  const [all, setAll] = useState(false);
  const { outputs, input } = execution;
  if (!outputs.length && !input) return null;
  const hidden = all ? 0 : Math.max(0, outputs.length - MOST_OUTPUTS);
  return (
    <div class="outputs" role="region" aria-label={label}>
      {hidden > 0 && (
        <button class="button quiet more" onClick={() => setAll(true)}>
          Show {hidden} earlier outputs
        </button>
      )}
      {outputs.slice(hidden).map((output, index) => (
        <OutputView key={`${execution.id}-${index + hidden}`} output={output} version={output.version} />
      ))}
      {input && <InputPrompt execution={execution} request={input} />}
    </div>
  );
}

/** Outputs are changed in place and counted: the version says whether there is something new to draw. */
const OutputView = memo(({ output }: { output: Output; version: number }): VNode => {
  switch (output.kind) {
    case "stream":
      return <StreamOutput lines={output.terminal.lines} dropped={output.terminal.dropped} droppedAfter={output.terminal.droppedAfter} error={output.name === "stderr"} text={() => output.terminal.text()} />;
    case "error":
      return <ErrorOutput output={output} />;
    case "cut":
      return <p class="cut">{cutInWords(output.messages, output.bytes)}</p>;
    case "display":
      return <DisplayOutput data={output.data} metadata={output.metadata} version={output.version} />;
  }
});

function cutInWords(messages: number, bytes: number): string {
  return `✂ ${messages.toLocaleString("en")} messages (${size(bytes)}) of output were dropped here: it came faster, or was more, than is kept. Write large output to a file.`;
}

function ErrorOutput({ output }: { output: Extract<Output, { kind: "error" }> }): VNode {
  const terminal = new LineTerminal();
  terminal.write(output.traceback);
  return (
    <div class="output error-output">
      <StreamOutput lines={terminal.lines} dropped={0} droppedAfter={0} error={false} text={() => terminal.text()} />
    </div>
  );
}

interface StreamProps {
  lines: readonly Line[];
  dropped: number;
  droppedAfter: number;
  error: boolean;
  text(): string;
}

const HEAD = 60;
const TAIL = 30;
const CHUNK = 200;

/** Long text shows its beginning and its end; what is between opens on demand. */
function StreamOutput({ lines, dropped, droppedAfter, error, text }: StreamProps): VNode {
  const [open, setOpen] = useState(false);
  const long = lines.length > HEAD + TAIL + 20;
  const className = `output stream-output${error ? " stderr" : ""}`;
  const middle = lines.length - HEAD - TAIL + dropped;
  return (
    <div class={className}>
      {!long && <Chunk lines={lines} />}
      {long && !open && (
        <>
          <Chunk lines={lines.slice(0, HEAD)} />
          <button class="button quiet more" aria-expanded="false" onClick={() => setOpen(true)}>
            Show {middle.toLocaleString("en")} more lines
          </button>
          <Chunk lines={lines.slice(-TAIL)} />
        </>
      )}
      {long && open && <AllLines lines={lines} dropped={dropped} droppedAfter={droppedAfter} />}
      {long && open && (
        <button class="button quiet more" aria-expanded="true" onClick={() => setOpen(false)}>
          Show less
        </button>
      )}
      {lines.length > 0 && <CopyButton text={text} label="Copy output" />}
    </div>
  );
}

function AllLines({ lines, dropped, droppedAfter }: { lines: readonly Line[]; dropped: number; droppedAfter: number }): VNode {
  const parts: VNode[] = [];
  for (let at = 0; at < lines.length; at += CHUNK) {
    if (dropped > 0 && at === droppedAfter) parts.push(<p class="cut">✂ {dropped.toLocaleString("en")} lines are not kept in this page.</p>);
    parts.push(<Chunk key={at} lines={lines.slice(at, at + CHUNK)} />);
  }
  return <>{parts}</>;
}

/** Lines are never changed in place, so a chunk of the same lines is the same chunk. */
const Chunk = memo(
  ({ lines }: { lines: readonly Line[] }): VNode => <StyledLines lines={lines} />,
  (before, after) => before.lines.length === after.lines.length && before.lines.every((line, index) => line === after.lines[index]),
);

