// Dragging cells by mouse, pen or finger. Keys and buttons do the same: see the commands "Move cells up" and "down".

import { signal } from "@preact/signals";
import type { Cell } from "./document";
import type { Page } from "./page";

interface Drag {
  ids: readonly string[];
  /** The cells would go in front of the one that is at this place. */
  index: number;
  /** Where the line that shows it is, within the scrolled list. */
  top: number;
}

export const drag = signal<Drag | null>(null);

const BEGINS_AFTER = 5;
const EDGE = 70;

export function startDrag(event: PointerEvent, page: Page, cell: Cell): void {
  if (event.button !== 0 || page.readOnly.value) return;
  const list = document.getElementById("cells")!;
  const ids = page.selection.ids.value.has(cell.id) ? [...page.selection.ids.value] : [cell.id];
  let y = event.clientY;
  let frame = 0;

  const follow = () => {
    const box = list.getBoundingClientRect();
    const pull = y < box.top + EDGE ? y - box.top - EDGE : y > box.bottom - EDGE ? y - box.bottom + EDGE : 0;
    if (pull) list.scrollTop += pull / 4;
    drag.value = { ids, ...placeAt(list, y) };
    frame = requestAnimationFrame(follow);
  };
  const move = (now: PointerEvent) => {
    y = now.clientY;
    if (!frame && Math.abs(y - event.clientY) > BEGINS_AFTER) follow();
  };
  const end = (drop: boolean) => {
    for (const [name, listener] of listeners) removeEventListener(name, listener as EventListener, true);
    cancelAnimationFrame(frame);
    const at = drag.value;
    drag.value = null;
    if (drop && frame && at) page.structure.moveTo(ids, at.index);
  };
  const listeners: [string, (event: never) => void][] = [
    ["pointermove", move],
    ["pointerup", () => end(true)],
    ["pointercancel", () => end(false)],
    ["keydown", (pressed: KeyboardEvent) => pressed.key === "Escape" && (pressed.preventDefault(), pressed.stopPropagation(), end(false))],
  ];
  for (const [name, listener] of listeners) addEventListener(name, listener as EventListener, true);
}

function placeAt(list: HTMLElement, y: number): { index: number; top: number } {
  const boxes = [...list.querySelectorAll(".cell")].map((cell) => cell.getBoundingClientRect());
  const index = dropIndex(boxes, y);
  const edge = index < boxes.length ? boxes[index]!.top : boxes.at(-1)!.bottom;
  return { index, top: edge - list.getBoundingClientRect().top + list.scrollTop };
}

/** In front of the first box whose middle is below. */
export function dropIndex(boxes: readonly { top: number; bottom: number }[], y: number): number {
  const index = boxes.findIndex((box) => y < (box.top + box.bottom) / 2);
  return index < 0 ? boxes.length : index;
}
