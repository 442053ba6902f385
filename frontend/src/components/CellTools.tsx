// The buttons of a cell, out of the way until it is looked at.

import type { VNode } from "preact";
import type { Cell, CellType } from "../notebook/document";
import { usePage } from "./context";
import { Icon, type IconName } from "./Icon";

export function CellTools({ cell, index, count }: { cell: Cell; index: number; count: number }): VNode | null {
  const page = usePage();
  if (page.readOnly.value) return null;
  const number = index + 1;
  return (
    <div class="cell-tools" role="group" aria-label={`Cell ${number}`}>
      <select aria-label={`Type of cell ${number}`} value={cell.type.value} onChange={(event) => page.notebook.changeType(cell, event.currentTarget.value as CellType)}>
        <option value="code">Code</option>
        <option value="markdown">Markdown</option>
        <option value="raw">Raw</option>
      </select>
      <Tool icon="up" label={`Move cell ${number} up`} disabled={index === 0} act={() => page.notebook.move(cell.id, -1)} />
      <Tool icon="down" label={`Move cell ${number} down`} disabled={index === count - 1} act={() => page.notebook.move(cell.id, 1)} />
      {cell.type.value === "code" && page.shownOf(cell.id).value.execution && <Tool icon="cross" label={`Clear output of cell ${number}`} act={() => page.clearOutput(cell)} />}
      <Tool icon="trash" label={`Delete cell ${number}`} act={() => page.remove(cell)} />
    </div>
  );
}

function Tool({ icon, label, disabled = false, act }: { icon: IconName; label: string; disabled?: boolean; act(): void }): VNode {
  return (
    <button class="button quiet icon" aria-label={label} title={label.replace(/ (of )?cell \d+/, "")} disabled={disabled} onClick={act}>
      <Icon name={icon} size={16} />
    </button>
  );
}
