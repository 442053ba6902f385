// A frozen copy of a notebook, as a share link shows it: cells and outputs, and nothing that runs or changes anything.

import "./chrome";
import { render } from "preact";
import { PageProvider } from "./components/context";
import { CellView } from "./components/CellView";
import { Page, type Addresses } from "./notebook/page";
import type { NotebookDocument } from "./notebook/document";

const holder = document.getElementById("shared")!;
const given = <T,>(id: string): T => JSON.parse(document.getElementById(id)!.textContent!) as T;
const { title, language } = given<{ title: string; language: string }>("settings");
const page = new Page(
  { id: "", user: 0, title, pool: "", language, identifier: "", right: "view", frozen: true },
  { ...holder.dataset } as unknown as Addresses,
  { title, version: 0, document: given<NotebookDocument>("document"), executions: [], session: null },
);

holder.replaceChildren();
render(
  <PageProvider value={page}>
    <main id="cells" class="cells" tabIndex={-1} aria-label="Notebook">
      {page.notebook.cells.value.map((cell, index) => (
        <CellView key={cell.id} cell={cell} index={index} />
      ))}
    </main>
  </PageProvider>,
  holder,
);
