// Signs as strokes on a 20 × 20 grid. They never stand alone: a label or a title says the same.

import type { VNode } from "preact";

const PATHS = {
  run: "M6 4.5v11l9-5.500z",
  runAll: "M3 5v10l6.500-5zM10.500 5v10l6.500-5z",
  stop: "M6 6h8v8H6z",
  restart: "M15.500 8a6 6 0 1 0 .5 3.500M16 4v4h-4",
  plus: "M10 4.500v11M4.500 10h11",
  text: "M5 6.500v-1.500h10v1.500M10 5v10M8 15h4",
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
  grip: "M7.500 5h.01M12.500 5h.01M7.500 10h.01M12.500 10h.01M7.500 15h.01M12.500 15h.01",
  outline: "M4 5h2M4 10h2M4 15h2M9 5h7M9 10h7M9 15h5",
  menu: "M3.500 5.500h13M3.500 10h13M3.500 14.500h13",
  share: "M13.500 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4M6 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4M13.500 17a2 2 0 1 0 0-4 2 2 0 0 0 0 4M7.800 9l3.900-2.900M7.800 11l3.900 2.900",
  expand: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  shrink: "M8 4v4H4M16 8h-4V4M12 16v-4h4M4 12h4v4",
  fold: "M5 12.500l5-5 5 5",
  scroll: "M4 4.500h12M4 15.500h12M10 7v6M8 9l2-2 2 2M8 11l2 2 2-2",
  sort: "M7 15.500v-11M4.500 7 7 4.500 9.500 7M13 4.500v11M10.500 13l2.500 2.500 2.500-2.500",
  newFile: "M5.500 3.500h6l3 3v10h-9zM10 9v5M7.500 11.500h5",
  newFolder: "M3.500 5.500h4.500l1.500 2h7v8h-13zM10 9.500v4M8 11.500h4",
  rename: "M3.500 6.500h7M3.500 13.500h7M13.500 4.500v11M12 4.500h3M12 15.500h3",
  move: "M3.500 5.500h4.500l1.500 2h7v8h-13zM7.500 11.500h5M10.500 9.500l2 2-2 2",
  insert: "M6 4.500h8M6 15.500h8M10 4.500v11M4 10h2M14 10h2",
  opened: "M5.500 8l4.500 4.500L14.500 8",
  closed: "M8 5.500l4.500 4.500L8 14.500",
  variables: "M6.500 4.500h-2v11h2M13.500 4.500h2v11h-2M8 8l4 4.500M12 8l-4 4.500",
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
