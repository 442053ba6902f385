// A cell that is not drawn yet: its text, for the browser's search, in about the room that it will need.

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { whenNearOrIdle } from "../editor/near";
import type { Cell } from "../notebook/document";

interface Props {
  cell: Cell;
  index: number;
  room: number;
  due(): void;
}

export function FarCell({ cell, index, room, due }: Props): VNode {
  const section = useRef<HTMLElement>(null);
  useEffect(() => whenNearOrIdle(section.current!, due), []);
  return (
    <section ref={section} class="cell" style={{ containIntrinsicSize: `auto ${room}px` }} aria-label={`Cell ${index + 1}`} tabIndex={-1} data-cell={cell.id}>
      <div class="gutter" />
      <div class="cell-body">
        <pre class="editor-still">{cell.source.peek()}</pre>
      </div>
    </section>
  );
}
