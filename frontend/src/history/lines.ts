// Two texts, compared line by line, and within lines that were changed. Loaded when a comparison is opened.

import { diff, presentableDiff } from "@codemirror/merge";

export interface Line {
  sign: " " | "+" | "-";
  /** The line in pieces; those that are marked differ within a line that both have. */
  pieces: { text: string; marked: boolean }[];
}

// More different lines than there are letters to stand for them.
const MOST_LINES = 50_000;
// Longer lines are not compared within: somebody's data, not somebody's words.
const LONGEST = 2000;

export function compareLines(before: string, after: string): Line[] {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  if (old.length + fresh.length > MOST_LINES) return [...old.map((text) => plain("-", text)), ...fresh.map((text) => plain("+", text))];
  const letters = new Map<string, string>();
  const spell = (lines: string[]) => lines.map((line) => letters.get(line) ?? letter(letters, line)).join("");
  const found: Line[] = [];
  let at = 0;
  for (const change of diff(spell(old), spell(fresh), { scanLimit: 5000 })) {
    found.push(...old.slice(at, change.fromA).map((text) => plain(" ", text)));
    found.push(...changed(old.slice(change.fromA, change.toA), fresh.slice(change.fromB, change.toB)));
    at = change.toA;
  }
  return [...found, ...old.slice(at).map((text) => plain(" ", text))];
}

/** One letter for each different line; halves of surrogate pairs are no letters. */
function letter(letters: Map<string, string>, line: string): string {
  const number = letters.size + 32;
  const made = String.fromCharCode(number < 0xd800 ? number : number + 0x800);
  letters.set(line, made);
  return made;
}

function changed(old: string[], fresh: string[]): Line[] {
  if (old.length !== fresh.length) return [...old.map((text) => plain("-", text)), ...fresh.map((text) => plain("+", text))];
  const pairs = old.map((text, index) => within(text, fresh[index]!));
  return [...pairs.map((pair) => pair[0]), ...pairs.map((pair) => pair[1])];
}

function within(before: string, after: string): [Line, Line] {
  if (before.length > LONGEST || after.length > LONGEST) return [plain("-", before), plain("+", after)];
  const [old, fresh]: [Line, Line] = [{ sign: "-", pieces: [] }, { sign: "+", pieces: [] }];
  let [a, b] = [0, 0];
  const push = (line: Line, text: string, marked: boolean) => void (text && line.pieces.push({ text, marked }));
  for (const change of presentableDiff(before, after)) {
    push(old, before.slice(a, change.fromA), false);
    push(old, before.slice(change.fromA, change.toA), true);
    push(fresh, after.slice(b, change.fromB), false);
    push(fresh, after.slice(change.fromB, change.toB), true);
    [a, b] = [change.toA, change.toB];
  }
  push(old, before.slice(a), false);
  push(fresh, after.slice(b), false);
  return [old, fresh];
}

function plain(sign: Line["sign"], text: string): Line {
  return { sign, pieces: [{ text, marked: false }] };
}
