// Everything that can be done on the page, by name: what the command palette lists, and what menus and keys call.
//
// A part of the page adds its own commands where it lives, as a list like those here, and is named at the end.

import { CELL_COMMANDS } from "./commands/cells";
import { RUN_COMMANDS } from "./commands/running";
import { VIEW_COMMANDS } from "./commands/view";
import { pressOf, type Where } from "./keys";
import { HISTORY_COMMANDS } from "../history/commands";
import { LANGUAGES } from "../languages/LanguageDialog";
import { LIVE_COMMANDS } from "../live/commands";
import { SESSION_COMMANDS } from "../session/commands";
import { TERMINAL_COMMANDS } from "../terminal/commands";
import type { Page } from "./page";

export const GROUPS = ["Notebook", "Edit", "Cell", "Run", "View", "Session", "Files", "Terminal"] as const;

export interface PageCommand {
  /** Unique, as "cell.split". */
  id: string;
  title: string;
  group: (typeof GROUPS)[number];
  /** As people read them, as "Ctrl Shift -"; two in a row as "D D". Ctrl is also ⌘. */
  keys?: string[];
  /** Where its keys count; "cell" if nothing is said. */
  where?: Where;
  /** Changes the notebook or runs code: not for those who only look. */
  edits?: boolean;
  /** Pressed rather than looked for: left out of the menu. */
  unlisted?: boolean;
  run(page: Page): void;
  available?(page: Page): boolean;
  /** Of one that turns something on and off: whether it is on. */
  checked?(page: Page): boolean;
}

export const COMMANDS: PageCommand[] = [...VIEW_COMMANDS, ...CELL_COMMANDS, ...RUN_COMMANDS, ...HISTORY_COMMANDS, ...LIVE_COMMANDS, ...SESSION_COMMANDS, ...TERMINAL_COMMANDS, ...LANGUAGES];

export function isAvailable(command: PageCommand, page: Page): boolean {
  return !(command.edits && page.readOnly.value) && (command.available?.(page) ?? true);
}

export function perform(id: string, page: Page): void {
  const command = COMMANDS.find((each) => each.id === id);
  if (command?.edits && page.readOnly.value) page.refuseEdit();
  else if (command && isAvailable(command, page)) command.run(page);
}

/** Answer a key; whether it meant anything here. */
export function pressKey(event: KeyboardEvent, page: Page, where: readonly Where[]): boolean {
  const id = page.keys.press(pressOf(event), event.timeStamp, where, COMMANDS);
  if (id === null) return false;
  event.preventDefault();
  event.stopPropagation();
  if (id !== "pending") perform(id, page);
  return true;
}
