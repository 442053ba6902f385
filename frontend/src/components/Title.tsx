// The notebook's name, changed where it stands, and whether everything is saved.

import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { ExportMenu } from "../history/ExportMenu";
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
      <input ref={field} aria-label="Name of the notebook" value={title} maxLength={200} readOnly={!page.live.mayEdit.value} size={Math.max(8, Math.min(40, title.length))} spellcheck={false} onKeyDown={keys} onBlur={() => void page.rename(field.current!.value)} />
      <SaveState page={page} />
      <ExportMenu page={page} />
    </div>
  );
}

const WORDS = { saved: "Saved", edited: "Edited", saving: "Saving…", conflict: "Not saved: changed elsewhere", deleted: "Not saved: deleted" };

function SaveState({ page }: { page: Page }): VNode {
  const state = page.autosave.state.value;
  const words = state.kind !== "failed" ? WORDS[state.kind] : page.autosave.hopeless ? "Not saved" : "Not saved. Trying again";
  const title = "message" in state ? state.message : "Saved by itself as you type";
  return (
    <span class={`save-state ${state.kind}`} title={title}>
      {words}
    </span>
  );
}
