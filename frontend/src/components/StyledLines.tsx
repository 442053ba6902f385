// Lines of styled runs as text. Neighbours without a style are one text node, however many lines they are.

import type { ComponentChild, VNode } from "preact";
import { PLAIN, presentation } from "../outputs/ansi";
import type { Line } from "../outputs/lines";

export function StyledLines({ lines }: { lines: readonly Line[] }): VNode {
  const parts: ComponentChild[] = [];
  let plain = "";
  const flush = () => {
    if (plain) parts.push(plain);
    plain = "";
  };
  lines.forEach((line, index) => {
    for (const run of line) {
      if (run.style === PLAIN) plain += run.text;
      else {
        flush();
        const { className, style } = presentation(run.style);
        parts.push(<span class={className} style={style}>{run.text}</span>);
      }
    }
    if (index < lines.length - 1) plain += "\n";
  });
  flush();
  return <pre class="stream">{parts}</pre>;
}
