// Keys that an on-screen keyboard lacks, pressed as if by hand in whatever has the focus: an editor or a terminal.

export interface TouchKey {
  /** As on the button. */
  label: string;
  /** As it is read out. */
  name: string;
  key: string;
  /** The number that terminals go by. */
  number: number;
  control?: boolean;
}

export const PLAIN: TouchKey[] = [
  { label: "Esc", name: "Escape", key: "Escape", number: 27 },
  { label: "Tab", name: "Tab", key: "Tab", number: 9 },
  { label: "←", name: "Left", key: "ArrowLeft", number: 37 },
  { label: "↑", name: "Up", key: "ArrowUp", number: 38 },
  { label: "↓", name: "Down", key: "ArrowDown", number: 40 },
  { label: "→", name: "Right", key: "ArrowRight", number: 39 },
];

function control(letter: string): TouchKey {
  return { label: letter.toUpperCase(), name: `Control ${letter.toUpperCase()}`, key: letter, number: letter.toUpperCase().charCodeAt(0), control: true };
}

// Letters of their own, because a phone's keyboard composes words and does not say which letter was pressed.
export const IN_TERMINAL: TouchKey[] = ["c", "d", "z", "l", "r", "a", "e", "u"].map(control);
export const IN_EDITOR: TouchKey[] = [...["z", "y", "a", "d"].map(control), { label: "/", name: "Control slash", key: "/", number: 191, control: true }];

export type Place = "editor" | "terminal";

/** Where the keys would go, or null: elsewhere nobody misses them. */
export function placeOf(element: Element | null): Place | null {
  if (element?.closest(".cm-editor")) return "editor";
  return element?.closest(".xterm") ? "terminal" : null;
}

export function press(at: EventTarget, { key, number, control = false }: TouchKey): void {
  at.dispatchEvent(new KeyboardEvent("keydown", { key, keyCode: number, ctrlKey: control, bubbles: true, cancelable: true }));
}
