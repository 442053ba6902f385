// The headings of the notebook: where one is, a way there, and a run of what belongs to one.

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import { usePage } from "../components/context";
import { Icon } from "../components/Icon";
import { headingAt, headingsOf, type Heading } from "./headings";

export function OutlinePanel(): VNode {
  const page = usePage();
  const headings = useComputed(() => headingsOf(page.notebook.cells.value)).value;
  const current = useComputed(() => headingAt(headingsOf(page.notebook.cells.value), page.selection.index)).value;
  const top = Math.min(...headings.map((heading) => heading.level));
  return (
    <aside class="outline" aria-label="Outline">
      <div class="files-bar">
        <h2 class="grow">Outline</h2>
        <button class="button quiet icon" aria-label="Close outline" onClick={() => page.togglePanel("outline")}>
          <Icon name="close" size={16} />
        </button>
      </div>
      {headings.length ? (
        <nav aria-label="Headings">
          <ul>
            {headings.map((heading) => {
              const here = heading.cell === current?.cell && heading.nth === current.nth;
              return (
                <li key={`${heading.cell}-${heading.nth}`} class={here ? "here" : ""} style={{ paddingLeft: `${(heading.level - top) * 14}px` }}>
                  <button class="outline-heading" aria-current={here ? "location" : undefined} onClick={() => goTo(heading, page.go.bind(page))}>
                    {heading.text}
                  </button>
                  <button class="button quiet icon" aria-label={`Run the section ${heading.text}`} title="Run this section" disabled={page.readOnly.value} onClick={() => page.running.section(heading.index)}>
                    <Icon name="run" size={14} />
                  </button>
                </li>
              );
            })}
          </ul>
        </nav>
      ) : (
        <p class="muted pad">No headings yet. A Markdown cell whose line begins with # makes one: press M, then 1 on a cell.</p>
      )}
    </aside>
  );
}

function goTo(heading: Heading, go: (index: number) => void): void {
  go(heading.index);
  const cell = document.querySelector(`[data-cell="${CSS.escape(heading.cell)}"]`);
  const drawn = cell?.querySelectorAll(".rendered :is(h1, h2, h3, h4, h5, h6)")[heading.nth];
  (drawn ?? cell)?.scrollIntoView({ block: "start" });
}
