// The cells in their order, and the keys, copies and pastes that are meant for them.

import { Fragment, type VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { LiveBanner } from "../live/Presence";
import { fillEvent } from "../notebook/clipboard";
import { pressKey } from "../notebook/commands";
import type { CellType } from "../notebook/document";
import { drag } from "../notebook/drag";
import type { Page } from "../notebook/page";
import { FindBar } from "../search/FindBar";
import { CellView } from "./CellView";
import { usePage } from "./context";
import { SaveBanner } from "../history/SaveBanner";
import { SessionBanners } from "../session/SessionBanners";
import { Icon } from "./Icon";

const EDITORS = ".cm-editor, .editor-still";
const OWN_KEYS = `${EDITORS}, input, textarea, select, dialog, .xterm, [contenteditable=true]`;
const OWN_ENTER = "button, a, summary, [tabindex='0']:not(.cell)";

export function Cells(): VNode {
  const page = usePage();
  const list = useRef<HTMLElement>(null);
  const cells = page.notebook.cells.value;
  useClipboardEvents(page);

  // Before the editor hears of them: what runs a cell or splits it is the page's.
  const pressInEditor = (event: KeyboardEvent) => {
    const target = event.target as Element;
    if (!event.isComposing && target.closest(EDITORS) && target.closest(".cell")) pressKey(event, page, ["notebook", "editor"]);
  };
  const press = (event: KeyboardEvent) => {
    const target = event.target as Element;
    if (event.defaultPrevented || event.isComposing || target.closest(OWN_KEYS) || !target.closest(".cell")) return;
    if (["Enter", " ", "ArrowUp", "ArrowDown"].includes(event.key) && !event.shiftKey && !event.ctrlKey && target.closest(OWN_ENTER)) return;
    pressKey(event, page, ["cell", "notebook"]);
  };
  // A click beside the cells gives the keys back to the active one.
  const click = (event: MouseEvent) => {
    if (event.target === list.current) page.go(page.selection.index);
  };

  return (
    <main ref={list} id="cells" class={`cells${drag.value ? " dropping" : ""}`} tabIndex={-1} aria-label="Notebook" onKeyDownCapture={pressInEditor} onKeyDown={press} onClick={click}>
      <div class="above-cells">
        <Banner />
        {page.find.shown.value && <FindBar />}
      </div>
      {cells.map((cell, index) => (
        <Fragment key={cell.id}>
          {!page.readOnly.value && <Inserter index={index} />}
          <CellView cell={cell} index={index} />
        </Fragment>
      ))}
      {!page.readOnly.value && (
        <div class="inserter last">
          <InsertButtons index={cells.length} />
        </div>
      )}
      {drag.value && <div class="drop-line" style={{ top: `${drag.value.top}px` }} />}
      <p id="editor-help" class="vh">
        Escape leaves the editor. Tab completes or indents; after Escape it moves on.
      </p>
    </main>
  );
}

/** The browser's own copy, cut and paste, while a cell and no text is meant. */
function useClipboardEvents(page: Page): void {
  useEffect(() => {
    const meant = () => {
      const at = document.activeElement;
      return at !== null && at.closest(".cell") !== null && !at.closest(OWN_KEYS) && page.mode.value === "command";
    };
    const take = (event: ClipboardEvent) => {
      if (!meant() || !(getSelection()?.isCollapsed ?? true)) return;
      const cells = page.selection.cells.value;
      fillEvent(event, cells);
      page.structure.copied(cells);
      if (event.type === "cut") page.structure.remove();
    };
    const paste = (event: ClipboardEvent) => {
      if (!meant() || !event.clipboardData) return;
      event.preventDefault();
      page.structure.pasteFrom(event.clipboardData);
    };
    document.addEventListener("copy", take);
    document.addEventListener("cut", take);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("copy", take);
      document.removeEventListener("cut", take);
      document.removeEventListener("paste", paste);
    };
  }, []);
}

/** Between two cells. Its buttons are made when somebody comes near: with hundreds of cells they would be most of the page. */
function Inserter({ index }: { index: number }): VNode | null {
  const [near, setNear] = useState(false);
  return (
    <div class="inserter" onPointerEnter={() => setNear(true)}>
      {near && <InsertButtons index={index} between />}
    </div>
  );
}

function InsertButtons({ index, between = false }: { index: number; between?: boolean }): VNode | null {
  const page = usePage();
  if (page.readOnly.value) return null;
  const kinds: [CellType, string][] = [["code", "Code"], ["markdown", "Text"]];
  return (
    <>
      {kinds.map(([type, label]) => (
        <button key={type} class="button small" tabIndex={between ? -1 : 0} onClick={() => page.insert(index, type)}>
          <Icon name="plus" size={14} /> {label}
        </button>
      ))}
    </>
  );
}

/** What must be known before going on: an ended session, a conflict, a kernel that does not stop. */
function Banner(): VNode {
  return (
    <div class="banners">
      <LiveBanner />
      <SaveBanner />
      <SessionBanners />
    </div>
  );
}
