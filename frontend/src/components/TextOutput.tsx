// Text that a program printed. Long text shows its beginning and its end; what is between opens on demand.

import type { ComponentChildren, VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { LineTerminal, type Line } from "../outputs/lines";
import { saveText } from "../outputs/saving";
import { CopyButton } from "./CopyButton";
import { memo } from "./memo";
import { OutputTools, ToolButton } from "./OutputTools";
import { StyledLines, type Reference } from "./StyledLines";

interface Props {
  lines: readonly Line[];
  dropped?: number;
  droppedAfter?: number;
  stderr?: boolean;
  copyLabel?: string;
  /** Makes places of cells into links. */
  reference?: Reference;
  tools?: ComponentChildren;
  text(): string;
}

const HEAD = 60;
const TAIL = 30;
const CHUNK = 200;
const WORTH_A_FILE = 40;

export function LinesOutput({ lines, dropped = 0, droppedAfter = 0, stderr = false, copyLabel = "Copy output", reference, tools, text }: Props): VNode {
  const [open, setOpen] = useState(false);
  const long = lines.length > HEAD + TAIL + 20;
  const middle = lines.length - HEAD - TAIL + dropped;
  return (
    <div class={`output stream-output${stderr ? " stderr" : ""}`}>
      {stderr && <span class="stream-name">stderr</span>}
      {!long && <Chunk lines={lines} reference={reference} />}
      {long && !open && (
        <>
          <Chunk lines={lines.slice(0, HEAD)} reference={reference} />
          <button class="button quiet more" aria-expanded="false" onClick={() => setOpen(true)}>
            Show {middle.toLocaleString("en")} more lines
          </button>
          <Chunk lines={lines.slice(-TAIL)} reference={reference} />
        </>
      )}
      {long && open && <AllLines lines={lines} dropped={dropped} droppedAfter={droppedAfter} reference={reference} />}
      {long && open && (
        <button class="button quiet more" aria-expanded="true" onClick={() => setOpen(false)}>
          Show less
        </button>
      )}
      {lines.length > 0 && (
        <OutputTools>
          {tools}
          <CopyButton text={text} label={copyLabel} />
          {lines.length > WORTH_A_FILE && <ToolButton icon="download" label="Download text" run={() => saveText(text(), "output.txt")} />}
        </OutputTools>
      )}
    </div>
  );
}

/** Text that comes whole. */
export function TextOutput({ text }: { text: string }): VNode {
  const lines = useMemo(() => linesOf(text), [text]);
  return <LinesOutput lines={lines} text={() => text} />;
}

export function linesOf(text: string): readonly Line[] {
  const terminal = new LineTerminal();
  terminal.write(text);
  return terminal.lines;
}

interface ChunkProps {
  lines: readonly Line[];
  reference?: Reference | undefined;
}

/** In pieces that the browser lays out only where they are seen. */
function AllLines({ lines, dropped, droppedAfter, reference }: ChunkProps & { dropped: number; droppedAfter: number }): VNode {
  const parts: VNode[] = [];
  for (let at = 0; at < lines.length; at += CHUNK) {
    if (dropped > 0 && at === droppedAfter) parts.push(<p class="cut">✂ {dropped.toLocaleString("en")} lines are not kept in this page.</p>);
    parts.push(<Chunk key={at} lines={lines.slice(at, at + CHUNK)} reference={reference} />);
  }
  return <>{parts}</>;
}

/** Lines are never changed in place, so a chunk of the same lines is the same chunk. */
const Chunk = memo<ChunkProps>(
  ({ lines, reference }) => <StyledLines lines={lines} {...(reference && { reference })} />,
  (before, after) => before.reference === after.reference && before.lines.length === after.lines.length && before.lines.every((line, index) => line === after.lines[index]),
);
