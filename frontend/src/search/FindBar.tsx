// The bar of find and replace, above the cells.

import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";

export function FindBar(): VNode {
  const page = usePage();
  const { find } = page;
  const field = useRef<HTMLInputElement>(null);
  const query = find.query.value;
  const words = find.words;
  const editable = !page.readOnly.value;

  // Before the next key: what is typed right after Ctrl F belongs into the field.
  useLayoutEffect(() => {
    field.current!.focus();
    field.current!.select();
  }, [find.asked.value]);
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.preventDefault();
      find.close();
    } else if (event.key === "Enter" && event.target === field.current) {
      event.preventDefault();
      find.step(event.shiftKey ? -1 : 1);
    }
  };

  return (
    <div class="find-bar" role="search" aria-label="Find and replace" onKeyDown={keys}>
      <div class="find-row">
        <input ref={field} type="text" aria-label="Find in all cells" placeholder="Find" value={query.text} spellcheck={false} onInput={(event) => find.change({ text: event.currentTarget.value })} />
        <button class="button quiet icon" aria-pressed={query.matchCase} aria-label="Match capital letters" title="Match capital letters" onClick={() => find.change({ matchCase: !query.matchCase })}>
          Aa
        </button>
        <button class="button quiet icon" aria-pressed={query.regex} aria-label="Regular expression" title="Regular expression" onClick={() => find.change({ regex: !query.regex })}>
          .*
        </button>
        <span class="find-count" role="status">{words}</span>
        <button class="button quiet icon" aria-label="Previous match" title="Previous match (Shift Enter)" onClick={() => find.step(-1)}>
          <Icon name="up" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Next match" title="Next match (Enter)" onClick={() => find.step(1)}>
          <Icon name="down" size={16} />
        </button>
        <button class="button quiet icon" aria-label="Close find" title="Close (Esc)" onClick={() => find.close()}>
          <Icon name="close" size={16} />
        </button>
      </div>
      {editable && (
        <div class="find-row">
          <input type="text" aria-label="Replace with" placeholder="Replace with" value={find.replacement.value} spellcheck={false} onInput={(event) => void (find.replacement.value = event.currentTarget.value)} />
          <button class="button small" onClick={() => find.replaceCurrent()}>
            Replace
          </button>
          <button class="button small" onClick={() => find.replaceAll()}>
            Replace all
          </button>
        </div>
      )}
    </div>
  );
}
