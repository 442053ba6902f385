import type { PageCommand } from "../notebook/commands";

export const LIVE_COMMANDS: PageCommand[] = [
  { id: "notebook.share", title: "Share…", group: "Notebook", run: (page) => void (page.dialog.value = "share"), available: (page) => page.live.right.value === "own" },
  { id: "notebook.takeOver", title: "Take over the editing", group: "Notebook", run: (page) => page.live.take(true), available: (page) => page.live.mayEdit.value && page.live.readOnly.value },
];
