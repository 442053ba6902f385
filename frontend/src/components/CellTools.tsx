// The buttons of a cell, out of the way until it is looked at.

import type { VNode } from "preact";
import type { Cell, CellType } from "../notebook/document";
import { startDrag } from "../notebook/drag";
import { usePage } from "./context";
import { Icon, type IconName } from "./Icon";

/** What a raw cell may say that it holds, as in JupyterLab. */
const RAW_TYPES: [string, string][] = [
  ["", "Any format"],
  ["text/restructuredtext", "reStructuredText"],
  ["text/latex", "LaTeX"],
  ["text/html", "HTML"],
  ["text/markdown", "Markdown"],
  ["text/x-python", "Python"],
];

export function CellTools({ cell, index }: { cell: Cell; index: number }): VNode | null {
  const page = usePage();
  if (page.readOnly.value) return null;
  const number = index + 1;
  const type = cell.type.value;
  const rawType = String(cell.metadata.raw_mimetype ?? "");
  // A button moves the cell that it belongs to, whatever else is selected.
  const move = (by: -1 | 1) => {
    page.go(index);
    page.structure.move(by);
  };
  return (
    <div class="cell-tools" role="group" aria-label={`Cell ${number}`}>
      <span class="grip" title="Drag to move" aria-hidden="true" onPointerDown={(event) => (event.preventDefault(), startDrag(event, page, cell))}>
        <Icon name="grip" size={16} />
      </span>
      <select aria-label={`Type of cell ${number}`} value={type} onChange={(event) => page.structure.changeType(event.currentTarget.value as CellType, [cell])}>
        <option value="code">Code</option>
        <option value="markdown">Markdown</option>
        <option value="raw">Raw</option>
      </select>
      {type === "raw" && (
        <select aria-label={`Format of cell ${number}`} title="Exports of another format leave it out" value={rawType} onChange={(event) => page.structure.setRawType(cell, event.currentTarget.value)}>
          {RAW_TYPES.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
          {!RAW_TYPES.some(([value]) => value === rawType) && <option value={rawType}>{rawType}</option>}
        </select>
      )}
      <Tool icon="up" label={`Move cell ${number} up`} disabled={index === 0} act={() => move(-1)} />
      <Tool icon="down" label={`Move cell ${number} down`} disabled={index === page.notebook.cells.value.length - 1} act={() => move(1)} />
      {type === "code" && page.shownOf(cell.id).value.execution && <Tool icon="cross" label={`Clear output of cell ${number}`} act={() => page.running.clear([cell])} />}
      <Tool icon="trash" label={`Delete cell ${number}`} act={() => page.structure.remove([cell])} />
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
