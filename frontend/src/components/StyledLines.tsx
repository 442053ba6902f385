// Lines of styled runs as text. Neighbours without a style are one text node, however many lines they are.

import type { ComponentChild, VNode } from "preact";
import { PLAIN, presentation } from "../outputs/ansi";
import { columnsOf, WIDE } from "../outputs/columns";
import { webAddress } from "../outputs/frames";
import { mayHoldAddress, pieces, type Piece } from "../outputs/links";
import type { Line, Run } from "../outputs/lines";

/** What a line of a traceback leads to; null if it leads nowhere. */
export type Reference = (line: string) => { label: string; go(): void } | null;

// Beyond it a line is cut: laying out a megabyte without a break stops the page.
const LONGEST = 20_000;

export function StyledLines({ lines, reference }: { lines: readonly Line[]; reference?: Reference }): VNode {
  const parts: ComponentChild[] = [];
  let plain = "";
  const flush = () => {
    if (plain) parts.push(plain);
    plain = "";
  };
  lines.forEach((line, index) => {
    const leads = reference?.(line.map((run) => run.text).join(""));
    if (leads) {
      flush();
      parts.push(
        <button type="button" class="trace-link" title={leads.label} onClick={leads.go}>
          {shortened(line).map((run) => drawn(run, false))}
        </button>,
      );
    } else {
      for (const run of shortened(line)) {
        if (run.style === PLAIN && !WIDE.test(run.text) && !mayHoldAddress(run.text)) plain += run.text;
        else {
          flush();
          parts.push(drawn(run, true));
        }
      }
    }
    if (index < lines.length - 1) plain += "\n";
  });
  flush();
  return <pre class="stream">{parts}</pre>;
}

/** `links`: whether addresses in it are, which they are not inside of what leads elsewhere. */
function drawn(run: Run, links: boolean): ComponentChild {
  const linked = links && !run.style.link && mayHoldAddress(run.text);
  const text = linked ? pieces(run.text).map(piece) : written(run.text);
  if (run.style === PLAIN) return text;
  const { className, style } = presentation(run.style);
  const link = run.style.link;
  if (links && link && webAddress(link)) {
    return (
      <a class={className} style={style} href={link} target="_blank" rel="noopener noreferrer">
        {text}
      </a>
    );
  }
  return <span class={className} style={style}>{text}</span>;
}

function piece({ text, address }: Piece): ComponentChild {
  if (address === null) return written(text);
  return (
    <a href={address} target="_blank" rel="noopener noreferrer">
      {written(text)}
    </a>
  );
}

function written(text: string): ComponentChild {
  return WIDE.test(text) ? inColumns(text) : text;
}

/** Wide characters take two columns, whatever width the reader's font gives them: tables and frames stay straight. */
function inColumns(text: string): ComponentChild[] {
  const parts: ComponentChild[] = [];
  let narrow = "";
  for (const { segment } of new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)) {
    if (columnsOf(segment) < 2) narrow += segment;
    else {
      if (narrow) parts.push(narrow);
      narrow = "";
      parts.push(<span class="wide-character">{segment}</span>);
    }
  }
  if (narrow) parts.push(narrow);
  return parts;
}

function shortened(line: Line): Line {
  let left = LONGEST;
  if (line.every((run) => (left -= run.text.length) >= 0)) return line;
  const kept: Run[] = [];
  left = LONGEST;
  let hidden = 0;
  for (const run of line) {
    if (left > 0) kept.push({ text: run.text.slice(0, left), style: run.style });
    hidden += Math.max(0, run.text.length - Math.max(0, left));
    left -= run.text.length;
  }
  return [...kept, { text: ` … ${hidden.toLocaleString("en")} more characters: copy or download the output to have them`, style: PLAIN }];
}
