// Commands that run code, stop it, and clear what it printed.

import type { PageCommand } from "../commands";

export const RUN_COMMANDS: PageCommand[] = [
  { id: "run.next", title: "Run the selected cells and go to the next", group: "Run", keys: ["Shift Enter"], where: "notebook", edits: true, run: (page) => page.running.selectedAnd("next") },
  { id: "run.stay", title: "Run the selected cells", group: "Run", keys: ["Ctrl Enter"], where: "notebook", edits: true, run: (page) => page.running.selectedAnd("stay") },
  { id: "run.insert", title: "Run the selected cells and insert one below", group: "Run", keys: ["Alt Enter"], where: "notebook", edits: true, run: (page) => page.running.selectedAnd("insert") },
  { id: "run.all", title: "Run all cells", group: "Run", edits: true, run: (page) => page.running.all() },
  { id: "run.above", title: "Run all cells above", group: "Run", edits: true, available: (page) => page.selection.first > 0, run: (page) => page.running.above() },
  { id: "run.below", title: "Run the selected cell and all below", group: "Run", edits: true, run: (page) => page.running.below() },
  { id: "run.section", title: "Run this section (up to the next heading)", group: "Run", edits: true, run: (page) => page.running.section() },
  { id: "run.restart", title: "Restart the kernel and run all cells…", group: "Run", edits: true, run: (page) => void (page.dialog.value = "restartAndRun") },
  { id: "run.show", title: "Go to the running cell", group: "Run", available: (page) => page.busy.value, run: (page) => page.running.show() },
  { id: "run.cancel", title: "Take all waiting cells out of the queue", group: "Run", edits: true, available: (page) => page.pending.value.length > 1, run: (page) => page.running.cancelWaiting() },
  { id: "run.stopOnError", title: "Stop at the first error", group: "Run", edits: true, checked: (page) => page.running.stopsOnError, run: (page) => page.running.toggleStopOnError() },
  { id: "run.clear", title: "Clear the outputs of the selected cells", group: "Run", edits: true, run: (page) => page.running.clear(page.selection.cells.value) },
  { id: "run.clearAll", title: "Clear all outputs", group: "Run", edits: true, run: (page) => page.running.clear(page.notebook.cells.value) },
  { id: "session.interrupt", title: "Stop the running code", group: "Session", keys: ["I I"], edits: true, run: (page) => page.interrupt() },
  { id: "session.restart", title: "Restart the kernel…", group: "Session", keys: ["0 0"], edits: true, run: (page) => void (page.dialog.value = "restart") },
];
