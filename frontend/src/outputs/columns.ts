// How many columns of a terminal a text takes: East Asian characters and emoji two, combining marks none.

/** Whether there may be anything that is not one column wide. */
export const WIDE = /[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0e7f\u1100-\u11ff\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u20d0-\u20ff\u231a-\u23ff\u25fd-\u27ff\u2b1b-\u2b55\u2e80-\ud7ff\ud800-\udfff\uf900-\ufaff\ufe00-\ufe6f\uff00-\uffe6]/;

const WIDE_RANGES = [
  0x1100, 0x115f, 0x231a, 0x231b, 0x2329, 0x232a, 0x23e9, 0x23ec, 0x23f0, 0x23f0, 0x23f3, 0x23f3, 0x25fd, 0x25fe, 0x2614, 0x2615, 0x2648, 0x2653, 0x267f, 0x267f, 0x2693, 0x2693,
  0x26a1, 0x26a1, 0x26aa, 0x26ab, 0x26bd, 0x26be, 0x26c4, 0x26c5, 0x26ce, 0x26ce, 0x26d4, 0x26d4, 0x26ea, 0x26ea, 0x26f2, 0x26f3, 0x26f5, 0x26f5, 0x26fa, 0x26fa, 0x26fd, 0x26fd,
  0x2705, 0x2705, 0x270a, 0x270b, 0x2728, 0x2728, 0x274c, 0x274c, 0x274e, 0x274e, 0x2753, 0x2755, 0x2757, 0x2757, 0x2795, 0x2797, 0x27b0, 0x27b0, 0x27bf, 0x27bf, 0x2b1b, 0x2b1c,
  0x2b50, 0x2b50, 0x2b55, 0x2b55, 0x2e80, 0x303e, 0x3041, 0x33ff, 0x3400, 0x4dbf, 0x4e00, 0xa4cf, 0xa960, 0xa97f, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe10, 0xfe19, 0xfe30, 0xfe6f,
  0xff00, 0xff60, 0xffe0, 0xffe6, 0x16fe0, 0x18cff, 0x1aff0, 0x1b2ff, 0x1f004, 0x1f004, 0x1f0cf, 0x1f0cf, 0x1f18e, 0x1f18e, 0x1f191, 0x1f19a, 0x1f200, 0x1f320, 0x1f32d, 0x1f335,
  0x1f337, 0x1f37c, 0x1f37e, 0x1f393, 0x1f3a0, 0x1f3ca, 0x1f3cf, 0x1f3d3, 0x1f3e0, 0x1f3f0, 0x1f3f4, 0x1f3f4, 0x1f3f8, 0x1f43e, 0x1f440, 0x1f440, 0x1f442, 0x1f4fc, 0x1f4ff, 0x1f53d,
  0x1f54b, 0x1f54e, 0x1f550, 0x1f567, 0x1f57a, 0x1f57a, 0x1f595, 0x1f596, 0x1f5a4, 0x1f5a4, 0x1f5fb, 0x1f64f, 0x1f680, 0x1f6c5, 0x1f6cc, 0x1f6cc, 0x1f6d0, 0x1f6d2, 0x1f6d5, 0x1f6d7,
  0x1f6dc, 0x1f6df, 0x1f6eb, 0x1f6ec, 0x1f6f4, 0x1f6fc, 0x1f7e0, 0x1f7eb, 0x1f7f0, 0x1f7f0, 0x1f90c, 0x1f93a, 0x1f93c, 0x1f945, 0x1f947, 0x1f9ff, 0x1fa70, 0x1faff, 0x20000, 0x3fffd,
] as const;
const ZERO = /^[\p{Mn}\p{Me}\u200b-\u200f\u1160-\u11ff\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}]$/u;
const JOINER = "\u200d";
const EMOJI_STYLE = "\ufe0f";

/** The columns of one grapheme, as terminals draw it: an emoji made of several is as wide as one. */
export function columnsOf(grapheme: string): number {
  const code = grapheme.codePointAt(0)!;
  if (code < 0x300) return grapheme.includes(EMOJI_STYLE) ? 2 : 1;
  if (ZERO.test(String.fromCodePoint(code))) return 0;
  return isWide(code) || grapheme.includes(EMOJI_STYLE) || (code >= 0x1f1e6 && code <= 0x1f1ff && grapheme.length > 2) ? 2 : 1;
}

function isWide(code: number): boolean {
  let [low, high] = [0, WIDE_RANGES.length / 2 - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (code < WIDE_RANGES[2 * middle]!) high = middle - 1;
    else if (code > WIDE_RANGES[2 * middle + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}

export interface Piece {
  text: string;
  columns: number;
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** A text in graphemes with their columns. What takes none belongs to the one before it. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  for (const { segment } of segmenter.segment(text)) {
    const columns = columnsOf(segment);
    const last = found.at(-1);
    if (last && (columns === 0 || last.text.endsWith(JOINER))) last.text += segment;
    else found.push({ text: segment, columns });
  }
  return found;
}

/** The columns of a text. */
export function width(text: string): number {
  if (!WIDE.test(text)) return text.length;
  let columns = 0;
  for (const piece of pieces(text)) columns += piece.columns;
  return columns;
}

/** The part of a text between two columns. A wide character that is cut in half leaves a space, as on a terminal. */
export function sliceColumns(text: string, from: number, to: number): string {
  if (!WIDE.test(text)) return text.slice(from, to);
  let [part, column] = ["", 0];
  for (const piece of pieces(text)) {
    const end = column + piece.columns;
    if (column >= from && end <= to) part += piece.text;
    else if (end > from && column < to) part += " ".repeat(Math.min(end, to) - Math.max(column, from));
    column = end;
  }
  return part;
}
