// The headings of Markdown cells, and which cells belong to one.

import type { Cell } from "../notebook/document";

export interface Heading {
  cell: string;
  /** The cell's place in the notebook. */
  index: number;
  /** Which heading of its cell it is, from 0. */
  nth: number;
  level: number;
  text: string;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HASHES = /^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;

/** Level and text of each heading, as CommonMark finds them at the top level of a text. */
export function headingsIn(source: string): { level: number; text: string }[] {
  const found: { level: number; text: string }[] = [];
  let fence = "";
  let before = "";
  for (const line of source.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (fence) {
      if (mark?.startsWith(fence) && !line.trim().slice(mark.length)) fence = "";
      before = "";
      continue;
    }
    const hashes = HASHES.exec(line);
    const underline = UNDERLINE.exec(line);
    if (mark) fence = mark;
    else if (hashes) found.push({ level: hashes[1]!.length, text: plain(hashes[2]!) });
    else if (underline && before) found.push({ level: underline[1]!.startsWith("=") ? 1 : 2, text: plain(before) });
    // Only a paragraph can be underlined.
    before = mark || hashes || underline || /^\s*([-*+>]|\d+[.)])\s|^\s*$|^ {4}/.test(line) ? "" : line.trim();
  }
  return found.filter((heading) => heading.text);
}

/** Without the signs of emphasis, links and code. */
function plain(text: string): string {
  return text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/<[^>]+>/g, "")
    .replace(/(\*\*|__|\*|`|~~)(.+?)\1/g, "$2")
    .trim();
}

export function headingsOf(cells: readonly Cell[]): Heading[] {
  return cells.flatMap((cell, index) => (cell.type.value === "markdown" ? headingsIn(cell.source.value).map((heading, nth) => ({ cell: cell.id, index, nth, ...heading })) : []));
}

/** The heading that a cell stands under: the last one up to it. */
export function headingAt(headings: readonly Heading[], index: number): Heading | undefined {
  return headings.findLast((heading) => heading.index <= index);
}

/** The cells from the heading that a cell stands under to the next of the same rank or a higher one: [from, to). */
export function sectionAround(cells: readonly Cell[], index: number): [number, number] {
  const headings = headingsOf(cells);
  const heading = headingAt(headings, index);
  if (!heading) return [0, headings[0]?.index ?? cells.length];
  const next = headings.find((each) => each.index > heading.index && each.level <= heading.level);
  return [heading.index, next?.index ?? cells.length];
}
