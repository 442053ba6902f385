// Every pair of colours that stand together is apart enough: 4.5:1 for words, 3:1 for edges and signs, 7:1 for words in
// high contrast. Read from base.css itself, so that a colour that is changed is checked.

import { describe, expect, it } from "vitest";
import css from "./base.css?raw";
import marks from "./pages.css?raw";

type Scheme = "light" | "dark";
const SCHEMES: Scheme[] = ["light", "dark"];

function colour(name: string, scheme: Scheme, more: boolean): string {
  const value = new RegExp(`--${name}: (.+);`).exec(css)?.[1];
  if (!value) throw new Error(`--${name} is not in base.css`);
  const other = /^var\(--([a-z-]+)\)$/.exec(value);
  if (other) return colour(other[1]!, scheme, more);
  return ofPair([...value.matchAll(/light-dark\([^)]*\)/g)].map((pair) => pair[0]).at(more ? -1 : 0)!, scheme);
}

function ofPair(pair: string, scheme: Scheme): string {
  const [light, dark] = [...pair.matchAll(/#[0-9a-f]{6}/g)].map((found) => found[0]);
  return (scheme === "light" ? light : dark)!;
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function ratio(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

const GROUNDS = ["bg", "surface", "raised", "sunken", "hover"];
const CODE = ["code-keyword", "code-string", "code-number", "code-comment", "code-function", "code-type"];
/** What stands on what. */
const WORDS: [string, string][] = [
  ...GROUNDS.flatMap((ground) => ["text", "muted", "link", "accent"].map((word): [string, string] => [word, ground])),
  ...["bg", "surface", "raised", "sunken"].flatMap((ground) => ["danger", "warning", "good", "busy", ...CODE].map((word): [string, string] => [word, ground])),
  ["on-accent", "accent"], ["accent", "accent-soft"], ["text", "accent-soft"],
  ["on-danger", "danger"], ["text", "danger-soft"], ["danger", "danger-soft"],
  ["text", "warning-soft"], ["warning", "warning-soft"], ["good", "good-soft"], ["busy", "busy-soft"],
  ["text", "selection"], ["text", "match"], ...CODE.map((word): [string, string] => [word, "selection"]),
];
const EDGES: [string, string][] = ["bg", "surface", "raised", "sunken"].flatMap((ground) => ["line-strong", "focus", "accent", "caret"].map((edge): [string, string] => [edge, ground]));
// High contrast is for words one reads; what only marks a state keeps to AA.
const ON_PLAIN = new Set(["bg", "surface", "raised", "sunken"]);

describe.each(SCHEMES)("in %s", (scheme) => {
  const at = (name: string, more = false) => colour(name, scheme, more);

  it.each(WORDS)("%s is read on %s", (word, ground) => {
    expect(ratio(at(word), at(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(EDGES)("%s is seen on %s", (edge, ground) => {
    expect(ratio(at(edge), at(ground))).toBeGreaterThanOrEqual(3);
  });

  it.each(WORDS)("%s is read on %s with more contrast", (word, ground) => {
    expect(ratio(at(word, true), at(ground, true))).toBeGreaterThanOrEqual(ON_PLAIN.has(ground) ? 7 : 4.5);
  });

  it.each(EDGES)("%s is seen on %s with more contrast", (edge, ground) => {
    expect(ratio(at(edge, true), at(ground, true))).toBeGreaterThanOrEqual(4.5);
  });

  it("the marks of languages are read", () => {
    const pairs = [...marks.matchAll(/^\.mark\.\w+ \{ background: (light-dark\([^)]*\)); color: (light-dark\([^)]*\)) \}/gm)];
    expect(pairs.length).toBeGreaterThan(1);
    for (const [, ground, word] of pairs) expect(ratio(ofPair(word!, scheme), ofPair(ground!, scheme))).toBeGreaterThanOrEqual(4.5);
  });
});
