// The notebook's name, changed where it stands, and whether everything is saved.

import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import type { Page } from "../notebook/page";

export function Title({ page }: { page: Page }): VNode {
  const field = useRef<HTMLInputElement>(null);
  const title = page.title.value;
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape") field.current!.value = title;
    if (event.key === "Enter" || event.key === "Escape") field.current!.blur();
  };
  return (
    <div class="title">
      <input ref={field} aria-label="Name of the notebook" value={title} readOnly={page.readOnly.value} maxLength={200} size={Math.max(8, Math.min(40, title.length))} spellcheck={false} onKeyDown={keys} onBlur={() => void page.rename(field.current!.value)} />
      <SaveState page={page} />
    </div>
  );
}

const WORDS = { saved: "Saved", edited: "Edited", saving: "Saving…", conflict: "Not saved: changed elsewhere" };

function SaveState({ page }: { page: Page }): VNode {
  const state = page.autosave.state.value;
  const words = state.kind === "failed" ? "Not saved. Trying again" : WORDS[state.kind];
  const title = state.kind === "failed" || state.kind === "conflict" ? state.message : "Saved by itself as you type";
  return (
    <span class={`save-state ${state.kind}`} title={title}>
      {words}
    </span>
  );
}
