// Keys of command mode: which key, or which two in a row, means which command. JupyterLab's, so that hands know them.

export type Command =
  | "insertAbove" | "insertBelow" | "cut" | "copy" | "paste" | "pasteAbove" | "delete" | "undo" | "redo"
  | "toMarkdown" | "toCode" | "toRaw" | "edit" | "previous" | "next" | "first" | "last" | "moveUp" | "moveDown"
  | "run" | "runAndNext" | "runAndInsert" | "interrupt" | "restart" | "mergeBelow" | "toggleOutput" | "help" | "save" | "focusTerminal";

export interface Press {
  key: string;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
}

const SINGLE: Record<string, Command> = {
  a: "insertAbove", b: "insertBelow", x: "cut", c: "copy", v: "paste", "shift+v": "pasteAbove", z: "undo", "shift+z": "redo",
  m: "toMarkdown", y: "toCode", r: "toRaw", o: "toggleOutput", enter: "edit", "shift+m": "mergeBelow",
  arrowup: "previous", k: "previous", arrowdown: "next", j: "next", home: "first", end: "last",
  "ctrl+shift+arrowup": "moveUp", "ctrl+shift+arrowdown": "moveDown", "alt+arrowup": "moveUp", "alt+arrowdown": "moveDown",
  "shift+enter": "runAndNext", "ctrl+enter": "run", "alt+enter": "runAndInsert", "ctrl+s": "save",
  "?": "help", h: "help", "ctrl+shift+`": "focusTerminal", "ctrl+shift+~": "focusTerminal",
};
const DOUBLE: Record<string, Command> = { d: "delete", i: "interrupt", "0": "restart" };
const TOGETHER_WITHIN = 900;

function nameOf(press: Press): string {
  const key = press.key.toLowerCase();
  // The layout decides how "?" is typed: Shift is part of the character there, not a modifier of ours.
  const shift = press.shift && (key.length > 1 || /[a-z`~]/.test(key));
  return `${press.ctrl ? "ctrl+" : ""}${press.alt ? "alt+" : ""}${shift ? "shift+" : ""}${key}`;
}

/** Feeds on key presses in command mode; answers with a command, "pending" for the first of two, or null. */
export class CommandKeys {
  private first = "";
  private at = -Infinity;

  press(press: Press, now: number): Command | "pending" | null {
    const name = nameOf(press);
    const second = name === this.first && now - this.at < TOGETHER_WITHIN;
    this.first = "";
    const double = DOUBLE[name];
    if (double) {
      if (second) return double;
      this.first = name;
      this.at = now;
      return "pending";
    }
    return SINGLE[name] ?? null;
  }
}

/** What the help dialog lists. */
export const SHORTCUTS: { title: string; keys: [string, string][] }[] = [
  {
    title: "Anywhere in the notebook",
    keys: [
      ["Shift Enter", "Run the cell and go to the next"],
      ["Ctrl Enter", "Run the cell and stay"],
      ["Alt Enter", "Run the cell and insert one below"],
      ["Ctrl S", "Save now"],
      ["Ctrl Shift `", "Go to the terminal, or leave it"],
    ],
  },
  {
    title: "On a cell (command mode: press Esc)",
    keys: [
      ["Enter", "Edit the cell"],
      ["↑ ↓ or K J", "Go to the cell above or below"],
      ["A B", "Insert a cell above, below"],
      ["X C V", "Cut, copy, paste below (Shift V: above)"],
      ["D D", "Delete the cell"],
      ["Z, Shift Z", "Undo, redo changes of cells"],
      ["M Y R", "Make it Markdown, code, raw"],
      ["Alt ↑ ↓", "Move the cell up or down"],
      ["Shift M", "Merge with the cell below"],
      ["O", "Hide or show its output"],
      ["I I", "Interrupt"],
      ["0 0", "Restart (asks first)"],
      ["? or H", "This list"],
    ],
  },
  {
    title: "In an editor (press Enter)",
    keys: [
      ["Esc", "Leave the editor, to command mode; then Tab moves on"],
      ["Tab", "Complete, or indent"],
      ["Shift Tab", "What is this? (after a name); at the start of a line: less indent"],
      ["Ctrl /", "Comment lines in or out"],
      ["Ctrl Shift −", "Split the cell here"],
      ["Ctrl Z, Ctrl Shift Z", "Undo, redo typing"],
      ["Ctrl M", "Let Tab move the focus instead (Mac: Shift Alt M)"],
    ],
  },
];
