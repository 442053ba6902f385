// The cells in their order, and the keys of command mode.

import { Fragment, type VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { CommandKeys, type Press } from "../notebook/keys";
import { CellView } from "./CellView";
import { usePage } from "./context";
import { SessionBanners } from "../session/SessionBanners";
import { Icon } from "./Icon";

const OWN_KEYS = ".cm-editor, input, textarea, select, dialog, .xterm, [contenteditable=true]";
const OWN_ENTER = "button, a, summary, [tabindex='0']:not(.cell)";

export function Cells(): VNode {
  const page = usePage();
  const keys = useMemo(() => new CommandKeys(), []);
  const list = useRef<HTMLElement>(null);
  const cells = page.notebook.cells.value;

  const press = (event: KeyboardEvent) => {
    const target = event.target as Element;
    if (event.defaultPrevented || event.isComposing || target.closest(OWN_KEYS) || !target.closest(".cell")) return;
    if (["Enter", " ", "ArrowUp", "ArrowDown"].includes(event.key) && !event.shiftKey && !event.ctrlKey && target.closest(OWN_ENTER)) return;
    const command = keys.press(pressOf(event), event.timeStamp);
    if (command === null) return;
    event.preventDefault();
    if (command !== "pending") page.perform(command);
  };
  // A click beside the cells gives the keys back to the active one.
  const click = (event: MouseEvent) => {
    if (event.target === list.current) page.go(page.notebook.indexOf(page.current.id));
  };

  return (
    <main ref={list} id="cells" class="cells" tabIndex={-1} aria-label="Notebook" onKeyDown={press} onClick={click}>
      <Banner />
      {cells.map((cell, index) => (
        <Fragment key={cell.id}>
          <Inserter index={index} />
          <CellView cell={cell} index={index} count={cells.length} />
        </Fragment>
      ))}
      <Inserter index={cells.length} last />
      <p id="editor-help" class="vh">
        Escape leaves the editor. Tab completes or indents; after Escape it moves on.
      </p>
    </main>
  );
}

function pressOf(event: KeyboardEvent): Press {
  return { key: event.key, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey };
}

function Inserter({ index, last = false }: { index: number; last?: boolean }): VNode {
  const page = usePage();
  return (
    <div class={`inserter${last ? " last" : ""}`}>
      <button class="button small" tabIndex={last ? 0 : -1} onClick={() => page.insert(index)}>
        <Icon name="plus" size={14} /> Code
      </button>
      <button class="button small" tabIndex={last ? 0 : -1} onClick={() => page.insert(index, "markdown")}>
        <Icon name="plus" size={14} /> Text
      </button>
    </div>
  );
}

/** What must be known before going on: an ended session, a conflict, a kernel that does not stop. */
function Banner(): VNode {
  const page = usePage();
  const { autosave } = page;
  const save = autosave.state.value;
  return (
    <div class="banners">
      {save.kind === "conflict" && (
        <div class="notice warning row" role="alert">
          <span class="grow">{save.message} Nothing of yours is overwritten or lost yet.</span>
          <button class="button" onClick={() => location.reload()}>
            Load theirs
          </button>
          <button class="button" onClick={() => void autosave.keepMine()}>
            Keep mine
          </button>
        </div>
      )}
      <SessionBanners />
    </div>
  );
}
