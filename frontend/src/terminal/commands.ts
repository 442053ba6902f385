// What the palette lists of terminals.

import type { PageCommand } from "../notebook/commands";

export const TERMINAL_COMMANDS: PageCommand[] = [
  { id: "terminal.toggle", title: "Show or hide the terminal", group: "Terminal", run: (page) => page.toggleTerminal() },
];
