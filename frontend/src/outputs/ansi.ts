// SGR: the part of a terminal's language that sets colours and weight.

/** A palette index 0–255, or "#rrggbb". */
export type Colour = number | string;

export interface Style {
  readonly fg?: Colour;
  readonly bg?: Colour;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
  readonly strike?: boolean;
  readonly inverse?: boolean;
  /** Where it leads, by OSC 8. */
  readonly link?: string;
}

export const PLAIN: Style = Object.freeze({});

/** The style after an SGR sequence with these parameters, such as "1;31" or "38;5;208". */
export function applySgr(style: Style, parameters: string): Style {
  const codes = parameters === "" ? [0] : parameters.split(/[;:]/).map((part) => (part === "" ? 0 : Number(part)));
  let next: { -readonly [K in keyof Style]: Style[K] } = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code === 0) next = next.link ? { link: next.link } : {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 21 || code === 22) delete next.bold, delete next.dim;
    else if (code === 23) delete next.italic;
    else if (code === 24) delete next.underline;
    else if (code === 27) delete next.inverse;
    else if (code === 29) delete next.strike;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 90 && code <= 97) next.fg = code - 90 + 8;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 100 && code <= 107) next.bg = code - 100 + 8;
    else if (code === 39) delete next.fg;
    else if (code === 49) delete next.bg;
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, i + 1);
      if (colour !== undefined) next[code === 38 ? "fg" : "bg"] = colour;
      i += used;
    }
  }
  return intern(next);
}

/** The style with a link, or without one for an empty address. */
export function linked(style: Style, address: string): Style {
  const { link: _, ...rest } = style;
  return intern(address ? { ...rest, link: address } : rest);
}

function extended(codes: number[], at: number): { colour?: Colour; used: number } {
  if (codes[at] === 5) {
    const index = codes[at + 1] ?? 0;
    return { colour: index >= 0 && index < 256 ? index : 0, used: 2 };
  }
  if (codes[at] === 2) {
    const rgb = codes.slice(at + 1, at + 4).map((part) => Math.min(255, Math.max(0, part | 0)));
    return { colour: `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`, used: 4 };
  }
  return { used: 0 };
}

// Equal styles are one object, so that runs are compared and joined by identity.
const interned = new Map<string, Style>();

function intern(style: Style): Style {
  const key = JSON.stringify(Object.entries(style).sort());
  if (key === "[]") return PLAIN;
  let known = interned.get(key);
  if (!known) {
    // 24-bit rainbows would grow this for ever; forgetting only costs a join of two runs.
    if (interned.size > 5000) interned.clear();
    interned.set(key, (known = Object.freeze({ ...style })));
  }
  return known;
}

/** Class names for the 16 colours of the theme, and inline colours for the rest. */
export function presentation(style: Style): { className: string; style: { color?: string; backgroundColor?: string } } {
  const [fg, bg] = style.inverse ? [style.bg ?? "bg", style.fg ?? "fg"] : [style.fg, style.bg];
  const classes: string[] = [];
  const inline: { color?: string; backgroundColor?: string } = {};
  if (fg === "bg") classes.push("ansi-fg-inverse");
  else if (typeof fg === "number" && fg < 16) classes.push(`ansi-fg-${fg}`);
  // Any colour may come, on a light page or a dark one: some of the text's own colour keeps it readable.
  else if (fg !== undefined) inline.color = `color-mix(in oklab, ${css(fg)} 72%, var(--text))`;
  if (bg === "fg") classes.push("ansi-bg-inverse");
  else if (typeof bg === "number" && bg < 16) classes.push(`ansi-bg-${bg}`);
  else if (bg !== undefined) inline.backgroundColor = css(bg);
  for (const name of ["bold", "dim", "italic", "underline", "strike"] as const) if (style[name]) classes.push(`ansi-${name}`);
  return { className: classes.join(" "), style: inline };
}

function css(colour: Colour): string {
  if (typeof colour === "string") return colour;
  if (colour >= 232) {
    const grey = 8 + (colour - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const steps = [0, 95, 135, 175, 215, 255];
  const index = colour - 16;
  return `rgb(${steps[Math.floor(index / 36)]} ${steps[Math.floor(index / 6) % 6]} ${steps[index % 6]})`;
}
