// Everything that can be done on the page, by name: what the command palette lists, and what menus and keys call.
//
// A part of the page adds its own commands where it lives, as a list like this one, and is named at the end.

import { toggleLineNumbers } from "../editor/preferences";
import { LANGUAGES } from "../languages/LanguageDialog";
import { VARIABLES } from "../variables/commands";
import type { Page } from "./page";

export interface PageCommand {
  /** Unique, as "cell.split". */
  id: string;
  title: string;
  group: "Run" | "Cell" | "Edit" | "View" | "Notebook" | "Session" | "Files" | "Terminal";
  /** As people read them, as "Ctrl Shift -"; two in a row as "D D". */
  keys?: string[];
  run(page: Page): void;
  available?(page: Page): boolean;
}

const PAGE: PageCommand[] = [
  { id: "view.files", title: "Show or hide files", group: "View", run: (page) => page.togglePanel("files") },
  { id: "view.lineNumbers", title: "Show or hide line numbers", group: "View", run: () => toggleLineNumbers() },
];

export const COMMANDS: PageCommand[] = [...PAGE, ...VARIABLES, ...LANGUAGES];
