// Keys that a terminal does not pass on to its shell.

export type Chord = "leave" | "copy" | "paste" | "find" | "larger" | "smaller" | "usual";
type Press = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "shiftKey" | "altKey" | "metaKey">;

const WITH_SHIFT: Record<string, Chord> = { Backquote: "leave", KeyC: "copy", KeyV: "paste", KeyF: "find" };
const SIZES: Record<string, Chord> = { "+": "larger", "=": "larger", "-": "smaller", "0": "usual" };

/** What a press means to us; null where it is the shell's. Shift F6 is there on every keyboard, wherever its letters are. */
export function chordOf(press: Press): Chord | null {
  const { key, code, ctrlKey, shiftKey, altKey, metaKey } = press;
  if (altKey) return null;
  if (key === "F6") return shiftKey && !ctrlKey && !metaKey ? "leave" : null;
  if (key === "Insert") return ctrlKey && !shiftKey ? "copy" : shiftKey && !ctrlKey ? "paste" : null;
  if (!ctrlKey && !metaKey) return null;
  return (ctrlKey && shiftKey && WITH_SHIFT[code]) || SIZES[key] || null;
}
