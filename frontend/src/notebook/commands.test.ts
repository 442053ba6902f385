import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
const { COMMANDS, GROUPS, isAvailable } = await import("./commands");
const { stepsOf } = await import("./keys");

describe("the list of commands", () => {
  it("names each once, in a group that there is", () => {
    expect(new Set(COMMANDS.map((command) => command.id)).size).toBe(COMMANDS.length);
    for (const command of COMMANDS) expect(GROUPS, command.id).toContain(command.group);
    expect(new Set(COMMANDS.map((command) => command.title)).size).toBe(COMMANDS.length);
  });

  it("gives no key to two commands in the same place", () => {
    const reach = { cell: ["cell"], notebook: ["cell", "editor"], editor: ["editor"], page: ["cell", "editor"] };
    const taken = new Map<string, string>();
    for (const command of COMMANDS) {
      for (const keys of command.keys ?? []) {
        for (const place of reach[command.where ?? "cell"]) {
          const name = `${place}: ${stepsOf(keys).join(" ")}`;
          expect(taken.get(name), `${command.id} and ${taken.get(name)} on ${name}`).toBeUndefined();
          taken.set(name, command.id);
        }
      }
    }
  });

  it("has JupyterLab's keys", () => {
    const keys = Object.fromEntries(COMMANDS.flatMap((command) => (command.keys ?? []).map((each) => [each, command.id])));
    expect(keys).toMatchObject({
      A: "cell.insertAbove", B: "cell.insertBelow", X: "edit.cut", C: "edit.copy", V: "edit.paste", "D D": "edit.delete", Z: "edit.undo", "Shift Z": "edit.redo",
      Y: "cell.toCode", M: "cell.toMarkdown", R: "cell.toRaw", 1: "cell.heading1", 6: "cell.heading6", "Shift M": "cell.merge", "Ctrl Shift -": "cell.split",
      "Shift J": "edit.extendDown", "Shift K": "edit.extendUp", "Shift Enter": "run.next", "Ctrl Enter": "run.stay", "Alt Enter": "run.insert",
      "Ctrl Shift ↑": "cell.moveUp", "Ctrl Shift ↓": "cell.moveDown", "Ctrl A": "edit.selectAll", "I I": "session.interrupt", "0 0": "session.restart", "Ctrl S": "notebook.save",
    });
  });

  it("leaves to those who only look nothing that changes the notebook", () => {
    const page = { readOnly: { value: true } } as never;
    const edits = COMMANDS.filter((command) => command.edits);
    expect(edits.length).toBeGreaterThan(40);
    for (const command of edits) expect(isAvailable(command, page), command.id).toBe(false);
    for (const id of ["edit.paste", "edit.undo", "cell.split", "run.all", "run.clearAll", "view.output"]) expect(edits.map((command) => command.id)).toContain(id);
  });
});
