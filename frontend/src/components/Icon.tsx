// Signs as strokes on a 20 × 20 grid. They never stand alone: a label or a title says the same.

import type { VNode } from "preact";

const PATHS = {
  run: "M6 4.5v11l9-5.500z",
  runAll: "M3 5v10l6.500-5zM10.500 5v10l6.500-5z",
  stop: "M6 6h8v8H6z",
  restart: "M15.500 8a6 6 0 1 0 .5 3.500M16 4v4h-4",
  plus: "M10 4.500v11M4.500 10h11",
  up: "M10 15.500v-11M5.500 9 10 4.500 14.500 9",
  down: "M10 4.500v11M5.500 11l4.500 4.500 4.500-4.500",
  trash: "M4.500 6h11M8 6V4.500h4V6M6 6l.7 9.500h6.600L14 6",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  files: "M3.500 5.500h4.500l1.500 2h7v8h-13z",
  terminal: "M4 6l4 4-4 4M10 14.500h6",
  keyboard: "M3 6h14v8.500H3zM6 9h.01M9 9h.01M12 9h.01M14.500 9h.01M7 12h6",
  close: "M5.500 5.500l9 9M14.500 5.500l-9 9",
  copy: "M7.500 7.500h8v8h-8zM12.500 7.500v-3h-8v8h3",
  upload: "M10 13V4.500M6.500 8 10 4.500 13.500 8M4.500 15.500h11",
  download: "M10 4.500V13M6.500 9.500 10 13l3.500-3.500M4.500 15.500h11",
  folder: "M3.500 5.500h4.500l1.500 2h7v8h-13z",
  file: "M5.500 3.500h6l3 3v10h-9zM11.500 3.500v3h3",
  check: "M4.500 10.500l3.500 3.500 7.500-8",
  cross: "M6 6l8 8M14 6l-8 8",
  clock: "M10 3.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M10 6.500V10l2.500 1.500",
  warning: "M10 3.500 17.500 16.500h-15zM10 8.500v3.500M10 14.300h.01",
  search: "M8.500 4a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9M12 12l4 4",
  variables: "M6.500 4.500h-2v11h2M13.500 4.500h2v11h-2M8 8l4 4.500M12 8l-4 4.500",
  insert: "M4.500 5h11M4.500 15h5M12.500 9.500v7M9 13h7",
  edit: "M4.500 15.500l.8-3.300L13 4.500l2.500 2.500-7.700 7.700z",
} as const;

export type IconName = keyof typeof PATHS;
const FILLED = new Set<IconName>(["run", "runAll", "stop"]);

export function Icon({ name, size = 20 }: { name: IconName; size?: number }): VNode {
  return (
    <svg class={FILLED.has(name) ? "icon filled" : "icon"} width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
