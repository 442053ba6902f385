// The same sixteen colours as in outputs.

import type { ITheme } from "@xterm/xterm";

const LIGHT: ITheme = {
  background: "#f7f9f9", foreground: "#1c2528", cursor: "#0b7285", cursorAccent: "#ffffff", selectionBackground: "#b9dfe6",
  black: "#1c2528", red: "#b3261e", green: "#1a6b34", yellow: "#7d5700", blue: "#1f5fbf", magenta: "#8a3ab9", cyan: "#0b6e80", white: "#5c6a6f",
  brightBlack: "#5c6a6f", brightRed: "#c8372d", brightGreen: "#1f7a3d", brightYellow: "#8a6100", brightBlue: "#2a6fd6", brightMagenta: "#9c4bcb", brightCyan: "#0c7a8d", brightWhite: "#1c2528",
};
const DARK: ITheme = {
  background: "#11171a", foreground: "#dfe7e9", cursor: "#5ccbdc", cursorAccent: "#11171a", selectionBackground: "#1d4f5a",
  black: "#8b9a9f", red: "#ff8a80", green: "#7fd492", yellow: "#e8c268", blue: "#86b6ff", magenta: "#d8a1f5", cyan: "#6fd3e2", white: "#dfe7e9",
  brightBlack: "#9aa9ae", brightRed: "#ffa79f", brightGreen: "#9be3aa", brightYellow: "#f3d58d", brightBlue: "#a8ccff", brightMagenta: "#e6bdfb", brightCyan: "#94e3ee", brightWhite: "#ffffff",
};

export function colours(dark: boolean): ITheme {
  return dark ? DARK : LIGHT;
}
