// What the palette offers of versions, copies and files.

import type { PageCommand } from "../notebook/commands";
import { leaveAs } from "./ExportMenu";

export const HISTORY_COMMANDS: PageCommand[] = [
  { id: "notebook.copy", title: "Make a copy of this notebook", group: "Notebook", run: (page) => void page.history.copyAll() },
  { id: "notebook.export.ipynb", title: "Export as notebook file (.ipynb)", group: "Notebook", run: (page) => void leaveAs(page, "ipynb") },
  { id: "notebook.export.html", title: "Export as web page (.html)", group: "Notebook", run: (page) => void leaveAs(page, "html") },
  { id: "notebook.export.script", title: "Export as program", group: "Notebook", run: (page) => void leaveAs(page, "script") },
];
