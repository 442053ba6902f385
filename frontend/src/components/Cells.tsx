// The cells in their order, and the keys of command mode.

import { Fragment, type VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { CommandKeys, type Press } from "../notebook/keys";
import { LiveBanner } from "../live/Presence";
import { CellView } from "./CellView";
import { usePage } from "./context";
import { describe } from "../session/words";
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
          {!page.readOnly.value && <Inserter index={index} />}
          <CellView cell={cell} index={index} count={cells.length} />
        </Fragment>
      ))}
      {!page.readOnly.value && <Inserter index={cells.length} last />}
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
  const { session, autosave } = page;
  const view = session.view.value;
  const save = autosave.state.value;
  return (
    <div class="banners" aria-live="polite">
      <LiveBanner />
      {save.kind === "conflict" && (
        <div class="notice warning row" role="alert">
          <span class="grow">{save.message} Nothing of yours is overwritten or lost yet.</span>
          <button class="button" onClick={() => location.reload()}>
            Load theirs
          </button>
          <button class="button" onClick={() => void page.live.keepAsCopy()}>
            Keep mine as a copy
          </button>
          {!page.readOnly.value && (
            <button class="button" onClick={() => void autosave.keepMine()}>
              Keep mine
            </button>
          )}
        </div>
      )}
      {view.state === "gone" && <Ended />}
      {view.state === "refused" && (
        <div class="notice warning row">
          <span class="grow">
            <strong>No sandbox yet.</strong> {view.message} {page.busy.value ? "Trying again…" : "You can go on writing."}
          </span>
          <button class="button" onClick={() => void session.open()}>
            Try again
          </button>
        </div>
      )}
      {view.kernel?.state === "dead" && session.live && <Dead />}
      {session.interruptIgnored.value && page.busy.value && (
        <div class="notice warning row" role="alert">
          <span class="grow">The code does not react to being stopped. A restart ends it; variables are lost.</span>
          <button class="button" onClick={() => void page.restart(false)}>
            Restart now
          </button>
        </div>
      )}
    </div>
  );
}

function Ended(): VNode {
  const page = usePage();
  const { session } = page;
  return (
    <div class="notice row">
      <span class="grow">
        <strong>The session has ended.</strong> <EndedWhy /> Variables and files of its sandbox are gone; the notebook and its outputs are here.
      </span>
      {page.live.mayEdit.value && (
        <button class="button" onClick={() => void session.open()}>
          New session
        </button>
      )}
    </div>
  );
}

function EndedWhy(): VNode {
  const { session } = usePage();
  return <>{describe(session.view.value).detail}</>;
}

function Dead(): VNode {
  const page = usePage();
  const { detail } = describe(page.session.view.value);
  const last = page.session.view.value.kernel?.detail;
  return (
    <div class="notice error" role="alert">
      <div class="row">
        <span class="grow">
          <strong>The kernel died.</strong> {detail}
        </span>
        <button class="button" onClick={() => void page.restart(false)}>
          Restart
        </button>
      </div>
      {last && (
        <details>
          <summary>Its last words</summary>
          <pre class="stream">{last}</pre>
        </details>
      )}
    </div>
  );
}
