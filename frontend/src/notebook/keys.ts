// Which keys mean which command. JupyterLab's, so that hands know them; one's own choices are kept by the browser.

import { signal } from "@preact/signals";

/** Where keys count: on a cell (command mode), in its editor too, in its editor only, or everywhere on the page. */
export type Where = "cell" | "notebook" | "editor" | "page";

export interface Press {
  key: string;
  code?: string;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
}

export interface Bound {
  id: string;
  keys?: readonly string[];
  where?: Where;
}

const TOGETHER_WITHIN = 900;
const NAMES: Record<string, string> = { "↑": "arrowup", "↓": "arrowdown", "←": "arrowleft", "→": "arrowright", esc: "escape", space: " " };
const SHOWN: Record<string, string> = { ...Object.fromEntries(Object.entries(NAMES).map(([shown, name]) => [name, shown[0]!.toUpperCase() + shown.slice(1)])) };
const MODIFIERS = ["ctrl", "alt", "shift"];
// What Shift makes of a key of an American keyboard, where a shortcut names the key and not the sign.
const UNSHIFTED: Record<string, string> = { _: "-", "~": "`", "+": "=" };

/** "Ctrl Shift -" as one step, "D D" as two. */
export function stepsOf(keys: string): string[] {
  const steps: string[] = [];
  let modifiers: string[] = [];
  for (const token of keys.split(" ").map((each) => each.toLowerCase())) {
    if (MODIFIERS.includes(token)) modifiers.push(token);
    else {
      steps.push([...MODIFIERS.filter((each) => modifiers.includes(each)), NAMES[token] ?? token].join("+"));
      modifiers = [];
    }
  }
  return steps;
}

export function stepOf(press: Press): string {
  let key = press.key.toLowerCase();
  // On a keyboard of another script the letters are where they are on a Latin one.
  const letter = /^Key([A-Z])$/.exec(press.code ?? "")?.[1];
  if (letter && key.length === 1 && key > "\x7f") key = letter.toLowerCase();
  if (press.ctrl && press.shift) key = UNSHIFTED[key] ?? key;
  // The layout decides how "?" is typed: Shift is part of the character there, not a modifier of ours.
  const shift = press.shift && (key.length > 1 || key === " " || /[a-z]/.test(key) || (press.ctrl && /[-`=]/.test(key)));
  return `${press.ctrl ? "ctrl+" : ""}${press.alt ? "alt+" : ""}${shift ? "shift+" : ""}${key}`;
}

/** A step as people read it. */
export function shownStep(step: string): string {
  const key = step.replace(/^(ctrl\+|alt\+|shift\+)+/, "");
  const modifiers = MODIFIERS.filter((each) => step.slice(0, step.length - key.length).includes(`${each}+`)).map((each) => each[0]!.toUpperCase() + each.slice(1));
  return [...modifiers, SHOWN[key] ?? (key.length > 1 ? key[0]!.toUpperCase() + key.slice(1) : key.toUpperCase())].join(" ");
}

/** A single character without Ctrl or Alt: speech input and trembling hands press these by accident. */
function isCharacter(step: string): boolean {
  const key = step.replace(/^shift\+/, "");
  return key.length === 1 && key !== " ";
}

export function pressOf(event: KeyboardEvent): Press {
  return { key: event.key, code: event.code, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey };
}

const KEPT = "thermae-keys";

interface Choices {
  /** Single characters are commands. */
  characters: boolean;
  /** Keys that were chosen in place of a command's own. */
  own: Record<string, string[]>;
}

export class KeyMap {
  readonly choices = signal<Choices>({ characters: true, own: {} });
  private first = "";
  private at = -Infinity;

  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem"> = localStorage) {
    try {
      const kept = JSON.parse(storage.getItem(KEPT) ?? "{}") as Partial<Choices>;
      const own = Object.entries(kept.own ?? {}).filter(([, keys]) => Array.isArray(keys) && keys.every((each) => typeof each === "string"));
      this.choices.value = { characters: kept.characters !== false, own: Object.fromEntries(own) };
    } catch {
      // Not ours, or forbidden: the keys are as they come.
    }
  }

  keysOf(command: Bound): readonly string[] {
    return this.choices.value.own[command.id] ?? command.keys ?? [];
  }

  /** Feeds on key presses; answers with a command's id, "pending" for the first of two, or null. */
  press(press: Press, now: number, where: readonly Where[], commands: readonly Bound[]): string | null {
    const step = stepOf(press);
    if (MODIFIERS.includes(step.split("+").at(-1)!) || ["control", "meta"].includes(press.key.toLowerCase())) return null;
    // In a field a character is a character.
    if (isCharacter(step) && !(this.choices.value.characters && where.includes("cell"))) return null;
    const before = now - this.at < TOGETHER_WITHIN ? this.first : "";
    this.first = "";
    let began = false;
    for (const command of commands) {
      if (!where.includes(command.where ?? "cell")) continue;
      for (const keys of this.keysOf(command)) {
        const [one, two] = stepsOf(keys);
        if (two === undefined ? one === step : one === before && two === step) return command.id;
        if (two !== undefined && one === step) began = true;
      }
    }
    if (!began) return null;
    this.first = step;
    this.at = now;
    return "pending";
  }

  useCharacters(on: boolean): void {
    this.keep({ ...this.choices.value, characters: on });
  }

  /** Give a command one key; whatever had it there loses it. `null`: its own again. */
  assign(command: Bound, keys: string | null, commands: readonly Bound[]): void {
    const own = { ...this.choices.value.own };
    if (keys === null) delete own[command.id];
    else {
      for (const other of commands) {
        const had = this.keysOf(other);
        if (other.id !== command.id && had.includes(keys)) own[other.id] = had.filter((each) => each !== keys);
      }
      own[command.id] = [keys];
    }
    this.keep({ ...this.choices.value, own });
  }

  reset(): void {
    this.keep({ characters: true, own: {} });
  }

  private keep(choices: Choices): void {
    this.choices.value = choices;
    try {
      this.storage.setItem(KEPT, JSON.stringify(choices));
    } catch {
      // Forbidden: they hold until the page is left.
    }
  }
}

/** Keys of the editor itself, which are no commands of the page. */
export const EDITOR_KEYS: [string, string][] = [
  ["Esc", "Leave the editor, to command mode; then Tab moves on"],
  ["Tab", "Complete, or indent"],
  ["Shift Tab", "What is this? (after a name); at the start of a line: less indent"],
  ["Ctrl /", "Comment lines in or out"],
  ["Ctrl Z", "Undo typing"],
  ["Ctrl Shift Z", "Do typing again"],
  ["Ctrl M", "Let Tab move the focus instead (Mac: Shift Alt M)"],
];
