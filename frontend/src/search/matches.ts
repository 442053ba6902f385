// Finding and replacing in texts. Nothing here knows a page.

export interface Query {
  text: string;
  regex: boolean;
  matchCase: boolean;
}

export interface Match {
  from: number;
  to: number;
  /** What `$1` and the like stand for in a replacement. */
  groups: readonly (string | undefined)[];
}

export const MOST_MATCHES = 10_000;

/** The expression to look for, or why it is none. */
export function expressionOf(query: Query): RegExp | string {
  const flags = `gmu${query.matchCase ? "" : "i"}`;
  if (!query.regex) return new RegExp(query.text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&").replace(/\\-/g, "-"), flags);
  try {
    return new RegExp(query.text, flags);
  } catch (error) {
    return `Not a regular expression: ${String((error as Error).message).replace(/^Invalid regular expression: /, "")}`;
  }
}

/** Matches of at least one character, in their order. */
export function matchesIn(text: string, expression: RegExp, most = MOST_MATCHES): Match[] {
  const found: Match[] = [];
  for (const match of text.matchAll(expression)) {
    if (!match[0]) continue;
    found.push({ from: match.index, to: match.index + match[0].length, groups: match.slice(0) });
    if (found.length === most) break;
  }
  return found;
}

/** `$1`, `$&` and `$$` in a replacement for a regular expression; otherwise it is taken as it is. */
export function expanded(replacement: string, match: Match, regex: boolean): string {
  if (!regex) return replacement;
  return replacement.replace(/\$(\$|&|\d{1,2})/g, (whole, sign: string) => {
    if (sign === "$") return "$";
    const group = sign === "&" ? 0 : Number(sign);
    return group < match.groups.length ? (match.groups[group] ?? "") : whole;
  });
}

export function replaced(text: string, matches: readonly Match[], replacement: string, regex: boolean): string {
  let result = "";
  let at = 0;
  for (const match of matches) {
    result += text.slice(at, match.from) + expanded(replacement, match, regex);
    at = match.to;
  }
  return result + text.slice(at);
}
